//! `POST /env/render`: values in place of a template's references.

use serde_json::json;

use crate::support::Server;

#[test]
fn references_are_replaced_and_all_else_is_copied() {
    let server = Server::start();
    let api = server.test();
    let url = api.define_string("API_BASE_URL", "org");
    api.set(&url, "https://example.com/{{env.org.API_BASE_URL}}$1");
    let account = api.define_string("db.host-1", "linked_account");
    api.set_for(&account, "linked_account_id", "mark", "10.0.0.1");
    let template = "# é {{ other }} {{}} { {env.org.X} }\nurl={{env.org.API_BASE_URL}}\n\
        host={{  env.linked_account.db.host-1\t}};{{env.org.API_BASE_URL}}{{{env.org.API_BASE_URL}}}";
    let body = json!({ "template": template, "linked_account_id": "mark" });
    let rendered = api.post("/env/render", &body).send().ok();
    let value = "https://example.com/{{env.org.API_BASE_URL}}$1";
    let expected = format!(
        "# é {{{{ other }}}} {{{{}}}} {{ {{env.org.X}} }}\nurl={value}\nhost=10.0.0.1;{value}{{{value}}}"
    );
    assert_eq!(rendered["rendered"], expected);
    let references = rendered["references"].as_array().unwrap();
    assert_eq!(references.len(), 2, "each once");
    assert_eq!(references[0]["name"], "API_BASE_URL");
    assert_eq!(references[0]["variable_definition_id"], url);
    assert_eq!(references[1]["scope"], "linked_account");
}

#[test]
fn what_does_not_resolve_is_named_all_of_it_and_never_empty() {
    let server = Server::start();
    let api = server.test();
    api.define_string("NO_VALUE", "org");
    api.set(&api.define_string("EMPTY", "org"), "");
    let template = "{{env.org.NO_VALUE}} {{env.org.UNKNOWN}} {{env.team.X}} {{env.workflow.Y}} {{env.org.EMPTY}} {{env.}}";
    let message =
        api.post("/env/render", &json!({ "template": template })).send().error(400, "UNRESOLVED_REFERENCE");
    for name in ["env.org.NO_VALUE", "env.org.UNKNOWN", "env.team.X", "env.workflow.Y", "env."] {
        assert!(message.contains(name), "{message}");
    }
    assert!(!message.contains("EMPTY"));
    let empty = api.post("/env/render", &json!({ "template": "[{{env.org.EMPTY}}]" })).send().ok();
    assert_eq!(empty["rendered"], "[]");
    api.post("/env/render", &json!({ "template": "{{env.org.EMPTY" })).send().error(400, "INVALID_REQUEST");
    api.post("/env/render", &json!({})).send().error(400, "INVALID_REQUEST");
    let contradiction = json!({ "template": "text", "linked_account_id": "a" });
    let contradiction = api.post("/env/render", &contradiction).header("linked-account-id", "b");
    contradiction.send().error(400, "INVALID_LINKED_ACCOUNT_ID");
    let many: String = (0..1001).map(|n| format!("{{{{env.org.V{n}}}}}")).collect();
    api.post("/env/render", &json!({ "template": many })).send().error(400, "INVALID_REQUEST");
}

#[test]
fn encrypted_values_are_inserted_only_for_those_who_may_reveal() {
    let server = Server::start();
    let api = server.test();
    api.set(&api.define_encrypted("SECRET", "org"), "hidden");
    let body = |reveal: bool| json!({ "template": "{{env.org.SECRET}}", "reveal": reveal });
    assert_eq!(api.post("/env/render", &body(false)).send().ok()["rendered"], "[REDACTED]");
    assert_eq!(api.post("/env/render", &body(true)).send().ok()["rendered"], "hidden");
    let reader = server.permitted("read");
    assert_eq!(reader.post("/env/render", &body(false)).send().ok()["rendered"], "[REDACTED]");
    reader.post("/env/render", &body(true)).send().error(403, "FORBIDDEN");
}

#[test]
fn a_credential_that_ends_while_the_template_arrives_reveals_nothing() {
    let server = Server::start();
    let api = server.test();
    api.set(&api.define_encrypted("SECRET", "org"), "hidden");
    let made = json!({ "environment": "test", "permissions": ["read", "reveal"] });
    let made = api.post("/admin/keys", &made).send().created();
    let reader = server.anonymous().key(made["key"].as_str().unwrap());
    let body = json!({ "template": "{{env.org.SECRET}}", "reveal": true });
    let late = reader.post("/env/render", &body).send_around(|| {
        api.delete(&format!("/admin/keys/{}", made["_id"].as_str().unwrap())).send().ok();
    });
    late.error(401, "INVALID_CREDENTIALS");
}

#[test]
fn sizes_have_limits() {
    let server = Server::start();
    let api = server.test();
    api.set(&api.define_string("LARGE", "org"), &"v".repeat(60_000));
    let exact = "x".repeat(256 << 10);
    assert_eq!(api.post("/env/render", &json!({ "template": exact })).send().ok()["rendered"], exact);
    let over = json!({ "template": "x".repeat((256 << 10) + 1) });
    api.post("/env/render", &over).send().error(413, "PAYLOAD_TOO_LARGE");
    let seventeen = json!({ "template": "{{env.org.LARGE}}".repeat(17) });
    api.post("/env/render", &seventeen).send().ok();
    let eighteen = json!({ "template": "{{env.org.LARGE}}".repeat(18) });
    api.post("/env/render", &eighteen).send().error(413, "PAYLOAD_TOO_LARGE");
}
