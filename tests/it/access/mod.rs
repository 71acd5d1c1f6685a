//! Every route against every kind of credential.

mod asking;
mod cast;
mod table;

use asking::Target;
use cast::Cast;
use table::{Answer, COLUMNS, Column, PERMISSIONS, Row, rows};

use crate::support::Response;

const BASE: &str = "/api/v2/public";

/// Fails, naming the cell of the table, where `response` is not the answer that it has there.
fn check(row: &Row, who: &str, expected: Answer, response: &Response) {
    let empty = response.status == 200
        && serde_json::from_slice::<serde_json::Value>(&response.body)
            .is_ok_and(|body| body["totalDocs"] == 0);
    let found = match response.status {
        200 if empty => "an empty list".to_owned(),
        200 | 201 => "success".to_owned(),
        status => format!("{status} {}", response.json()["error_code"]),
    };
    let wanted = match expected {
        Answer::Success => "success".to_owned(),
        Answer::Empty => "an empty list".to_owned(),
        Answer::Failure(status, code) => format!("{status} {code:?}"),
    };
    let Row { method, path, note, .. } = row;
    assert_eq!(found, wanted, "{method} {path} ({note}) with {who}: {}", response.text());
    if let Answer::Failure(status, code) = expected {
        response.error(status, code);
        let challenge = (status == 401).then_some("Bearer");
        assert_eq!(response.header("www-authenticate"), challenge, "{method} {path} with {who}");
    }
}

#[test]
fn the_table_has_a_row_for_every_route_and_no_other() {
    let mut served: Vec<String> = coffer::http::routes()
        .into_iter()
        .map(|(method, path)| format!("{method} {}", path.strip_prefix(BASE).unwrap_or(path)))
        .collect();
    let mut listed: Vec<String> = rows().iter().map(|row| format!("{} {}", row.method, row.path)).collect();
    served.sort_unstable();
    listed.sort_unstable();
    listed.dedup();
    assert_eq!(listed, served);
}

#[test]
fn every_route_answers_every_kind_of_credential_as_the_table_says() {
    let mut cast = Cast::new();
    for row in rows() {
        // Nothing that is refused uses it up, and reading does not.
        let mut target = None;
        let changes = row.method != "GET";
        for column in COLUMNS {
            for index in 0..cast.many(column) {
                let api = cast.client(column, index);
                let owner = cast.owner();
                if matches!(column, Column::Org | Column::Env) {
                    cast.forget_account_elsewhere();
                }
                let (about, before) = target.get_or_insert_with(|| {
                    let target = Target::new(&owner);
                    let state = changes.then(|| target.state(&owner));
                    (target, state)
                });
                let response = about.request(&row, &api).send();
                check(&row, &format!("{column:?}, number {index}"), row.answer(column), &response);
                if !changes {
                    let head = about.request(&row, &api).method("HEAD").send();
                    assert_eq!(head.status, response.status, "HEAD is answered as GET: {row:?} {column:?}");
                }
                if changes && row.answer(column) == Answer::Success {
                    target = None;
                } else if let Some(before) = before {
                    assert_eq!(about.state(&owner), *before, "{row:?}: what is refused changes nothing");
                }
            }
        }
    }
}

#[test]
fn the_other_permissions_together_do_not_stand_in_for_the_one_that_is_needed() {
    let cast = Cast::new();
    for missing in PERMISSIONS {
        let api = cast.all_but(missing);
        for row in rows().iter().filter(|row| row.permission() == Some(missing)) {
            let response = Target::new(&cast.owner()).request(row, &api).send();
            check(row, &format!("all but {missing}"), Answer::Failure(403, "FORBIDDEN"), &response);
        }
    }
    // To reveal takes two: neither is enough with all the others.
    for missing in ["read", "reveal"] {
        let row = rows().into_iter().find(|row| row.note == "revealed").unwrap();
        assert_eq!(row.answer(Column::All), Answer::Success);
        let response = Target::new(&cast.owner()).request(&row, &cast.all_but(missing)).send();
        check(&row, &format!("all but {missing}"), Answer::Failure(403, "FORBIDDEN"), &response);
    }
}
