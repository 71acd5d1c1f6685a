//! Every act has one entry, which says who did it, from where, and to what.

use serde_json::{Value, json};

use super::{events, export, trail};
use crate::support::{Server, check_fields, check_id, check_time};

/// What is in every value, key and token of these tests and must be in no entry.
const MARKER: &str = "Kx9-planted-in-a-value-3q";

/// Runs `act` and returns the entries that it made, newest first.
fn made(server: &Server, act: impl FnOnce()) -> Vec<Value> {
    let key = server.store().create_key(&["--environment", "all", "--permissions", "admin"]);
    let api = server.anonymous().key(&key);
    let before = trail(&api).len();
    act();
    let mut entries = trail(&api);
    entries.truncate(entries.len() - before);
    entries
}

#[test]
fn each_change_makes_one_entry_and_reading_makes_none() {
    let server = Server::start();
    let api = server.test();
    let one = |event: &str, act: &mut dyn FnMut() -> Value| {
        let mut value = Value::Null;
        let entries = made(&server, || value = act());
        assert_eq!(events(&entries), [event]);
        let entry = &entries[0];
        assert_eq!(entry["actor"]["type"], "api_key", "{entry}");
        (entry.clone(), value)
    };
    let definition = json!({ "name": "SECRET", "scope": "linked_account", "encrypted": true });
    let create = &mut || api.post("/env/definitions", &definition).send().created();
    let (entry, body) = one("variable_definition.created", create);
    let definition = check_id(&body["definition"]["_id"]);
    assert_eq!(entry["entity"], json!({ "type": "variable_definition", "id": definition, "name": "SECRET" }));
    assert_eq!(entry["environment"], Value::Null, "a definition is the organization's");

    let path = format!("/env/definitions/{definition}");
    let patch = json!({ "description": MARKER });
    one("variable_definition.updated", &mut || api.patch(&path, &patch).send().ok());
    let account = json!({ "account_id": "ann", "name": "Ann" });
    let (entry, _) = one("linked_account.created", &mut || api.post("/linked-account", &account).send().ok());
    assert_eq!((&entry["linked_account_id"], &entry["environment"]), (&json!("ann"), &json!("test")));
    assert_eq!(entry["entity"]["name"], "ann");
    let account = json!({ "account_id": "ann", "name": "Anna" });
    one("linked_account.updated", &mut || api.put("/linked-account", &account).send().ok());
    assert_eq!(
        made(&server, || drop(api.put("/linked-account", &account).send().ok())).len(),
        0,
        "no change"
    );

    let set = || api.set_for(&definition, "linked_account_id", "ann", MARKER);
    let (entry, value) = one("variable_value.set", &mut || set());
    let value = check_id(&value["_id"]);
    assert_eq!(entry["entity"], json!({ "type": "variable_value", "id": value, "name": "SECRET" }));
    assert_eq!((&entry["linked_account_id"], &entry["environment"]), (&json!("ann"), &json!("test")));
    one("variable_value.updated", &mut || set());
    let reveal =
        || api.resolve(&definition).query("linked_account_id", "ann").query("reveal", "true").send().ok();
    let (entry, _) = one("variable_value.revealed", &mut || reveal());
    assert_eq!(entry["entity"]["id"], *value);
    let context = || {
        let resolve = api.get("/env/resolve").query("linked_account_id", "ann").query("workflow_id", "w/1");
        resolve.query("reveal", "true").send().ok()
    };
    let (entry, _) = one("variable_value.revealed", &mut || context());
    assert_eq!(entry["entity"], json!({ "type": "workflow", "id": "w/1" }));
    assert_eq!((&entry["linked_account_id"], &entry["count"]), (&json!("ann"), &json!(1)));
    let template =
        json!({ "template": "{{env.linked_account.SECRET}}", "linked_account_id": "ann", "reveal": true });
    let (entry, _) = one("variable_value.revealed", &mut || api.post("/env/render", &template).send().ok());
    assert_eq!(entry["entity"], json!({ "type": "environment", "id": "test" }));
    let reading = made(&server, || {
        api.resolve(&definition).query("linked_account_id", "ann").send().ok();
        api.get("/env/resolve").query("linked_account_id", "ann").send().ok();
        trail(&api);
    });
    assert_eq!(reading.len(), 0);

    let log_in = || api.post("/session-token", &json!({ "linked_account_id": "ann" })).send().ok();
    let (created, tokens) = one("session_token.created", &mut || log_in());
    assert_eq!(made(&server, || drop(log_in())).len(), 0, "the same tokens again");
    let refresh = json!({ "refresh_token": tokens["refresh_token"] });
    let refreshed = made(&server, || drop(api.post("/session-token/refresh", &refresh).send().ok()));
    assert_eq!(events(&refreshed), ["session_token.refreshed"]);
    assert_eq!(refreshed[0]["actor"]["type"], "linked_account");
    assert_eq!(refreshed[0]["actor"]["name"], "ann");
    assert_eq!(refreshed[0]["entity"], created["entity"]);
    let reused = made(&server, || {
        api.post("/session-token/refresh", &refresh).send().error(401, "INVALID_TOKEN");
    });
    assert_eq!(events(&reused), ["session_token.reused"]);

    let token = server.anonymous().bearer(&api.token("ann"));
    let set = json!({ "variable_definition_id": definition, "value": MARKER });
    let by_token = made(&server, || drop(token.post("/env/values", &set).send().ok()));
    assert_eq!(events(&by_token), ["variable_value.updated"]);
    assert_eq!(by_token[0]["actor"]["name"], "ann");
    let revoked = made(&server, || {
        token.at("POST", "/api/v2/public/session-token/revoke").send().ok();
    });
    assert_eq!(events(&revoked), ["session_token.revoked"]);

    one("variable_value.deleted", &mut || api.delete(&format!("/env/values/{value}")).send().ok());
    for account in ["ann", "bob"] {
        api.set_for(&definition, "linked_account_id", account, MARKER);
    }
    let (entry, _) = one("linked_account.deleted", &mut || api.delete("/linked-account/ann").send().ok());
    assert_eq!(entry["count"], 1, "the values that went with it");
    let force = || api.delete(&path).query("force", "true").send().ok();
    let (entry, _) = one("variable_definition.deleted", &mut || force());
    assert_eq!(entry["count"], 1, "the values that went with it");

    let new = json!({ "environment": "test", "permissions": ["read"], "name": "ci" });
    let (entry, key) = one("api_key.created", &mut || api.post("/admin/keys", &new).send().created());
    assert_eq!(entry["entity"], json!({ "type": "api_key", "id": key["_id"], "name": "ci" }));
    let path = format!("/admin/keys/{}", key["_id"].as_str().unwrap());
    one("api_key.revoked", &mut || api.delete(&path).send().ok());

    let (_, lines) = export(server.store(), "all.jsonl");
    let text = lines.join("\n");
    let secret = key["key"].as_str().unwrap();
    for planted in [MARKER, secret, &secret[3..], tokens["token"].as_str().unwrap(), &server.store().test_key]
    {
        assert!(!text.contains(planted), "{planted} is in the trail");
    }
    assert!(!text.contains(tokens["refresh_token"].as_str().unwrap()));
}

