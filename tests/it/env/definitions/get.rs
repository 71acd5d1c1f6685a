//! `GET /env/definitions/{id}`.

use serde_json::json;

use super::DEFINITION;
use crate::support::{Server, UNKNOWN_ID, check_fields};

#[test]
fn a_definition_is_answered_field_for_field() {
    let server = Server::start();
    let body =
        json!({ "name": "API_SECRET", "description": "d", "scope": "linked_account", "encrypted": true });
    let created = server.test().post("/env/definitions", &body).send().created();
    let id = created["definition"]["_id"].as_str().unwrap();
    let got = server.test().get(&format!("/env/definitions/{id}")).send().ok();
    check_fields(&got, "definition");
    check_fields(&got["definition"], &format!("{DEFINITION} created_at updated_at"));
    assert_eq!(got, created);
}

#[test]
fn what_is_unknown_or_no_id_is_not_found() {
    let server = Server::start();
    for id in [UNKNOWN_ID, "x", "0123456789ABCDEF01234567", "%2e%2e", "%ff"] {
        server.test().get(&format!("/env/definitions/{id}")).send().error_saying(
            404,
            "RESOURCE_NOT_FOUND",
            "Variable definition not found",
        );
    }
}
