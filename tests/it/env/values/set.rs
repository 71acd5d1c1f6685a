//! `POST /env/values`: what is answered, and what a second call keeps.

use serde_json::json;

use crate::support::{Server, check_fields, check_id, check_time};

const VALUE: &str =
    "_id variable_definition_id org_id environment value version created_by updated_by createdAt updatedAt";

#[test]
fn the_references_request_is_answered_field_for_field() {
    let server = Server::start();
    let definition = server.test().define_encrypted("API_SECRET", "linked_account");
    let response = server
        .test()
        .post(
            "/env/values",
            &json!({
                "variable_definition_id": definition,
                "value": "your-value",
                "linked_account_id": "user_12345"
            }),
        )
        .send();
    let body = response.ok();

    check_fields(&body, &format!("{VALUE} linked_account_id"));
    check_id(&body["_id"]);
    assert_eq!(body["variable_definition_id"], definition);
    assert_eq!(body["org_id"], server.store().org);
    assert_eq!(body["environment"], "test");
    assert_eq!(body["linked_account_id"], "user_12345");
    assert_eq!(body["version"], 1);
    check_time(&body["createdAt"]);
    assert_eq!(body["createdAt"], body["updatedAt"]);
    assert!(body["created_by"].is_string(), "{body}");
    assert_eq!(body["created_by"], body["updated_by"]);
    assert_eq!(response.header("etag"), Some("\"1\""));
}

#[test]
fn an_encrypted_value_is_answered_as_base64_of_its_ciphertext() {
    use base64::Engine;

    let server = Server::start();
    let definition = server.test().define_encrypted("SECRET", "org");
    let first = server.test().set(&definition, "the same text");
    let second = server.test().set(&definition, "the same text");
    for body in [&first, &second] {
        let text = body["value"].as_str().expect("text");
        let sealed = base64::engine::general_purpose::STANDARD.decode(text).expect("standard base64");
        assert!(sealed.len() > "the same text".len(), "a nonce and a tag are in it");
        assert!(!sealed.windows(8).any(|part| part == b"the same"), "it is not the text");
    }
    assert_ne!(first["value"], second["value"], "sealed anew each time");
}

#[test]
fn a_plain_value_is_answered_as_it_was_sent() {
    let server = Server::start();
    let api = server.test();
    for (scope, ids) in
        [("org", json!({})), ("workspace", json!({})), ("workflow", json!({ "workflow_id": "wf" }))]
    {
        let definition = api.define_string("PLAIN", scope);
        let mut body = json!({ "variable_definition_id": definition, "value": " spaced \u{1F511}\n" });
        for (name, value) in ids.as_object().unwrap() {
            body[name] = value.clone();
        }
        let answer = api.post("/env/values", &body).send().ok();
        let extra = if scope == "workflow" { " workflow_id" } else { "" };
        check_fields(&answer, &format!("{VALUE}{extra}"));
        assert_eq!(answer["value"], " spaced \u{1F511}\n");
    }
}

#[test]
fn a_second_set_replaces_and_keeps_what_identifies_the_value() {
    let server = Server::start();
    let definition = server.test().define_string("URL", "org");
    let first = server.test().set(&definition, "one");
    std::thread::sleep(std::time::Duration::from_millis(5));
    let other_key = server.permitted("write");
    let response = other_key.setting(&definition, "two").send();
    let second = response.ok();

    assert_eq!(second["_id"], first["_id"]);
    assert_eq!(second["createdAt"], first["createdAt"]);
    assert_eq!(second["created_by"], first["created_by"]);
    assert_ne!(second["updated_by"], first["updated_by"], "another key wrote it");
    assert!(second["updatedAt"].as_str() > first["updatedAt"].as_str());
    assert_eq!(second["version"], 2);
    assert_eq!(second["value"], "two");
    assert_eq!(response.header("etag"), Some("\"2\""));
}

#[test]
fn setting_what_is_there_already_is_a_new_version() {
    let server = Server::start();
    let definition = server.test().define_string("URL", "org");
    server.test().set(&definition, "same");
    assert_eq!(server.test().set(&definition, "same")["version"], 2);
}

#[test]
fn a_value_set_again_after_its_deletion_is_another() {
    let server = Server::start();
    let definition = server.test().define_string("URL", "org");
    server.test().set(&definition, "one");
    let first = server.test().set(&definition, "two");
    server.test().delete(&format!("/env/values/{}", first["_id"].as_str().unwrap())).send().ok();
    let second = server.test().set(&definition, "three");
    assert_ne!(second["_id"], first["_id"]);
    assert_eq!(second["version"], 1);
}

