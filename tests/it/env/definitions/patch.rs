//! `PATCH /env/definitions/{id}`: renaming, another format, sealing.

use serde_json::{Value, json};

use crate::support::{Client, Response, Server, UNKNOWN_ID, check_fields};

fn patch(api: &Client, definition: &str, body: &Value) -> Response {
    api.patch(&format!("/env/definitions/{definition}"), body).send()
}

#[test]
fn name_and_description_change_and_the_rest_stays() {
    let server = Server::start();
    let api = server.test();
    let before = api
        .post("/env/definitions", &json!({ "name": "OLD", "description": "d", "scope": "org" }))
        .send()
        .created();
    let id = before["definition"]["_id"].as_str().unwrap();
    api.set(id, "v");
    std::thread::sleep(std::time::Duration::from_millis(5));
    let after = patch(&server.permitted("manage"), id, &json!({ "name": "NEW", "description": "e" })).ok();

    check_fields(&after, "definition");
    let (before, after_definition) = (&before["definition"], &after["definition"]);
    assert_eq!(after_definition["name"], "NEW");
    assert_eq!(after_definition["description"], "e");
    for same in ["_id", "org_id", "scope", "var_format", "encrypted", "created_by", "createdAt", "created_at"]
    {
        assert_eq!(after_definition[same], before[same], "{same}");
    }
    assert!(after_definition["updatedAt"].as_str() > before["updatedAt"].as_str());
    assert_ne!(after_definition["updated_by"], before["updated_by"]);
    assert_eq!(api.get(&format!("/env/definitions/{id}")).send().ok(), after, "it answers as GET does");
    let resolved = api.resolve(id).send().ok();
    assert_eq!(
        (&resolved["name"], &resolved["value"], &resolved["version"]),
        (&json!("NEW"), &json!("v"), &json!(1))
    );
    api.define_string("OLD", "org");
}

#[test]
fn a_renamed_encrypted_definition_still_opens() {
    let server = Server::start();
    let id = server.test().define_encrypted("OLD", "org");
    server.test().set(&id, "hidden");
    patch(&server.test(), &id, &json!({ "name": "NEW" })).ok();
    let server = server.stop().serve();
    assert_eq!(server.test().resolve(&id).query("reveal", "true").send().ok()["value"], "hidden");
}

#[test]
fn an_empty_patch_and_nulls_change_nothing() {
    let server = Server::start();
    let id = server
        .test()
        .define(&json!({ "name": "V", "description": "d", "scope": "org", "var_format": "number" }));
    for body in [
        json!({}),
        json!({ "name": null, "description": null, "var_format": null, "encrypted": null, "scope": null }),
    ] {
        let definition = &patch(&server.test(), &id, &body).ok()["definition"];
        assert_eq!(definition["name"], "V");
        assert_eq!(definition["description"], "d");
        assert_eq!(definition["var_format"], "number");
        assert_eq!(definition["encrypted"], false);
    }
}

#[test]
fn what_cannot_be_patched_is_named() {
    let server = Server::start();
    let api = server.test();
    let id = api.define_encrypted("V", "org");
    api.define_string("TAKEN", "org");
    for (body, field) in [
        (json!({ "scope": "workspace" }), "scope"),
        (json!({ "encrypted": false }), "encrypted"),
        (json!({ "name": "9" }), "name"),
        (json!({ "name": 1 }), "name"),
        (json!({ "description": "x".repeat(1_025) }), "description"),
        (json!({ "var_format": "text" }), "var_format"),
        (json!({ "encrypted": "yes" }), "encrypted"),
    ] {
        let message = patch(&api, &id, &body).error(400, "INVALID_REQUEST");
        assert!(message.contains(field), "{body}: {message}");
    }
    patch(&api, &id, &json!({ "name": "TAKEN" })).error(409, "DUPLICATE_DEFINITION");
    patch(&api, &id, &json!({ "name": "V" })).ok();
    for unknown in [UNKNOWN_ID, "x"] {
        patch(&api, unknown, &json!({ "name": "X" })).error_saying(
            404,
            "RESOURCE_NOT_FOUND",
            "Variable definition not found",
        );
    }
    assert_eq!(api.get(&format!("/env/definitions/{id}")).send().ok()["definition"]["encrypted"], true);
}

#[test]
fn a_name_left_behind_is_free_and_a_name_taken_over_is_not() {
    let server = Server::start();
    let api = server.test();
    let first = api.define_string("A", "org");
    let second = api.define_string("B", "org");
    patch(&api, &second, &json!({ "name": "A" })).error(409, "DUPLICATE_DEFINITION");
    patch(&api, &first, &json!({ "name": "C" })).ok();
    patch(&api, &second, &json!({ "name": "A" })).ok();
    api.post("/env/definitions", &json!({ "name": "C", "scope": "org" }))
        .send()
        .error(409, "DUPLICATE_DEFINITION");
    api.define_string("B", "org");
}

