//! The scope table: which ids each scope takes, and what is said of those that do not fit.

use serde_json::{Value, json};

use crate::support::{Client, Request, Server};

fn body(definition: &str, ids: &Value) -> Value {
    let mut body = json!({ "variable_definition_id": definition, "value": "v" });
    for (name, value) in ids.as_object().unwrap() {
        body[name] = value.clone();
    }
    body
}

fn set(api: &Client, definition: &str, ids: &Value) -> Request {
    api.post("/env/values", &body(definition, ids))
}

#[test]
fn org_and_workspace_take_neither_id() {
    let server = Server::start();
    let api = server.test();
    for scope in ["org", "workspace"] {
        let definition = api.define_string("V", scope);
        for ids in [
            json!({ "linked_account_id": "user" }),
            json!({ "workflow_id": "wf" }),
            json!({ "linked_account_id": "user", "workflow_id": "wf" }),
        ] {
            let message = set(&api, &definition, &ids).send().error(400, "SCOPE_MISMATCH");
            assert!(
                ids.as_object().unwrap().keys().any(|id| message.contains(id.as_str())),
                "{ids}: {message}"
            );
        }
        for header in ["linked_account_id", "linked-account-id"] {
            set(&api, &definition, &json!({})).header(header, "user").send().error(400, "SCOPE_MISMATCH");
            api.resolve(&definition).header(header, "user").send().error(400, "SCOPE_MISMATCH");
        }
        api.resolve(&definition).query("linked_account_id", "user").send().error(400, "SCOPE_MISMATCH");
        api.resolve(&definition).query("workflow_id", "wf").send().error(400, "SCOPE_MISMATCH");
        api.resolve(&definition).send().error_saying(404, "RESOURCE_NOT_FOUND", "Variable value not found");
        set(&api, &definition, &json!({})).send().ok();
        api.resolve(&definition).send().ok();
    }
}

#[test]
fn linked_account_takes_its_id_from_header_or_body() {
    let server = Server::start();
    let api = server.test();
    let definition = api.define_string("V", "linked_account");
    let missing = "linked_account_id is required for linked_account scope";

    set(&api, &definition, &json!({})).send().error_saying(400, "SCOPE_MISMATCH", missing);
    set(&api, &definition, &json!({ "workflow_id": "wf" })).send().error(400, "SCOPE_MISMATCH");
    let both = json!({ "workflow_id": "wf", "linked_account_id": "user" });
    let message = set(&api, &definition, &both).send().error(400, "SCOPE_MISMATCH");
    assert!(message.contains("workflow_id"), "{message}");
    api.resolve(&definition).send().error_saying(400, "SCOPE_MISMATCH", missing);
    api.resolve(&definition)
        .query("linked_account_id", "u")
        .query("workflow_id", "w")
        .send()
        .error(400, "SCOPE_MISMATCH");

    for (index, header) in
        ["linked_account_id", "linked-account-id", "Linked_Account_Id"].into_iter().enumerate()
    {
        let account = format!("user_{index}");
        let answer = set(&api, &definition, &json!({})).header(header, &account).send().ok();
        assert_eq!(answer["linked_account_id"], account);
        let same = set(&api, &definition, &json!({ "linked_account_id": account }))
            .header(header, &account)
            .send()
            .ok();
        assert_eq!(same["version"], 2);
        assert_eq!(api.resolve(&definition).header(header, &account).send().ok()["version"], 2);
        assert_eq!(api.resolve(&definition).query("linked_account_id", &account).send().ok()["version"], 2);
    }
    let message = set(&api, &definition, &json!({ "linked_account_id": "a" }))
        .header("linked_account_id", "b")
        .send()
        .error(400, "INVALID_LINKED_ACCOUNT_ID");
    assert!(!message.is_empty());
    set(&api, &definition, &json!({}))
        .header("linked_account_id", "a")
        .header("linked-account-id", "b")
        .send()
        .error(400, "INVALID_LINKED_ACCOUNT_ID");
    set(&api, &definition, &json!({}))
        .header("linked_account_id", "same")
        .header("linked-account-id", "same")
        .send()
        .ok();
    api.resolve(&definition)
        .query("linked_account_id", "a")
        .header("linked_account_id", "b")
        .send()
        .error(400, "INVALID_LINKED_ACCOUNT_ID");
    set(&api, &definition, &json!({}))
        .query("linked_account_id", "a")
        .header("linked_account_id", "b")
        .send()
        .error(400, "INVALID_LINKED_ACCOUNT_ID");
}

