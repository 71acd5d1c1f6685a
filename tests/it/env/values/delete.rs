//! `DELETE /env/values/{value_id}`.

use serde_json::json;

use crate::support::{Server, UNKNOWN_ID, check_id, check_page};

#[test]
fn a_deleted_value_is_gone_and_said_to_be() {
    let server = Server::start();
    let api = server.test();
    let definition = api.define_encrypted("API_SECRET", "org");
    let id = check_id(&api.set(&definition, "v")["_id"]);
    let body = api.delete(&format!("/env/values/{id}")).send().ok();
    assert_eq!(
        body,
        json!({ "status": "success", "message": "Variable value for \"API_SECRET\" deleted successfully" })
    );
    api.resolve(&definition).send().error_saying(404, "RESOURCE_NOT_FOUND", "Variable value not found");
    check_page(&api.get("/env/values/org").send().ok(), 1, 10, 0);
    api.delete(&format!("/env/values/{id}")).send().error_saying(
        404,
        "RESOURCE_NOT_FOUND",
        "Variable value not found",
    );
}

#[test]
fn what_is_unknown_or_no_id_is_not_found() {
    let server = Server::start();
    for id in [UNKNOWN_ID, "x", "0123456789ABCDEF01234567", "%2e%2e", "0123456789abcdef0123456700"] {
        server.test().delete(&format!("/env/values/{id}")).send().error_saying(
            404,
            "RESOURCE_NOT_FOUND",
            "Variable value not found",
        );
    }
}

#[test]
fn another_environments_value_is_not_found() {
    let server = Server::start();
    let definition = server.test().define_string("V", "org");
    let id = check_id(&server.test().set(&definition, "v")["_id"]);
    server.production().delete(&format!("/env/values/{id}")).send().error(404, "RESOURCE_NOT_FOUND");
    assert_eq!(server.test().resolve(&definition).send().ok()["value"], "v");
}

#[test]
fn a_linked_account_header_narrows_to_that_accounts_values() {
    let server = Server::start();
    let api = server.test();
    let definition = api.define_string("V", "linked_account");
    let plain = api.define_string("P", "org");
    let id = check_id(&api.set_for(&definition, "linked_account_id", "one", "v")["_id"]);
    let of_org = check_id(&api.set(&plain, "v")["_id"]);
    for header in ["linked_account_id", "linked-account-id"] {
        api.delete(&format!("/env/values/{id}"))
            .header(header, "two")
            .send()
            .error(404, "RESOURCE_NOT_FOUND");
        api.delete(&format!("/env/values/{of_org}"))
            .header(header, "one")
            .send()
            .error(404, "RESOURCE_NOT_FOUND");
    }
    api.delete(&format!("/env/values/{id}")).header("linked_account_id", "one").send().ok();
    api.delete(&format!("/env/values/{of_org}")).send().ok();
}

#[test]
fn a_deletion_survives_a_kill() {
    let server = Server::start();
    let definition = server.test().define_string("V", "org");
    let id = check_id(&server.test().set(&definition, "v")["_id"]);
    server.test().delete(&format!("/env/values/{id}")).send().ok();
    let server = server.kill().serve();
    server.test().resolve(&definition).send().error(404, "RESOURCE_NOT_FOUND");
    check_page(&server.test().get("/env/values/org").send().ok(), 1, 10, 0);
}