#[test]
fn a_format_that_values_do_not_fit_is_refused_with_their_number() {
    let server = Server::start();
    let api = server.test();
    for encrypted in [false, true] {
        let name = format!("V_{encrypted}");
        let id = api.define(&json!({ "name": name, "scope": "linked_account", "encrypted": encrypted }));
        for (account, value) in [("a", "1"), ("b", "two"), ("c", "3"), ("d", "four"), ("e", "five")] {
            api.set_for(&id, "linked_account_id", account, value);
        }
        let message = patch(&api, &id, &json!({ "var_format": "number" })).error(400, "INVALID_REQUEST");
        assert!(message.contains('3'), "{message}");
        for hidden in ["two", "four", "five"] {
            assert!(!message.contains(hidden), "{message}");
        }
        for (account, value) in [("b", "2"), ("d", "4"), ("e", "5e0")] {
            api.set_for(&id, "linked_account_id", account, value);
        }
        let definition = &patch(&api, &id, &json!({ "var_format": "number" })).ok()["definition"];
        assert_eq!(definition["var_format"], "number");
        let body = json!({ "variable_definition_id": id, "value": "x", "linked_account_id": "a" });
        api.post("/env/values", &body).send().error(400, "VALUE_FORMAT_MISMATCH");
    }
}

#[test]
fn encrypting_seals_every_existing_value() {
    let server = Server::start();
    let api = server.test();
    let id = api.define_string("V", "linked_account");
    let mut before = Vec::new();
    for index in 0..20 {
        let account = format!("user_{index}");
        before.push((
            account.clone(),
            api.set_for(&id, "linked_account_id", &account, &format!("plain {index}")),
        ));
    }
    let definition = &patch(&api, &id, &json!({ "encrypted": true })).ok()["definition"];
    assert_eq!(definition["encrypted"], true);
    let check = |api: &Client| {
        for (index, (account, set)) in before.iter().enumerate() {
            let resolve = || api.resolve(&id).query("linked_account_id", account);
            let redacted = resolve().send().ok();
            assert_eq!((&redacted["value"], &redacted["encrypted"]), (&json!("[REDACTED]"), &json!(true)));
            assert_eq!(resolve().query("reveal", "true").send().ok()["value"], format!("plain {index}"));
            let doc = &api.get("/env/values/linked_account").query("linked_account_id", account).send().ok()
                ["docs"][0];
            assert_eq!((&doc["value"], &doc["_id"]), (&json!("[REDACTED]"), &set["_id"]));
            assert_eq!(doc["variable_definition_id"]["encrypted"], true);
        }
    };
    check(&api);
    let server = server.kill().serve();
    check(&server.test());
    patch(&server.test(), &id, &json!({ "encrypted": false })).error(400, "INVALID_REQUEST");
}

#[test]
fn a_key_of_one_environment_does_not_seal_anothers_values() {
    let server = Server::start();
    let id = server.test().define_string("V", "org");
    server.production().set(&id, "elsewhere");
    patch(&server.test(), &id, &json!({ "encrypted": true })).error(403, "FORBIDDEN");
    assert_eq!(server.production().resolve(&id).send().ok()["value"], "elsewhere");
    patch(&server.test(), &id, &json!({ "name": "RENAMED" })).ok();
    let all = server.store().create_key(&["--environment", "all", "--permissions", "manage"]);
    patch(&server.anonymous().key(&all), &id, &json!({ "encrypted": true })).ok();
    assert_eq!(server.production().resolve(&id).send().ok()["value"], "[REDACTED]");
}

#[test]
fn values_set_while_a_definition_becomes_encrypted_are_all_sealed() {
    let server = Server::start();
    let api = server.test();
    let id = api.define_string("V", "linked_account");
    std::thread::scope(|scope| {
        for thread in 0..4 {
            let (api, id) = (&api, &id);
            scope.spawn(move || {
                for index in 0..25 {
                    let account = format!("user_{thread}_{index}");
                    api.set_for(id, "linked_account_id", &account, "marker");
                }
            });
        }
        std::thread::sleep(std::time::Duration::from_millis(20));
        patch(&api, &id, &json!({ "encrypted": true })).ok();
    });
    for thread in 0..4 {
        for index in 0..25 {
            let account = format!("user_{thread}_{index}");
            let resolve = || api.resolve(&id).query("linked_account_id", &account);
            assert_eq!(resolve().send().ok()["value"], "[REDACTED]");
            assert_eq!(resolve().query("reveal", "true").send().ok()["value"], "marker");
        }
    }
}