#[test]
fn a_malformed_account_id_is_refused() {
    let server = Server::start();
    let api = server.test();
    let definition = api.define_string("V", "linked_account");
    let long = "x".repeat(257);
    let wide = "\u{1F511}".repeat(64) + "x";
    for id in ["a\u{0}b", "\u{7f}", "\n", "\u{85}", "a\u{9f}", long.as_str(), wide.as_str()] {
        set(&api, &definition, &json!({ "linked_account_id": id }))
            .send()
            .error(400, "INVALID_LINKED_ACCOUNT_ID");
        api.resolve(&definition)
            .query("linked_account_id", id)
            .send()
            .error(400, "INVALID_LINKED_ACCOUNT_ID");
        api.get("/env/values/linked_account")
            .query("linked_account_id", id)
            .send()
            .error(400, "INVALID_LINKED_ACCOUNT_ID");
    }
    set(&api, &definition, &json!({ "linked_account_id": "" }))
        .send()
        .error(400, "INVALID_LINKED_ACCOUNT_ID");
    set(&api, &definition, &json!({}))
        .header("linked_account_id", &long)
        .send()
        .error(400, "INVALID_LINKED_ACCOUNT_ID");
    set(&api, &definition, &json!({}))
        .header("linked_account_id", b"\xff\xfe")
        .send()
        .error(400, "INVALID_LINKED_ACCOUNT_ID");
}

#[test]
fn an_account_id_in_a_header_is_utf_8() {
    let server = Server::start();
    let api = server.test();
    let definition = api.define_string("V", "linked_account");
    let name = "m\u{fc}ller@\u{1F511}";
    let answer = set(&api, &definition, &json!({ "linked_account_id": name }))
        .header("linked_account_id", name)
        .send()
        .ok();
    assert_eq!(answer["linked_account_id"], name);
    assert_eq!(api.resolve(&definition).header("linked-account-id", name).send().ok()["version"], 1);
}

#[test]
fn workflow_takes_a_workflow_id_and_no_account() {
    let server = Server::start();
    let api = server.test();
    let definition = api.define_string("V", "workflow");
    let missing = "workflow_id is required for workflow scope";

    set(&api, &definition, &json!({})).send().error_saying(400, "SCOPE_MISMATCH", missing);
    api.resolve(&definition).send().error_saying(400, "SCOPE_MISMATCH", missing);
    set(&api, &definition, &json!({ "linked_account_id": "user" })).send().error(400, "SCOPE_MISMATCH");
    let both = json!({ "workflow_id": "wf", "linked_account_id": "user" });
    let message = set(&api, &definition, &both).send().error(400, "SCOPE_MISMATCH");
    assert!(message.contains("linked_account_id"), "{message}");
    set(&api, &definition, &json!({ "workflow_id": "wf" }))
        .header("linked_account_id", "user")
        .send()
        .error(400, "SCOPE_MISMATCH");

    for id in ["", "a\u{0}", "\u{1f}", "\u{7f}", "\u{80}", &"x".repeat(257)] {
        let answer = set(&api, &definition, &json!({ "workflow_id": id })).send();
        assert_eq!(answer.status, 400, "{id:?}");
        let code = answer.json()["error_code"].as_str().unwrap().to_owned();
        answer.error(400, &code);
        assert!(code == "INVALID_REQUEST" || code == "SCOPE_MISMATCH", "{id:?}: {code}");
    }
    for id in ["w", "a/b:c%d..", &"x".repeat(256), "\u{1F511}"] {
        let answer = set(&api, &definition, &json!({ "workflow_id": id })).send().ok();
        assert_eq!(answer["workflow_id"], *id);
        let resolved = api.resolve(&definition).query("workflow_id", id).send().ok();
        assert_eq!(resolved["version"], 1);
    }
}

#[test]
fn an_unknown_account_is_registered_by_its_first_value_unless_accounts_are_strict() {
    let server = Server::start();
    let definition = server.test().define_string("V", "linked_account");
    server.test().set_for(&definition, "linked_account_id", "new", "v");

    let strict = Server::start_with(&crate::support::Config::new().set("accounts", "strict", "true"));
    let definition = strict.test().define_string("V", "linked_account");
    set(&strict.test(), &definition, &json!({ "linked_account_id": "new" })).send().error_saying(
        400,
        "INVALID_LINKED_ACCOUNT_ID",
        "No linked account found for account id : new in environment test",
    );
    strict
        .test()
        .resolve(&definition)
        .query("linked_account_id", "new")
        .send()
        .error(404, "RESOURCE_NOT_FOUND");
}

#[test]
fn every_scope_has_a_value_of_its_own() {
    let server = Server::start();
    let api = server.test();
    let mut ids = Vec::new();
    for scope in ["org", "workspace", "linked_account", "workflow"] {
        let definition = api.define_string("SAME_NAME", scope);
        let subject = match scope {
            "linked_account" => json!({ "linked_account_id": "one" }),
            "workflow" => json!({ "workflow_id": "one" }),
            _ => json!({}),
        };
        let mut request = body(&definition, &subject);
        request["value"] = scope.into();
        api.post("/env/values", &request).send().ok();
        ids.push((definition, subject, scope));
    }
    for (definition, subject, scope) in ids {
        let mut request = api.resolve(&definition);
        for (name, value) in subject.as_object().unwrap() {
            request = request.query(name, value.as_str().unwrap());
        }
        let resolved = request.send().ok();
        assert_eq!((&resolved["value"], &resolved["scope"]), (&json!(scope), &json!(scope)));
    }
}