#[test]
fn other_fields_are_ignored_and_null_counts_as_absent() {
    let server = Server::start();
    let definition = server.test().define_string("URL", "org");
    let body = json!({
        "variable_definition_id": definition, "value": "v", "linked_account_id": null, "workflow_id": null,
        "version": 7, "environment": "production", "org_id": 1, "unknown": { "deep": [1, 2, { "x": null }] }
    });
    let answer = server.test().post("/env/values", &body).send().ok();
    assert_eq!(answer["environment"], "test");
    assert_eq!(answer["version"], 1);
    assert_eq!(answer["org_id"], server.store().org);
}

#[test]
fn required_fields_that_are_missing_null_or_of_another_type_are_named() {
    let server = Server::start();
    let definition = server.test().define_string("URL", "org");
    for (body, field) in [
        (json!({ "value": "v" }), "variable_definition_id"),
        (json!({ "variable_definition_id": null, "value": "v" }), "variable_definition_id"),
        (json!({ "variable_definition_id": 7, "value": "v" }), "variable_definition_id"),
        (json!({ "variable_definition_id": definition }), "value"),
        (json!({ "variable_definition_id": definition, "value": null }), "value"),
        (json!({ "variable_definition_id": definition, "value": 7 }), "value"),
        (json!({ "variable_definition_id": definition, "value": true }), "value"),
        (json!({ "variable_definition_id": definition, "value": ["v"] }), "value"),
        (json!({ "variable_definition_id": definition, "value": { "v": 1 } }), "value"),
        (json!({ "variable_definition_id": definition, "value": "v", "workflow_id": 7 }), "workflow_id"),
        (
            json!({ "variable_definition_id": definition, "value": "v", "linked_account_id": 7 }),
            "linked_account_id",
        ),
    ] {
        let response = server.test().post("/env/values", &body).send();
        let code = if field == "linked_account_id" { "INVALID_LINKED_ACCOUNT_ID" } else { "INVALID_REQUEST" };
        // A wrong type may be found before the fields have a meaning.
        let code = if response.text().contains("INVALID_REQUEST") { "INVALID_REQUEST" } else { code };
        let message = response.error(400, code);
        assert!(message.contains(field), "{body}: {message}");
    }
    for body in [json!([]), json!("text"), json!(7), json!(null)] {
        server.test().post("/env/values", &body).send().error(400, "INVALID_REQUEST");
    }
    server.test().resolve(&definition).send().error(404, "RESOURCE_NOT_FOUND");
}

#[test]
fn a_definition_id_that_is_unknown_or_no_id_is_not_found() {
    let server = Server::start();
    for id in [crate::support::UNKNOWN_ID, "", "short", "0123456789ABCDEF01234567", "../../etc/passwd", "%00"]
    {
        server.test().setting(id, "v").send().error_saying(
            404,
            "RESOURCE_NOT_FOUND",
            "Variable definition not found",
        );
    }
}

#[test]
fn ids_sort_by_creation() {
    let server = Server::start();
    let mut ids = Vec::new();
    for index in 0..20 {
        let definition = server.test().define_string(&format!("V{index}"), "org");
        ids.push(check_id(&server.test().set(&definition, "v")["_id"]));
    }
    let mut sorted = ids.clone();
    sorted.sort();
    assert_eq!(ids, sorted);
}

#[test]
fn a_value_is_at_most_65536_bytes_and_a_body_524288() {
    let server = Server::start();
    let plain = server.test().define_string("PLAIN", "org");
    let sealed = server.test().define_encrypted("SEALED", "org");
    for definition in [&plain, &sealed] {
        let largest = "\u{e9}".repeat(32_768);
        server.test().set(definition, &largest);
        let over = format!("{largest}x");
        server.test().setting(definition, &over).send().error(413, "PAYLOAD_TOO_LARGE");
        let revealed = server.test().resolve(definition).query("reveal", "true").send().ok();
        assert_eq!(revealed["value"], *largest);
        assert_eq!(revealed["version"], 1);
    }

    let head = format!("{{\"variable_definition_id\":\"{plain}\",\"value\":\"small\"");
    let padded = |length: usize| format!("{head}{}}}", " ".repeat(length - head.len() - 1));
    server.test().setting(&plain, "").body(padded(524_288)).send().ok();
    server.test().setting(&plain, "").body(padded(524_289)).send().error(413, "PAYLOAD_TOO_LARGE");
    assert_eq!(server.test().resolve(&plain).send().ok()["version"], 2);
}

#[test]
fn the_limit_of_a_value_is_configurable() {
    let config = crate::support::Config::new().set("limits", "max_value_bytes", "10");
    let server = Server::start_with(&config);
    let definition = server.test().define_string("SMALL", "org");
    server.test().set(&definition, "0123456789");
    server.test().setting(&definition, "0123456789a").send().error(413, "PAYLOAD_TOO_LARGE");
}
