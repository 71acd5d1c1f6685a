//! `GET /env/values/{value_id}/versions` and `POST /env/values/{value_id}/rollback`.

use serde_json::{Value, json};

use crate::support::{Client, Config, Request, Server, Store, UNKNOWN_ID, check_id, check_page};

fn versions(api: &Client, value: &str) -> Request {
    api.get(&format!("/env/values/{value}/versions")).query("limit", "1000")
}

fn rollback(api: &Client, value: &str, version: u64) -> Request {
    api.post(&format!("/env/values/{value}/rollback"), &json!({ "version": version }))
}

/// Version and shown content of each version.
fn listed(request: Request) -> Vec<(u64, String)> {
    let body = request.send().ok();
    let docs = body["docs"].as_array().unwrap();
    assert_eq!(body["totalDocs"], docs.len(), "{body}");
    let of = |doc: &Value| (doc["version"].as_u64().unwrap(), doc["value"].as_str().unwrap().to_owned());
    docs.iter().map(of).collect()
}

fn texts(expected: &[(u64, &str)]) -> Vec<(u64, String)> {
    expected.iter().map(|(version, text)| (*version, (*text).to_owned())).collect()
}

fn set_all(api: &Client, definition: &str, values: &[&str]) -> String {
    let mut id = String::new();
    for value in values {
        id = check_id(&api.set(definition, value)["_id"]);
    }
    id
}

#[test]
fn every_set_makes_a_version_by_whom_and_when() {
    let server = Server::start();
    let api = server.test();
    let definition = api.define_string("V", "org");
    let first = api.set(&definition, "one");
    let id = check_id(&first["_id"]);
    std::thread::sleep(std::time::Duration::from_millis(5));
    let second = server.permitted("write").set(&definition, "two");
    let body = api.get(&format!("/env/values/{id}/versions")).send().ok();
    check_page(&body, 1, 10, 2);
    let doc = |set: &Value| {
        json!({ "version": set["version"], "value": set["value"], "created_by": set["updated_by"],
            "createdAt": set["updatedAt"] })
    };
    assert_eq!(body["docs"], json!([doc(&second), doc(&first)]));
    assert_ne!(first["updated_by"], second["updated_by"]);
    let server = server.kill().serve();
    assert_eq!(server.test().get(&format!("/env/values/{id}/versions")).send().ok(), body);
}

#[test]
fn as_many_are_kept_as_configured_and_pages_cut_them() {
    let store = Store::with(&Config::new().set("history", "keep_versions", "3"));
    let server = store.serve();
    let api = server.test();
    let definition = api.define_string("V", "org");
    let id = set_all(&api, &definition, &["a", "b", "c", "d", "e"]);
    assert_eq!(listed(versions(&api, &id)), texts(&[(5, "e"), (4, "d"), (3, "c")]));
    let page = |page: &str| {
        let request = api.get(&format!("/env/values/{id}/versions"));
        let body = request.query("page", page).query("limit", "2").send().ok();
        body["docs"].as_array().unwrap().iter().map(|doc| doc["version"].clone()).collect::<Vec<_>>()
    };
    assert_eq!((page("1"), page("2"), page("3")), (vec![json!(5), json!(4)], vec![json!(3)], vec![]));
    versions(&api, &id).query("page", "0").send().error(400, "INVALID_REQUEST");
    rollback(&api, &id, 2).send().error_saying(404, "RESOURCE_NOT_FOUND", "Variable value version not found");
    server.stop();

    store.configure(&Config::new().set("history", "keep_versions", "2"));
    let server = store.serve();
    let api = server.test();
    assert_eq!(listed(versions(&api, &id)), texts(&[(5, "e"), (4, "d")]), "fewer are kept now");
    rollback(&api, &id, 3).send().error(404, "RESOURCE_NOT_FOUND");
    server.stop();

    store.configure(&Config::new().set("history", "keep_versions", "1"));
    let server = store.serve();
    let api = server.test();
    api.set(&definition, "f");
    assert_eq!(listed(versions(&api, &id)), texts(&[(6, "f")]));
    server.stop();
}

#[test]
fn a_rollback_is_a_new_version_and_answers_as_a_set() {
    let server = Server::start();
    let api = server.test();
    for (name, encrypted) in [("PLAIN", false), ("SEALED", true)] {
        let definition = api.define(&json!({ "name": name, "scope": "org", "encrypted": encrypted }));
        let first = api.set(&definition, "one");
        let id = check_id(&first["_id"]);
        api.set(&definition, "two");
        let response = rollback(&api, &id, 1).send();
        assert_eq!(response.header("etag"), Some("\"3\""));
        let body = response.ok();
        for same in ["_id", "variable_definition_id", "org_id", "environment", "created_by", "createdAt"] {
            assert_eq!(body[same], first[same], "{same}");
        }
        assert_eq!(body["version"], 3);
        assert_eq!(body["value"] == first["value"], !encrypted, "a ciphertext is never used twice");
        assert_eq!(api.resolve(&definition).query("reveal", "true").send().ok()["value"], "one");
        let of_all = versions(&api, &id).query("reveal", "true");
        assert_eq!(listed(of_all), texts(&[(3, "one"), (2, "two"), (1, "one")]));
        rollback(&api, &id, 3).send().ok();
        assert_eq!(listed(versions(&api, &id)).len(), 4, "also to the current one");
    }
}