#[test]
fn a_value_that_registers_its_account_and_an_import_are_an_entry_for_each_thing() {
    let server = Server::start();
    let api = server.test();
    let definition = api.define_string("V", "linked_account");
    let entries = made(&server, || drop(api.set_for(&definition, "linked_account_id", "new", "v")));
    assert_eq!(events(&entries), ["variable_value.set", "linked_account.created"]);
    let variables = json!([{ "name": "V", "value": "w" }, { "name": "W", "value": "x" }]);
    let body = json!({ "scope": "linked_account", "linked_account_id": "new", "create": true, "variables": variables });
    let entries = made(&server, || drop(api.post("/env/import", &body).send().ok()));
    assert_eq!(
        events(&entries),
        ["variable_value.set", "variable_definition.created", "variable_value.updated"]
    );
    let entries = made(&server, || drop(api.post("/env/import", &body).send().ok()));
    assert_eq!(entries.len(), 0, "nothing changed");
}

#[test]
fn an_entry_says_who_it_was_and_from_where() {
    let server = Server::start();
    let api = server.test();
    let definition = api.define_string("V", "org");
    let request = api.setting(&definition, "v").header("user-agent", b"tester/1.0 \xff".as_slice());
    request.header("x-request-id", "my-request.1").send().ok();
    let entry = trail(&api)[0].clone();
    check_fields(&entry, "_id seq event actor entity environment ip user_agent request_id createdAt hash");
    check_id(&entry["_id"]);
    check_time(&entry["createdAt"]);
    assert_eq!(entry["ip"], "127.0.0.1");
    assert_eq!(entry["user_agent"], "tester/1.0 \u{fffd}");
    assert_eq!(entry["request_id"], "my-request.1");
    let keys = api.get("/admin/keys").send().ok();
    let actor = json!({ "type": "api_key", "id": keys["docs"][0]["_id"], "name": "made with the store" });
    assert_eq!(entry["actor"], actor);

    let long = api.setting(&definition, "w").header("user-agent", "x".repeat(4000)).send();
    long.ok();
    let entry = trail(&api)[0].clone();
    assert_eq!(entry["user_agent"].as_str().unwrap().len(), 256);
    assert_eq!(entry["request_id"].as_str(), long.header("x-request-id"), "the one that the answer has");
}

#[test]
fn what_the_operator_does_is_the_operators_and_in_its_chain() {
    let server = Server::start();
    let store = server.store();
    store.create_key(&["--environment", "test", "--name", "through the socket"]);
    let entry = trail(&server.test())[0].clone();
    let uid = std::os::unix::fs::MetadataExt::uid(&std::fs::metadata(store.data()).unwrap());
    assert_eq!(entry["event"], "api_key.created");
    assert_eq!(entry["actor"], json!({ "type": "operator", "id": uid.to_string() }));
    assert_eq!(
        (&entry["ip"], &entry["user_agent"], &entry["request_id"]),
        (&Value::Null, &Value::Null, &Value::Null)
    );
    let id = entry["entity"]["id"].as_str().unwrap();
    store.coffer(["keys", "revoke", id]).ok();
    assert_eq!(trail(&server.test())[0]["event"], "api_key.revoked");
    store.coffer(["environments", "add", "staging"]).ok();
    let other = store.create_org("another");

    let (_, lines) = export(store, "all.jsonl");
    let of = |chain: &str| -> Vec<Value> {
        let lines = lines.iter().map(|line| serde_json::from_str::<Value>(line).unwrap());
        lines.filter(|line| line["chain"] == chain).collect()
    };
    assert_eq!(events(&of("store")), ["organization.created", "organization.created"]);
    assert_eq!(of("store")[1]["entity"]["id"], *other);
    assert_eq!(events(&of(&store.org)).last(), Some(&"environment.created"));
    assert_eq!(of(&other).len(), 0, "nothing was done in it yet");
}
