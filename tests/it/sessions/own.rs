//! What a session token opens: its own account, and the linked_account-scoped values of it.

use serde_json::{Value, json};

use crate::support::{Client, Request, Server, UNKNOWN_ID, check_fields, check_id, check_page};

const ACCOUNT: &str = "mark@acme.com";

/// A server with an account, and a client with a token of it.
fn started() -> (Server, Client) {
    let server = Server::start();
    server.test().register(ACCOUNT);
    let token = server.test().token(ACCOUNT);
    let client = server.anonymous().bearer(&token);
    (server, client)
}

#[test]
fn a_token_sets_resolves_lists_and_deletes_its_accounts_values() {
    let (server, token) = started();
    let api = server.test();
    let account = api.get("/linked-account/mark%40acme.com").send().ok();
    let definition = api.define_string("V", "linked_account");
    let other = api.define_string("W", "linked_account");
    api.set_for(&other, "linked_account_id", "somebody else", "theirs");

    let set = token.set(&definition, "one");
    assert_eq!((&set["linked_account_id"], &set["version"]), (&json!(ACCOUNT), &json!(1)));
    assert_eq!((&set["created_by"], &set["updated_by"]), (&account["_id"], &account["_id"]));
    // Naming its own account is allowed, wherever.
    let named = token.set_for(&definition, "linked_account_id", ACCOUNT, "two");
    assert_eq!((&named["_id"], &named["version"]), (&set["_id"], &json!(2)));
    for header in ["linked_account_id", "linked-account-id"] {
        token.setting(&definition, "three").header(header, ACCOUNT).send().ok();
    }
    token.setting(&definition, "four").query("linked_account_id", ACCOUNT).send().ok();

    for request in [
        token.resolve(&definition),
        token.resolve(&definition).query("linked_account_id", ACCOUNT),
        token.resolve(&definition).query("linked_account_id", ""),
        token.resolve(&definition).header("linked-account-id", ACCOUNT),
        token.resolve(&definition).query("environment", "test"),
        token.resolve(&definition).query("reveal", "true"),
        api.resolve(&definition).query("linked_account_id", ACCOUNT),
    ] {
        let found = request.send().ok();
        assert_eq!((&found["value"], &found["version"]), (&json!("four"), &json!(5)));
    }
    let missing = token.resolve(&other).send();
    missing.error_saying(404, "RESOURCE_NOT_FOUND", "Variable value not found");
    let list = token.get("/env/values/linked_account").send().ok();
    assert_eq!(check_page(&list, 1, 10, 1)[0]["_id"], set["_id"]);
    let filtered = token.get("/env/values/linked_account").query("variable_definition_id", &other);
    check_page(&filtered.send().ok(), 1, 10, 0);

    let path = format!("/env/values/{}", check_id(&set["_id"]));
    token.delete(&path).header("if-match", "\"4\"").send().error(412, "VERSION_CONFLICT");
    let answer = token.delete(&path).header("if-match", "\"5\"").send().ok();
    assert_eq!(answer["message"], "Variable value for \"V\" deleted successfully");
    token.delete(&path).send().error(404, "RESOURCE_NOT_FOUND");
    check_page(&token.get("/env/values/linked_account").send().ok(), 1, 10, 0);
}

#[test]
fn preconditions_hold_for_a_token_as_for_a_key() {
    let (server, token) = started();
    let definition = server.test().define_string("V", "linked_account");
    token.setting(&definition, "x").header("if-match", "*").send().error(412, "VERSION_CONFLICT");
    token.setting(&definition, "one").header("if-none-match", "*").send().ok();
    token.setting(&definition, "x").header("if-none-match", "*").send().error(412, "VERSION_CONFLICT");
    token.setting(&definition, "x").header("if-match", "\"2\"").send().error(412, "VERSION_CONFLICT");
    let response = token.setting(&definition, "two").header("if-match", "\"1\"").send();
    assert_eq!((response.ok()["version"].clone(), response.header("etag")), (json!(2), Some("\"2\"")));
    assert_eq!(token.resolve(&definition).send().ok()["value"], "two");
}

#[test]
fn a_token_sets_secrets_and_never_reads_them() {
    let (server, token) = started();
    let definition = server.test().define_encrypted("S", "linked_account");
    let answer = token.setting(&definition, "planted-secret").send();
    assert!(!answer.text().contains("planted-secret"));
    assert_eq!(answer.ok()["version"], 1);
    assert_eq!(token.resolve(&definition).send().ok()["value"], "[REDACTED]");
    let list = token.get("/env/values/linked_account").send().ok();
    assert_eq!(check_page(&list, 1, 10, 1)[0]["value"], "[REDACTED]");
    token.resolve(&definition).query("reveal", "true").send().error(403, "FORBIDDEN");
    let owner = server.test().resolve(&definition).query("linked_account_id", ACCOUNT);
    assert_eq!(owner.query("reveal", "true").send().ok()["value"], "planted-secret");
}

