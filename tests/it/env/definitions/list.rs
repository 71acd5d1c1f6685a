//! `GET /env/definitions`: filters and order.

use serde_json::{Value, json};

use super::DEFINITION;
use crate::support::{Client, Request, Server, check_fields, check_page};

fn names(page: &Value) -> Vec<&str> {
    page["docs"].as_array().unwrap().iter().map(|doc| doc["name"].as_str().unwrap()).collect()
}

fn list(api: &Client) -> Request {
    api.get("/env/definitions")
}

fn filled() -> Server {
    let server = Server::start();
    for (name, scope, format) in [
        ("ZETA", "org", "string"),
        ("alpha", "org", "number"),
        ("ALPHA", "workspace", "url"),
        ("db.url", "linked_account", "url"),
        ("db-url", "linked_account", "string"),
        ("flow", "workflow", "number"),
    ] {
        server.test().define(&json!({ "name": name, "scope": scope, "var_format": format }));
    }
    server
}

#[test]
fn a_page_has_definitions_field_for_field() {
    let server = Server::start();
    let id = server.test().define_encrypted("API_SECRET", "linked_account");
    let body = list(&server.test()).send().ok();
    let docs = check_page(&body, 1, 10, 1);
    check_fields(&docs[0], DEFINITION);
    assert_eq!(docs[0]["_id"], id);
    let envelope =
        "docs totalDocs limit page totalPages pagingCounter hasPrevPage hasNextPage prevPage nextPage";
    if body.get("status").is_some() {
        assert_eq!(body["status"], "success");
    } else {
        check_fields(&body, envelope);
    }
}

#[test]
fn definitions_come_in_the_order_of_their_creation() {
    let server = filled();
    let body = list(&server.test()).send().ok();
    assert_eq!(names(&body), ["ZETA", "alpha", "ALPHA", "db.url", "db-url", "flow"]);
}

#[test]
fn filters_narrow_and_combine() {
    let server = filled();
    let api = server.test();
    let check = |request: Request, expected: &[&str]| {
        let body = request.send().ok();
        assert_eq!(names(&body), expected);
        check_page(&body, 1, 10, expected.len() as u64);
    };
    check(list(&api).query("scope", "org"), &["ZETA", "alpha"]);
    check(list(&api).query("scope", "workflow"), &["flow"]);
    check(list(&api).query("var_format", "url"), &["ALPHA", "db.url"]);
    check(list(&api).query("scope", "org").query("var_format", "number"), &["alpha"]);
    check(list(&api).query("scope", "workspace").query("var_format", "number"), &[]);
    check(list(&api).query("names", "alpha,flow,nothing"), &["alpha", "flow"]);
    check(list(&api).query("names", "ALPHA"), &["ALPHA"]);
    check(list(&api).query("names", "alph"), &[]);
    check(list(&api).query("names", "alpha").query("scope", "workflow"), &[]);
    for filter in ["scope", "var_format", "name", "names"] {
        check(list(&api).query(filter, ""), &["ZETA", "alpha", "ALPHA", "db.url", "db-url", "flow"]);
    }
    for (filter, value) in [("scope", "user"), ("scope", "ORG"), ("var_format", "text")] {
        let message = list(&api).query(filter, value).send().error(400, "INVALID_REQUEST");
        assert!(message.contains(filter), "{message}");
    }
}

#[test]
fn a_name_is_matched_by_a_regular_expression() {
    let server = filled();
    let api = server.test();
    let check = |pattern: &str, expected: &[&str]| {
        assert_eq!(names(&list(&api).query("name", pattern).send().ok()), expected, "{pattern}");
    };
    check("alpha", &["alpha"]);
    check("(?i)alpha", &["alpha", "ALPHA"]);
    check("A", &["ZETA", "ALPHA"]);
    check("^db", &["db.url", "db-url"]);
    check("db.url", &["db.url", "db-url"]);
    check(r"db\.url", &["db.url"]);
    check("l.*w$", &["flow"]);
    check("^$", &[]);
    check(&"(flow)?".repeat(36), &["ZETA", "alpha", "ALPHA", "db.url", "db-url", "flow"]);
}

#[test]
fn a_bad_or_costly_expression_is_a_bad_request_soon() {
    let server = filled();
    let api = server.test();
    let long = "a".repeat(257);
    for pattern in [
        "(",
        "[",
        "*",
        "(?=a)",
        r"\1",
        "a{2,1}",
        "(?P<n>",
        long.as_str(),
        "(a{1000}){1000}{1000}",
        r"\pL{1000}{1000}",
    ] {
        let start = std::time::Instant::now();
        let message = list(&api).query("name", pattern).send().error(400, "INVALID_REQUEST");
        assert!(message.contains("name"), "{pattern}: {message}");
        assert!(start.elapsed().as_secs() < 2, "{pattern} took {:?}", start.elapsed());
    }
    list(&api).query("name", &"a".repeat(256)).send().ok();
    let start = std::time::Instant::now();
    list(&api).query("name", "(a+)+$").send().ok();
    assert!(start.elapsed().as_secs() < 2);
}

#[test]
fn with_an_account_only_its_scope_is_listed() {
    let server = filled();
    let api = server.test();
    for request in [
        list(&api).header("linked_account_id", "user"),
        list(&api).header("linked-account-id", "user"),
        list(&api).query("linked_account_id", "user"),
    ] {
        assert_eq!(names(&request.send().ok()), ["db.url", "db-url"]);
    }
    let other = list(&api).header("linked_account_id", "user").query("scope", "org").send().ok();
    check_page(&other, 1, 10, 0);
}

#[test]
fn filtered_lists_are_paged() {
    let server = Server::start();
    let api = server.test();
    for index in 0..25 {
        let scope = if index % 2 == 0 { "org" } else { "workspace" };
        api.define_string(&format!("V{index:02}"), scope);
    }
    let body = list(&api).query("scope", "org").query("page", "2").query("limit", "5").send().ok();
    check_page(&body, 2, 5, 13);
    assert_eq!(names(&body), ["V10", "V12", "V14", "V16", "V18"]);
    let body = list(&api).query("name", "[05]$").query("limit", "2").query("page", "3").send().ok();
    check_page(&body, 3, 2, 5);
    assert_eq!(names(&body), ["V20"]);
}
