//! `POST /env/import`: many values in one durable change.

use serde_json::{Value, json};

use crate::support::{Client, Connection, Server};

fn import(api: &Client, mut body: Value, variables: &[(&str, &str)]) -> crate::support::Response {
    body["variables"] =
        variables.iter().map(|(name, value)| json!({ "name": name, "value": value })).collect();
    api.post("/env/import", &body).send()
}

#[test]
fn an_import_says_what_it_did_and_a_dry_run_what_it_would() {
    let server = Server::start();
    let api = server.test();
    api.set(&api.define_string("CHANGED", "org"), "old");
    api.set(&api.define_string("LEFT", "org"), "same");
    api.define_string("ADDED", "org");
    let variables = [("ADDED", "1"), ("CHANGED", "new"), ("LEFT", "same"), ("MADE", "2")];
    for dry_run in [true, false] {
        let body = json!({ "scope": "org", "create": true, "dry_run": dry_run });
        let done = import(&api, body, &variables).ok();
        assert_eq!(done["dry_run"], dry_run);
        assert_eq!(done["added"], json!(["ADDED", "MADE"]));
        assert_eq!(done["changed"], json!(["CHANGED"]));
        assert_eq!(done["left"], json!(["LEFT"]));
        assert_eq!(done["created"], json!(["MADE"]));
    }
    let context = api.get("/env/resolve").send().ok();
    let found: Vec<(&str, &str, u64)> = context["variables"]
        .as_array()
        .unwrap()
        .iter()
        .map(|v| (v["name"].as_str().unwrap(), v["value"].as_str().unwrap(), v["version"].as_u64().unwrap()))
        .collect();
    assert_eq!(found, [("ADDED", "1", 1), ("CHANGED", "new", 2), ("LEFT", "same", 1), ("MADE", "2", 1)]);
    let again = import(&api, json!({ "scope": "org" }), &variables).ok();
    assert_eq!(again["left"].as_array().unwrap().len(), 4);
}

#[test]
fn an_import_that_is_refused_changes_nothing() {
    let server = Server::start();
    let api = server.test();
    let number = api.define(&json!({ "name": "NUMBER", "scope": "org", "var_format": "number" }));
    api.set(&number, "1");
    api.define_string("PLAIN", "org");
    let org = |extra: Value| {
        let mut body = json!({ "scope": "org" });
        body.as_object_mut().unwrap().extend(extra.as_object().unwrap().clone());
        body
    };
    let before = api.get("/env/resolve").send().ok();
    let misfit = import(&api, org(json!({ "create": true })), &[("NEW", "x"), ("NUMBER", "one")]);
    assert!(misfit.error(400, "VALUE_FORMAT_MISMATCH").contains("NUMBER"));
    let unknown = import(&api, org(json!({})), &[("NUMBER", "2"), ("WHO", "x"), ("WHAT", "x")]);
    let message = unknown.error(404, "RESOURCE_NOT_FOUND");
    assert!(message.contains("WHO") && message.contains("WHAT"), "{message}");
    let plain = import(&api, org(json!({ "encrypted": true })), &[("NUMBER", "2"), ("PLAIN", "x")]);
    plain.error(400, "INVALID_REQUEST");
    import(&api, org(json!({})), &[("NUMBER", "2"), ("PLAIN", &"x".repeat(65_537))])
        .error(413, "PAYLOAD_TOO_LARGE");
    import(&api, org(json!({})), &[("NUMBER", "2"), ("NUMBER", "3")]).error(400, "INVALID_REQUEST");
    import(&api, org(json!({})), &[("NUMBER", "2"), ("A B", "3")]).error(400, "INVALID_REQUEST");
    import(&api, json!({ "scope": "workflow" }), &[("NUMBER", "2")]).error(400, "SCOPE_MISMATCH");
    for body in [json!({}), json!({ "scope": "org" }), json!({ "scope": "org", "variables": [1] })] {
        api.post("/env/import", &body).send().error(400, "INVALID_REQUEST");
    }
    assert_eq!(api.get("/env/resolve").send().ok(), before);
}

