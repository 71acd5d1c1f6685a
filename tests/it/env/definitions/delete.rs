//! `DELETE /env/definitions/{id}`.

use serde_json::json;

use crate::support::{Client, Response, Server, UNKNOWN_ID, check_fields, check_id, check_page};

fn delete(api: &Client, definition: &str) -> Response {
    api.delete(&format!("/env/definitions/{definition}")).send()
}

fn force(api: &Client, definition: &str, force: &str) -> Response {
    api.delete(&format!("/env/definitions/{definition}")).query("force", force).send()
}

#[test]
fn a_definition_without_values_is_deleted() {
    let server = Server::start();
    let api = server.test();
    let id = api.define_string("V", "org");
    let body = delete(&api, &id).ok();
    check_fields(&body, "status message");
    assert_eq!(body["status"], "success");
    assert!(body["message"].as_str().unwrap().contains("V"));
    for response in
        [delete(&api, &id), api.get(&format!("/env/definitions/{id}")).send(), api.resolve(&id).send()]
    {
        response.error_saying(404, "RESOURCE_NOT_FOUND", "Variable definition not found");
    }
    api.setting(&id, "v").send().error(404, "RESOURCE_NOT_FOUND");
    check_page(&api.get("/env/definitions").send().ok(), 1, 10, 0);
    assert_ne!(api.define_string("V", "org"), id);
}

#[test]
fn one_in_use_is_deleted_only_by_force_and_with_its_values() {
    let server = Server::start();
    let api = server.test();
    let id = api.define_string("V", "linked_account");
    let other = api.define_string("OTHER", "linked_account");
    let mut values = Vec::new();
    for index in 0..15 {
        let account = format!("user_{index}");
        values.push(check_id(&api.set_for(&id, "linked_account_id", &account, "v")["_id"]));
        api.set_for(&other, "linked_account_id", &account, "v");
    }
    delete(&api, &id).error(409, "DEFINITION_IN_USE");
    force(&api, &id, "false").error(409, "DEFINITION_IN_USE");
    force(&api, &id, "yes").error(400, "INVALID_REQUEST");
    assert_eq!(api.resolve(&id).query("linked_account_id", "user_3").send().ok()["value"], "v");

    assert_eq!(force(&api, &id, "true").ok()["status"], "success");
    let server = server.kill().serve();
    let api = server.test();
    for value in &values {
        api.delete(&format!("/env/values/{value}")).send().error(404, "RESOURCE_NOT_FOUND");
    }
    for index in 0..15 {
        let account = format!("user_{index}");
        let list = api.get("/env/values/linked_account").query("linked_account_id", &account).send().ok();
        assert_eq!(check_page(&list, 1, 10, 1)[0]["variable_definition_id"]["name"], "OTHER");
    }
}

#[test]
fn values_of_another_environment_are_in_use_too_and_out_of_reach() {
    let server = Server::start();
    let id = server.test().define_string("V", "org");
    server.production().set(&id, "elsewhere");
    delete(&server.test(), &id).error(409, "DEFINITION_IN_USE");
    force(&server.test(), &id, "true").error(403, "FORBIDDEN");
    assert_eq!(server.production().resolve(&id).send().ok()["value"], "elsewhere");
    let all = server.store().create_key(&["--environment", "all", "--permissions", "manage"]);
    force(&server.anonymous().key(&all), &id, "true").ok();
    server.production().resolve(&id).send().error(404, "RESOURCE_NOT_FOUND");
}

#[test]
fn one_whose_values_are_all_deleted_is_free() {
    let server = Server::start();
    let api = server.test();
    let id = api.define_string("V", "org");
    let value = check_id(&api.set(&id, "v")["_id"]);
    api.delete(&format!("/env/values/{value}")).send().ok();
    delete(&api, &id).ok();
}

#[test]
fn what_is_unknown_or_no_id_is_not_found() {
    let server = Server::start();
    for id in [UNKNOWN_ID, "x", "%2e%2e"] {
        delete(&server.test(), id).error_saying(404, "RESOURCE_NOT_FOUND", "Variable definition not found");
        force(&server.test(), id, "true").error(404, "RESOURCE_NOT_FOUND");
    }
}

#[test]
fn a_value_set_while_its_definition_is_deleted_does_not_outlive_it() {
    let server = Server::start();
    let api = server.test();
    for round in 0..5 {
        let id = api.define(&json!({ "name": format!("V{round}"), "scope": "linked_account" }));
        std::thread::scope(|scope| {
            for thread in 0..4 {
                let (api, id) = (&api, &id);
                scope.spawn(move || {
                    for index in 0..10 {
                        let account = format!("user_{thread}_{index}");
                        let body = json!({ "variable_definition_id": id, "value": "v", "linked_account_id": account });
                        let response = api.post("/env/values", &body).send();
                        assert!(matches!(response.status, 200 | 404), "{}", response.text());
                    }
                });
            }
            std::thread::sleep(std::time::Duration::from_millis(5));
            force(&api, &id, "true").ok();
        });
        for thread in 0..4 {
            for index in 0..10 {
                let account = format!("user_{thread}_{index}");
                let list =
                    api.get("/env/values/linked_account").query("linked_account_id", &account).send().ok();
                check_page(&list, 1, 10, 0);
            }
        }
    }
}
