//! `POST /env/definitions`.

use serde_json::json;

use super::DEFINITION;
use crate::support::{Server, check_fields, check_id, check_page, check_time};

#[test]
fn a_definition_is_created_with_its_defaults() {
    let server = Server::start();
    let response =
        server.test().post("/env/definitions", &json!({ "name": "API_SECRET", "scope": "org" })).send();
    let body = response.created();
    check_fields(&body, "definition");
    let definition = &body["definition"];
    check_fields(definition, &format!("{DEFINITION} created_at updated_at"));
    let id = check_id(&definition["_id"]);
    assert_eq!(definition["org_id"], server.store().org);
    assert_eq!(definition["name"], "API_SECRET");
    assert!(definition["description"].is_null() || definition["description"] == "", "{definition}");
    assert_eq!(definition["scope"], "org");
    assert_eq!(definition["var_format"], "string");
    assert_eq!(definition["encrypted"], false);
    assert_eq!(definition["created_by"], definition["updated_by"]);
    check_time(&definition["createdAt"]);
    for same in ["updatedAt", "created_at", "updated_at"] {
        assert_eq!(definition[same], definition["createdAt"], "{same}");
    }
    let location = response.header("location").expect("a location");
    assert!(location.ends_with(&format!("/api/v2/public/env/definitions/{id}")), "{location}");
    assert_eq!(server.test().at("GET", location).send().ok(), body);
}

#[test]
fn everything_can_be_said() {
    let server = Server::start();
    let wanted = json!({
        "name": "DB", "description": "the \u{1F511} of it\nall", "scope": "linked_account", "var_format": "url", "encrypted": true
    });
    let definition = &server.test().post("/env/definitions", &wanted).send().created()["definition"];
    for (field, value) in wanted.as_object().unwrap() {
        assert_eq!(&definition[field], value, "{field}");
    }
}

#[test]
fn null_counts_as_absent_and_other_fields_are_ignored() {
    let server = Server::start();
    let body = json!({
        "name": "V", "scope": "org", "description": null, "var_format": null, "encrypted": null,
        "_id": "0123456789abcdef01234567", "required_by": 1
    });
    let definition = &server.test().post("/env/definitions", &body).send().created()["definition"];
    assert_eq!(definition["var_format"], "string");
    assert_eq!(definition["encrypted"], false);
    assert_ne!(definition["_id"], "0123456789abcdef01234567");
}

#[test]
fn names_have_a_form() {
    let server = Server::start();
    let longest = "x".repeat(128);
    for name in ["A", "_", "a.b-c_d9", "_9", longest.as_str()] {
        server.test().define_string(name, "org");
    }
    let over = "x".repeat(129);
    for name in ["", "9A", ".a", "-a", "a b", "a/b", "a\n", "\u{e9}", "a\u{0}", "a:b", over.as_str()] {
        let body = json!({ "name": name, "scope": "org" });
        let message = server.test().post("/env/definitions", &body).send().error(400, "INVALID_REQUEST");
        assert!(message.contains("name"), "{name:?}: {message}");
    }
    check_page(&server.test().get("/env/definitions").send().ok(), 1, 10, 5);
}

#[test]
fn every_field_is_checked_and_named() {
    let server = Server::start();
    let long = "\u{e9}".repeat(513);
    for (change, field) in [
        (json!({ "name": null }), "name"),
        (json!({ "name": 7 }), "name"),
        (json!({ "scope": null }), "scope"),
        (json!({ "scope": "Org" }), "scope"),
        (json!({ "scope": "" }), "scope"),
        (json!({ "scope": 1 }), "scope"),
        (json!({ "description": long }), "description"),
        (json!({ "description": 1 }), "description"),
        (json!({ "var_format": "text" }), "var_format"),
        (json!({ "var_format": "String" }), "var_format"),
        (json!({ "var_format": 1 }), "var_format"),
        (json!({ "encrypted": "true" }), "encrypted"),
        (json!({ "encrypted": 1 }), "encrypted"),
    ] {
        let mut body = json!({ "name": "V", "scope": "org" });
        for (name, value) in change.as_object().unwrap() {
            body[name] = value.clone();
        }
        let message = server.test().post("/env/definitions", &body).send().error(400, "INVALID_REQUEST");
        assert!(message.contains(field), "{change}: {message}");
    }
    for body in [json!({ "scope": "org" }), json!({ "name": "V" }), json!({}), json!([]), json!("x")] {
        server.test().post("/env/definitions", &body).send().error(400, "INVALID_REQUEST");
    }
    check_page(&server.test().get("/env/definitions").send().ok(), 1, 10, 0);
    let longest = "\u{e9}".repeat(512);
    server.test().define(&json!({ "name": "V", "scope": "org", "description": longest }));
}

#[test]
fn a_name_is_unique_in_its_scope() {
    let server = Server::start();
    let api = server.test();
    for scope in ["org", "workspace", "linked_account", "workflow"] {
        api.define_string("SAME", scope);
    }
    for scope in ["org", "workspace", "linked_account", "workflow"] {
        let body = json!({ "name": "SAME", "scope": scope, "encrypted": true });
        api.post("/env/definitions", &body).send().error(409, "DUPLICATE_DEFINITION");
        server.production().post("/env/definitions", &body).send().error(409, "DUPLICATE_DEFINITION");
    }
    api.define_string("same", "org");
}

#[test]
fn a_definition_belongs_to_the_organization_not_to_an_environment() {
    let server = Server::start();
    let definition = server.production().define_string("V", "org");
    server.test().get(&format!("/env/definitions/{definition}")).send().ok();
    server.test().set(&definition, "v");
}

#[test]
fn of_concurrent_creations_of_one_name_one_wins() {
    let server = Server::start();
    let api = server.test();
    let statuses: Vec<u16> = std::thread::scope(|scope| {
        let create = || api.post("/env/definitions", &json!({ "name": "ONE", "scope": "org" })).send();
        let threads: Vec<_> = (0..16).map(|_| scope.spawn(create)).collect();
        threads.into_iter().map(|thread| thread.join().unwrap().status).collect()
    });
    assert_eq!(statuses.iter().filter(|status| **status == 201).count(), 1, "{statuses:?}");
    assert_eq!(statuses.iter().filter(|status| **status == 409).count(), 15, "{statuses:?}");
    check_page(&api.get("/env/definitions").send().ok(), 1, 10, 1);
}