#[test]
fn it_takes_write_and_manage_where_it_defines() {
    let server = Server::start();
    let api = server.test();
    api.define_string("KNOWN", "org");
    let body = json!({ "scope": "org", "create": true });
    let writer = server.permitted("write");
    import(&writer, body.clone(), &[("KNOWN", "1")]).ok();
    import(&writer, body.clone(), &[("KNOWN", "2"), ("NEW", "1")]).error(403, "FORBIDDEN");
    import(&server.permitted("manage,read"), body.clone(), &[("KNOWN", "2")]).error(403, "FORBIDDEN");
    import(&server.permitted("write,manage"), body, &[("NEW", "1")]).ok();
}

#[test]
fn guesses_cannot_be_tried_out_on_what_may_not_be_read() {
    let server = Server::start();
    let api = server.test();
    api.set(&api.define_encrypted("SECRET", "org"), "hidden");
    api.set(&api.define_string("PLAIN", "org"), "seen");
    let told = |client: &Client, guess: &str| {
        let body = json!({ "scope": "org", "dry_run": true });
        import(client, body, &[("PLAIN", guess), ("SECRET", guess)]).ok()["left"].clone()
    };
    let writer = server.permitted("write");
    assert_eq!((told(&writer, "seen"), told(&writer, "hidden")), (json!([]), json!([])));
    let reader = server.permitted("read,write");
    assert_eq!((told(&reader, "seen"), told(&reader, "hidden")), (json!(["PLAIN"]), json!([])));
}

#[test]
fn a_large_import_is_one_change_and_has_a_limit_and_no_token_imports() {
    let server = Server::start();
    let api = server.test();
    let names: Vec<String> = (0..2000).map(|n| format!("V{n:04}")).collect();
    let large = "x".repeat(2000);
    let variables: Vec<(&str, &str)> = names.iter().map(|name| (name.as_str(), large.as_str())).collect();
    let body =
        json!({ "scope": "linked_account", "linked_account_id": "mark", "create": true, "encrypted": true });
    assert_eq!(import(&api, body, &variables).ok()["added"].as_array().unwrap().len(), 2000);
    let server = server.kill().serve();
    let context = server.test().get("/env/resolve").query("linked_account_id", "mark").send().ok();
    assert_eq!(context["variables"].as_array().unwrap().len(), 2000);

    let token = server.test().post("/session-token", &json!({ "linked_account_id": "mark" })).send().ok();
    let bearer = format!("Bearer {}", token["token"].as_str().unwrap());
    let holder = server.anonymous().with("authorization", bearer);
    import(&holder, json!({ "scope": "linked_account" }), &[("V0001", "own")]).error(403, "FORBIDDEN");
    let names: Vec<String> = (0..5001).map(|n| format!("V{n}")).collect();
    let variables: Vec<(&str, &str)> = names.iter().map(|name| (name.as_str(), "v")).collect();
    let body = json!({ "scope": "org", "create": true });
    import(&server.test(), body, &variables).error(413, "PAYLOAD_TOO_LARGE");
}

#[test]
fn an_import_that_a_kill_cuts_short_is_there_whole_or_not_at_all() {
    let mut server = Server::start();
    for turn in 0..8 {
        let variables: Vec<Value> =
            (0..1_000).map(|n| json!({ "name": format!("V{turn}_{n}"), "value": "x" })).collect();
        let body = json!({ "scope": "workspace", "create": true, "variables": variables });
        let (api, address) = (server.test(), server.address());
        let importing = std::thread::spawn(move || {
            let mut connection = Connection::open(address).ok()?;
            connection.exchange(&api.post("/env/import", &body)).ok().map(drop)
        });
        // From before it has arrived to after it was answered.
        std::thread::sleep(std::time::Duration::from_millis(40 * turn));
        let store = server.kill();
        let acknowledged = importing.join().unwrap().is_some();
        server = store.serve();
        let prefix = format!("V{turn}_");
        let path = format!("/env/definitions?name=^{prefix}");
        let definitions = server.test().get(&path).send().ok()["totalDocs"].as_u64().unwrap();
        assert!(definitions == 0 || definitions == 1_000, "turn {turn}: {definitions} definitions");
        let context = server.test().get("/env/resolve").send().ok();
        let of = |list: &str| {
            let all = context[list].as_array().unwrap();
            all.iter().filter(|v| v["name"].as_str().unwrap().starts_with(&prefix)).count() as u64
        };
        assert_eq!((of("variables"), of("missing")), (definitions, 0));
        assert!(!acknowledged || definitions == 1_000, "an acknowledged import is lost");
    }
}
