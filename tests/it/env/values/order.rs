//! The order of checks: credential, JSON shape, definition, permission, scope, format.

use serde_json::json;

use crate::support::{Server, UNKNOWN_ID};

#[test]
fn of_several_faults_the_first_in_order_is_answered() {
    let server = Server::start();
    let number = server.test().define(&json!({ "name": "N", "scope": "workflow", "var_format": "number" }));
    let reader = server.permitted("read");
    let anonymous = server.anonymous();

    // Every request has all the faults that come later in the order.
    anonymous.setting("x", "").body("{").send().error(401, "INVALID_CREDENTIALS");
    anonymous.key("tk_wrong").setting("x", "").body("{").send().error(401, "INVALID_CREDENTIALS");
    reader.setting("x", "").body("{").send().error(400, "INVALID_REQUEST");
    reader
        .post("/env/values", &json!({ "variable_definition_id": UNKNOWN_ID }))
        .send()
        .error(400, "INVALID_REQUEST");
    reader.setting(UNKNOWN_ID, "x").send().error(404, "RESOURCE_NOT_FOUND");
    reader.setting(&number, "x").send().error(403, "FORBIDDEN");
    server.permitted("write").setting(&number, "x").send().error(400, "SCOPE_MISMATCH");
    let body = json!({ "variable_definition_id": number, "value": "x", "workflow_id": "w" });
    server.permitted("write").post("/env/values", &body).send().error(400, "VALUE_FORMAT_MISMATCH");
}

#[test]
fn the_environment_is_looked_at_right_after_the_credential() {
    let server = Server::start();
    let all = server.anonymous().key(&server.store().create_key(&["--environment", "all"]));
    all.setting("x", "").body("{").send().error(400, "INVALID_REQUEST");
    server
        .test()
        .setting("x", "")
        .body("{")
        .query("environment", "production")
        .send()
        .error(403, "FORBIDDEN");
    server
        .anonymous()
        .setting("x", "")
        .query("environment", "production")
        .send()
        .error(401, "INVALID_CREDENTIALS");
}