#[test]
fn a_rollback_honours_preconditions_and_todays_format() {
    let server = Server::start();
    let api = server.test();
    let definition = api.define_string("V", "org");
    let id = set_all(&api, &definition, &["text", "12"]);
    rollback(&api, &id, 1).header("if-match", "\"1\"").send().error(412, "VERSION_CONFLICT");
    rollback(&api, &id, 1).header("if-none-match", "*").send().error(412, "VERSION_CONFLICT");
    let number = json!({ "var_format": "number" });
    api.patch(&format!("/env/definitions/{definition}"), &number).send().ok();
    rollback(&api, &id, 1).send().error(400, "VALUE_FORMAT_MISMATCH");
    rollback(&api, &id, 2).header("if-match", "\"2\"").send().ok();
    assert_eq!(api.resolve(&definition).send().ok()["version"], 3);
}

#[test]
fn a_rollback_shows_nothing_to_a_key_that_may_not_read() {
    let server = Server::start();
    let api = server.test();
    let definition = api.define_string("V", "org");
    let id = set_all(&api, &definition, &["one", "two"]);
    assert_eq!(rollback(&server.permitted("write"), &id, 1).send().ok()["value"], "[REDACTED]");
    assert_eq!(api.resolve(&definition).send().ok()["value"], "one");
}

#[test]
fn what_is_malformed_or_unknown_is_refused() {
    let server = Server::start();
    let api = server.test();
    let definition = api.define_string("V", "org");
    let id = set_all(&api, &definition, &["v"]);
    let path = format!("/env/values/{id}/rollback");
    for body in [json!({}), json!({ "version": null }), json!({ "version": 0 }), json!({ "version": "1" })] {
        api.post(&path, &body).send().error(400, "INVALID_REQUEST");
    }
    for version in [2, u64::MAX] {
        rollback(&api, &id, version).send().error(404, "RESOURCE_NOT_FOUND");
    }
    for unknown in [UNKNOWN_ID, "x", "%2e%2e"] {
        for request in [versions(&api, unknown), rollback(&api, unknown, 1)] {
            request.send().error_saying(404, "RESOURCE_NOT_FOUND", "Variable value not found");
        }
    }
    for request in [versions(&server.production(), &id), rollback(&server.production(), &id, 1)] {
        request.send().error(404, "RESOURCE_NOT_FOUND");
    }
    assert_eq!(api.resolve(&definition).send().ok()["version"], 1);
}

#[test]
fn encrypted_versions_are_redacted_or_revealed_with_an_audit_entry() {
    let server = Server::start();
    let api = server.test();
    let definition = api.define_encrypted("V", "org");
    let id = set_all(&api, &definition, &["one", "two"]);
    assert_eq!(listed(versions(&api, &id)), texts(&[(2, "[REDACTED]"), (1, "[REDACTED]")]));
    let reveal = |api: &Client| versions(api, &id).query("reveal", "true");
    reveal(&server.permitted("read")).send().error(403, "FORBIDDEN");
    reveal(&server.permitted("reveal")).send().error(403, "FORBIDDEN");
    let response = reveal(&server.permitted("read,reveal")).send();
    assert_eq!(response.header("cache-control"), Some("no-store"));
    assert_eq!(listed(reveal(&api)), texts(&[(2, "two"), (1, "one")]));
    versions(&api, &id).query("reveal", "yes").send().error(400, "INVALID_REQUEST");
}

#[test]
fn becoming_encrypted_seals_old_versions_and_a_rollback_still_opens_them() {
    let server = Server::start();
    let api = server.test();
    let definition = api.define_string("V", "org");
    let id = set_all(&api, &definition, &["one", "two"]);
    let encrypted = json!({ "encrypted": true });
    api.patch(&format!("/env/definitions/{definition}"), &encrypted).send().ok();
    assert_eq!(listed(versions(&api, &id)), texts(&[(2, "[REDACTED]"), (1, "[REDACTED]")]));
    let server = server.stop().serve();
    let api = server.test();
    rollback(&api, &id, 1).send().ok();
    let of_all = versions(&api, &id).query("reveal", "true");
    assert_eq!(listed(of_all), texts(&[(3, "one"), (2, "two"), (1, "one")]));
}

#[test]
fn a_deleted_value_has_no_history_also_when_it_is_set_again() {
    let server = Server::start();
    let api = server.test();
    let definition = api.define_string("V", "org");
    let old = set_all(&api, &definition, &["one", "two"]);
    api.delete(&format!("/env/values/{old}")).send().ok();
    let new = set_all(&api, &definition, &["three"]);
    versions(&api, &old).send().error(404, "RESOURCE_NOT_FOUND");
    rollback(&api, &old, 1).send().error(404, "RESOURCE_NOT_FOUND");
    assert_eq!(listed(versions(&api, &new)), texts(&[(1, "three")]));
}

#[test]
fn a_session_token_has_the_history_of_its_own_accounts_values() {
    let server = Server::start();
    let api = server.test();
    let definition = api.define_string("V", "linked_account");
    let set = |account: &str, text: &str| {
        check_id(&api.set_for(&definition, "linked_account_id", account, text)["_id"])
    };
    let (own, other) = (set("ann", "one"), set("bob", "his"));
    set("ann", "two");
    let token = server.anonymous().bearer(&api.token("ann"));
    assert_eq!(listed(versions(&token, &own)), texts(&[(2, "two"), (1, "one")]));
    let body = rollback(&token, &own, 1).send().ok();
    assert_eq!((&body["value"], &body["linked_account_id"]), (&json!("one"), &json!("ann")));
    for request in [versions(&token, &other), rollback(&token, &other, 1)] {
        request.send().error(404, "RESOURCE_NOT_FOUND");
    }
    for request in [versions(&token, &own), rollback(&token, &own, 1)] {
        request.header("linked_account_id", "bob").send().error(403, "FORBIDDEN");
    }
    let narrowed = |request: Request| request.header("linked_account_id", "ann").send();
    narrowed(versions(&api, &other)).error(404, "RESOURCE_NOT_FOUND");
    narrowed(versions(&api, &own)).ok();
}
