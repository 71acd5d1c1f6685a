//! `GET /env/values/{scope}`.

use serde_json::json;

use crate::support::{Server, UNKNOWN_ID, check_fields, check_id, check_page, check_time};

const DOC: &str = "_id variable_definition_id value environment version createdAt updatedAt";

#[test]
fn the_references_request_is_answered_field_for_field() {
    let server = Server::start();
    let api = server.test();
    let definition = api.define_encrypted("API_SECRET", "linked_account");
    let set = api.set_for(&definition, "linked_account_id", "user_12345", "secret");
    let body = api.get("/env/values/linked_account").query("linked_account_id", "user_12345").send().ok();

    check_fields(
        &body,
        "status docs totalDocs limit page totalPages pagingCounter hasPrevPage hasNextPage prevPage nextPage",
    );
    assert_eq!(body["status"], "success");
    let docs = check_page(&body, 1, 10, 1);
    let doc = &docs[0];
    check_fields(doc, &format!("{DOC} linked_account_id"));
    assert_eq!(doc["_id"], set["_id"]);
    assert_eq!(
        doc["variable_definition_id"],
        json!({
            "_id": definition, "name": "API_SECRET", "scope": "linked_account", "var_format": "string", "encrypted": true
        })
    );
    assert_eq!(doc["value"], "[REDACTED]");
    assert_eq!(doc["environment"], "test");
    assert_eq!(doc["linked_account_id"], "user_12345");
    assert_eq!(doc["version"], 1);
    check_time(&doc["createdAt"]);
    assert_eq!(doc["updatedAt"], set["updatedAt"]);
}

#[test]
fn plain_values_are_listed_as_they_are() {
    let server = Server::start();
    let api = server.test();
    for scope in ["org", "workspace", "workflow"] {
        let definition = api.define_string("V", scope);
        let mut request = json!({ "variable_definition_id": definition, "value": scope });
        if scope == "workflow" {
            request["workflow_id"] = "wf".into();
        }
        api.post("/env/values", &request).send().ok();
        let body = api.get(&format!("/env/values/{scope}")).query("workflow_id", "wf").send().ok();
        let docs = check_page(&body, 1, 10, 1);
        let extra = if scope == "workflow" { " workflow_id" } else { "" };
        check_fields(&docs[0], &format!("{DOC}{extra}"));
        assert_eq!(docs[0]["value"], scope);
    }
}

#[test]
fn values_come_in_the_order_of_their_definitions() {
    let server = Server::start();
    let api = server.test();
    let names = ["zeta", "alpha", "Mid", "beta"];
    let definitions: Vec<String> = names.iter().map(|name| api.define_string(name, "org")).collect();
    for index in [2, 0, 3, 1] {
        api.set(&definitions[index], "v");
    }
    let body = api.get("/env/values/org").send().ok();
    let listed: Vec<_> = check_page(&body, 1, 10, 4)
        .iter()
        .map(|doc| doc["variable_definition_id"]["name"].as_str().unwrap().to_owned())
        .collect();
    assert_eq!(listed, names);
}

#[test]
fn a_scope_that_needs_an_id_says_so() {
    let server = Server::start();
    let api = server.test();
    api.get("/env/values/linked_account").send().error_saying(
        400,
        "SCOPE_MISMATCH",
        "linked_account_id is required for linked_account scope",
    );
    api.get("/env/values/workflow").send().error_saying(
        400,
        "SCOPE_MISMATCH",
        "workflow_id is required for workflow scope",
    );
    for scope in ["Org", "workspaces", "user", "linked-account", "%00"] {
        api.get(&format!("/env/values/{scope}")).send().error(400, "INVALID_REQUEST");
    }
}

#[test]
fn ids_that_the_scope_does_not_use_are_ignored() {
    let server = Server::start();
    let api = server.test();
    let definition = api.define_string("V", "org");
    api.set(&definition, "v");
    let body = api
        .get("/env/values/org")
        .query("workflow_id", "wf")
        .query("linked_account_id", "user")
        .header("linked_account_id", "user")
        .send()
        .ok();
    check_page(&body, 1, 10, 1);
}

#[test]
fn the_account_may_come_in_a_header_and_must_agree() {
    let server = Server::start();
    let api = server.test();
    let definition = api.define_string("V", "linked_account");
    api.set_for(&definition, "linked_account_id", "one", "v");
    let list = || api.get("/env/values/linked_account");
    check_page(&list().header("linked_account_id", "one").send().ok(), 1, 10, 1);
    check_page(&list().header("linked-account-id", "one").send().ok(), 1, 10, 1);
    check_page(&list().header("linked_account_id", "two").send().ok(), 1, 10, 0);
    list()
        .header("linked_account_id", "two")
        .query("linked_account_id", "one")
        .send()
        .error(400, "INVALID_LINKED_ACCOUNT_ID");
}

#[test]
fn what_is_unknown_has_an_empty_list() {
    let server = Server::start();
    let api = server.test();
    let definition = api.define_string("V", "org");
    api.set(&definition, "v");
    for request in [
        api.get("/env/values/workspace"),
        api.get("/env/values/linked_account").query("linked_account_id", "nobody"),
        api.get("/env/values/workflow").query("workflow_id", "none"),
        api.get("/env/values/org").query("variable_definition_id", UNKNOWN_ID),
        api.get("/env/values/org").query("variable_definition_id", "no id"),
        api.get("/env/values/workspace").query("variable_definition_id", &definition),
    ] {
        check_page(&request.send().ok(), 1, 10, 0);
    }
}

#[test]
fn one_definition_can_be_asked_for() {
    let server = Server::start();
    let api = server.test();
    let definitions: Vec<String> =
        (0..3).map(|index| api.define_string(&format!("V{index}"), "org")).collect();
    for definition in &definitions {
        api.set(definition, "v");
    }
    let body = api.get("/env/values/org").query("variable_definition_id", &definitions[1]).send().ok();
    assert_eq!(check_page(&body, 1, 10, 1)[0]["variable_definition_id"]["_id"], *definitions[1]);
    check_page(&api.get("/env/values/org").query("variable_definition_id", "").send().ok(), 1, 10, 3);
}

#[test]
fn totals_follow_sets_and_deletions() {
    let server = Server::start();
    let api = server.test();
    let mut ids = Vec::new();
    for index in 0..7 {
        let definition = api.define_string(&format!("V{index}"), "linked_account");
        ids.push(check_id(&api.set_for(&definition, "linked_account_id", "user", "v")["_id"]));
        api.set_for(&definition, "linked_account_id", "user", "again");
        api.set_for(&definition, "linked_account_id", "other", "v");
    }
    for id in &ids[..3] {
        api.delete(&format!("/env/values/{id}")).send().ok();
    }
    let list =
        |account| api.get("/env/values/linked_account").query("linked_account_id", account).send().ok();
    check_page(&list("user"), 1, 10, 4);
    check_page(&list("other"), 1, 10, 7);
}