#[test]
fn a_token_sees_only_definitions_of_its_scope() {
    let (server, token) = started();
    let api = server.test();
    let scopes = ["org", "workspace", "linked_account", "workflow"];
    let ids = scopes.map(|scope| api.define_string("SAME", scope));
    api.define_string("LATER", "linked_account");
    let list = |query: &[(&str, &str)]| {
        let request = token.get("/env/definitions");
        query.iter().fold(request, |request, (name, value)| request.query(name, value)).send().ok()
    };
    for query in
        [&[][..], &[("scope", "linked_account")], &[("scope", "")], &[("linked_account_id", ACCOUNT)]]
    {
        let docs = check_page(&list(query), 1, 10, 2);
        assert!(docs.iter().all(|doc| doc["scope"] == "linked_account"), "{query:?}");
    }
    for query in [("name", "^S"), ("names", "SAME"), ("names", "SAME,OTHER")] {
        let docs = check_page(&list(&[query]), 1, 10, 1);
        assert_eq!(docs[0]["_id"], ids[2], "{query:?}");
    }
    for scope in ["org", "workspace", "workflow"] {
        for more in [("name", "SAME"), ("names", "SAME"), ("var_format", "string"), ("name", "")] {
            check_page(&list(&[("scope", scope), more]), 1, 10, 0);
        }
    }
    for (scope, id) in scopes.iter().zip(&ids) {
        let response = token.get(&format!("/env/definitions/{id}")).send();
        if *scope == "linked_account" {
            assert_eq!(response.ok()["definition"]["_id"], **id);
        } else {
            response.error(403, "FORBIDDEN");
        }
    }
    token.get(&format!("/env/definitions/{UNKNOWN_ID}")).send().error(404, "RESOURCE_NOT_FOUND");
}

#[test]
fn values_of_another_scope_are_not_a_tokens() {
    let (server, token) = started();
    let api = server.test();
    for (scope, id) in [("org", None), ("workspace", None), ("workflow", Some("w"))] {
        let definition = api.define_string("V", scope);
        let mut body = json!({ "variable_definition_id": definition, "value": "v" });
        if let Some(id) = id {
            body["workflow_id"] = id.into();
        }
        let value = check_id(&api.post("/env/values", &body).send().ok()["_id"]);
        body["value"] = "changed".into();
        token.post("/env/values", &body).send().error(403, "FORBIDDEN");
        let with = |request: Request| match id {
            Some(id) => request.query("workflow_id", id),
            None => request,
        };
        with(token.resolve(&definition)).send().error(403, "FORBIDDEN");
        with(token.get(&format!("/env/values/{scope}"))).send().error(403, "FORBIDDEN");
        token.delete(&format!("/env/values/{value}")).send().error(404, "RESOURCE_NOT_FOUND");
        let found = with(api.resolve(&definition)).send().ok();
        assert_eq!((&found["value"], &found["version"]), (&json!("v"), &json!(1)));
    }
    let definition = api.define_string("V", "linked_account");
    let body = json!({ "variable_definition_id": definition, "value": "v", "workflow_id": "w" });
    token.post("/env/values", &body).send().error(400, "SCOPE_MISMATCH");
    token.resolve(&definition).query("workflow_id", "w").send().error(400, "SCOPE_MISMATCH");
    token.get("/env/values/unknown").send().error(400, "INVALID_REQUEST");
    token.setting(UNKNOWN_ID, "v").send().error(404, "RESOURCE_NOT_FOUND");
}

#[test]
fn a_token_reads_and_renames_its_account() {
    let (server, token) = started();
    let read = token.get("/linked-account/mark%40acme.com").send().ok();
    let active = token.get("/session/active-linked-account").send().ok();
    assert_eq!(read, active);
    let fields = "_id associated_org account_id name environment udf integrations createdAt updatedAt";
    check_fields(&active, fields);

    let put = |body: Value| token.put("/linked-account", &body).send().ok();
    let named = put(json!({ "name": "Mark" }));
    assert_eq!((&named["new_account"], &named["name"]), (&json!(false), &json!("Mark")));
    assert_eq!(named["_id"], read["_id"]);
    put(json!({ "account_id": ACCOUNT, "udf": { "theme": "dark", "lang": "de" } }));
    let nested = put(json!({ "payload": { "linked_account_id": ACCOUNT, "udf": { "lang": null } } }));
    assert_eq!(nested["udf"], json!([{ "key_name": "theme", "key_value": "dark" }]));
    assert_eq!(nested["name"], "Mark");
    let seen = server.test().get("/linked-account/mark%40acme.com").send().ok();
    assert_eq!((&seen["name"], &seen["udf"]), (&nested["name"], &nested["udf"]));
    check_page(&server.test().get("/linked-account").send().ok(), 1, 10, 1);
    token.put("/linked-account", &json!({ "name": 1 })).send().error(400, "INVALID_REQUEST");
    token.put("/linked-account", &json!({ "name": "n".repeat(257) })).send().error(400, "INVALID_REQUEST");
}

#[test]
fn a_request_that_is_under_way_when_its_session_ends_changes_nothing() {
    let (server, token) = started();
    let api = server.test();
    let definition = api.define_string("V", "linked_account");
    let remove = || drop(api.delete("/linked-account/mark%40acme.com").send().ok());
    let response = token.setting(&definition, "v").send_around(remove);
    response.error_saying(401, "INVALID_TOKEN", "Invalid token");
    check_page(&api.get("/linked-account").send().ok(), 1, 10, 0);

    let made_anew = || {
        remove();
        api.register(ACCOUNT);
    };
    for request in ["set", "rename"] {
        api.put("/linked-account", &json!({ "account_id": ACCOUNT })).send().ok();
        let token = server.anonymous().bearer(&api.token(ACCOUNT));
        let request = match request {
            "set" => token.setting(&definition, "v"),
            _ => token.put("/linked-account", &json!({ "name": "changed" })),
        };
        request.send_around(made_anew).error(401, "INVALID_TOKEN");
        let token = server.anonymous().bearer(&api.token(ACCOUNT));
        let revoked = token.setting(&definition, "v").send_around(|| {
            token.post("/session-token/revoke", &json!({})).send().ok();
        });
        revoked.error(401, "INVALID_TOKEN");
        let account = api.get("/linked-account/mark%40acme.com").send().ok();
        assert_eq!(account["name"], "");
        let values = api.get("/env/values/linked_account").query("linked_account_id", ACCOUNT);
        check_page(&values.send().ok(), 1, 10, 0);
    }
}
