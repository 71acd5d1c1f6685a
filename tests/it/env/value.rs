//! `GET /env/value/{definition_id}`: resolve and reveal.

use serde_json::json;

use crate::support::{Server, UNKNOWN_ID, check_fields, check_time};

#[test]
fn the_references_request_is_answered_field_for_field() {
    let server = Server::start();
    let api = server.test();
    let definition = api.define(&json!({ "name": "API_BASE_URL", "scope": "org", "var_format": "url" }));
    let set = api.set(&definition, "https://api.example.com");
    let response = api.resolve(&definition).send();
    let body = response.ok();

    check_fields(&body, "value encrypted name scope variable_definition_id environment version updatedAt");
    assert_eq!(body["value"], "https://api.example.com");
    assert_eq!(body["encrypted"], false);
    assert_eq!(body["name"], "API_BASE_URL");
    assert_eq!(body["scope"], "org");
    assert_eq!(body["variable_definition_id"], definition);
    assert_eq!(body["environment"], "test");
    assert_eq!(body["version"], 1);
    check_time(&body["updatedAt"]);
    assert_eq!(body["updatedAt"], set["updatedAt"]);
    assert!(response.header("etag").is_some());
}

#[test]
fn an_encrypted_value_is_redacted() {
    let server = Server::start();
    let definition = server.test().define_encrypted("SECRET", "org");
    server.test().set(&definition, "hidden");
    for value in ["", "false"] {
        let body = server.test().resolve(&definition).query("reveal", value).send();
        if value.is_empty() && body.status == 400 {
            continue;
        }
        assert_eq!(body.ok()["value"], "[REDACTED]");
    }
    let body = server.test().resolve(&definition).send().ok();
    assert_eq!((&body["value"], &body["encrypted"]), (&json!("[REDACTED]"), &json!(true)));
}

#[test]
fn reveal_returns_plaintext_that_no_cache_keeps() {
    let server = Server::start();
    let definition = server.test().define_encrypted("SECRET", "org");
    server.test().set(&definition, "hidden \u{1F511}");
    let response = server.test().resolve(&definition).query("reveal", "true").send();
    let body = response.ok();
    check_fields(&body, "value encrypted name scope variable_definition_id environment version updatedAt");
    assert_eq!(body["value"], "hidden \u{1F511}");
    assert_eq!(body["encrypted"], true);
    assert_eq!(response.header("cache-control"), Some("no-store"));
}

#[test]
fn reveal_needs_reveal_and_read() {
    let server = Server::start();
    let secret = server.test().define_encrypted("SECRET", "org");
    let plain = server.test().define_string("PLAIN", "org");
    server.test().set(&secret, "hidden");
    server.test().set(&plain, "open");
    let reveal = |permissions: &str, definition: &str| {
        server.permitted(permissions).resolve(definition).query("reveal", "true").send()
    };
    for permissions in ["read", "reveal", "reveal,write,manage,admin", "read,write,manage,admin"] {
        reveal(permissions, &secret).error(403, "FORBIDDEN");
    }
    assert_eq!(reveal("read,reveal", &secret).ok()["value"], "hidden");
    assert_eq!(reveal("read", &plain).ok()["value"], "open");
    reveal("reveal", &plain).error(403, "FORBIDDEN");
}

#[test]
fn a_reveal_that_is_neither_true_nor_false_is_a_bad_request() {
    let server = Server::start();
    let definition = server.test().define_encrypted("SECRET", "org");
    server.test().set(&definition, "hidden");
    for value in ["1", "yes", "TRUE", "truefalse"] {
        let message =
            server.test().resolve(&definition).query("reveal", value).send().error(400, "INVALID_REQUEST");
        assert!(message.contains("reveal"), "{message}");
    }
}

#[test]
fn what_is_not_there_is_not_found() {
    let server = Server::start();
    let api = server.test();
    let definition = api.define_string("V", "org");
    api.resolve(&definition).send().error_saying(404, "RESOURCE_NOT_FOUND", "Variable value not found");
    api.resolve(&definition).query("reveal", "true").send().error(404, "RESOURCE_NOT_FOUND");
    for id in [UNKNOWN_ID, "x", "0123456789ABCDEF01234567", "%2e%2e"] {
        api.resolve(id).send().error_saying(404, "RESOURCE_NOT_FOUND", "Variable definition not found");
    }
}

#[test]
fn the_tag_is_the_version_and_never_hides_what_changed_beside_it() {
    let server = Server::start();
    let api = server.test();
    let definition = api.define_string("V", "org");
    let id = api.set(&definition, "one")["_id"].as_str().unwrap().to_owned();
    assert_eq!(api.resolve(&definition).send().header("etag"), Some("\"1\""));
    let again = || api.resolve(&definition).header("if-none-match", "\"1\"").send().ok();
    assert_eq!(again()["value"], "one");

    api.patch(&format!("/env/definitions/{definition}"), &json!({ "name": "RENAMED" })).send().ok();
    assert_eq!(again()["name"], "RENAMED");
    api.delete(&format!("/env/values/{id}")).send().ok();
    api.set(&definition, "another");
    assert_eq!(again()["value"], "another");
}
