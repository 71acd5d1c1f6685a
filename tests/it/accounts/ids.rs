//! The ids of linked accounts, which clients choose: in a path, a body, a header and a query.

use serde_json::json;

use super::{one, removal};
use crate::support::{Server, check_page, percent};

/// Ids that a careless router, decoder or key encoding would take for others.
fn awkward() -> Vec<String> {
    let mut ids: Vec<String> = [
        "a",
        "A",
        "a/",
        "/a",
        "a/b",
        "a//b",
        "/",
        "%",
        "%2F",
        "%2f",
        "a%2Fb",
        "%25",
        "..",
        ".",
        "../a",
        "a/..",
        "./a",
        "+",
        " ",
        " a",
        "a ",
        "a b",
        "a+b",
        "?",
        "#",
        "a?b=c",
        "a#b",
        "&",
        "=",
        ";",
        ":",
        "\\",
        "\"",
        "'",
        "{linked_account_id}",
        "*",
        "null",
        "undefined",
        "user_12345",
        "mark@acme.com",
        "é",
        "e\u{301}",
        "用户",
        "\u{1F511}",
        "\u{202e}rtl",
        "\u{feff}",
        "\u{fffd}",
        "\u{ff0f}",
        "0123456789abcdef01234567",
    ]
    .map(str::to_owned)
    .to_vec();
    ids.extend(["x".repeat(256), "x".repeat(255), "/".repeat(256), "%".repeat(256), "\u{1F511}".repeat(64)]);
    // Each byte of which JSON, and so a token, writes as two.
    ids.extend(["\"".repeat(256), "\\".repeat(256)]);
    ids
}

#[test]
fn any_id_is_one_account_in_path_body_header_and_query() {
    let server = Server::start();
    let api = server.test();
    let definition = api.define_string("V", "linked_account");
    let ids = awkward();
    for id in &ids {
        assert_eq!(api.register(id)["account_id"], *id);
    }
    for id in &ids {
        let read = one(&api, id).send().ok();
        assert_eq!(read["account_id"], *id);
        let named = api.put("/linked-account", &json!({ "account_id": id, "name": id })).send().ok();
        assert_eq!((&named["_id"], &named["name"]), (&read["_id"], &json!(id)));
        api.set_for(&definition, "linked_account_id", id, id);
        let by_query = api.resolve(&definition).query("linked_account_id", id).send().ok();
        assert_eq!(by_query["value"], *id);
        // A header has no blanks at its ends.
        if id.trim() == id {
            for header in ["linked_account_id", "linked-account-id"] {
                let by_header = api.resolve(&definition).header(header, id).send().ok();
                assert_eq!(by_header["value"], *id);
            }
        }
        let token = server.anonymous().bearer(&api.token(id));
        assert_eq!(token.get("/session/active-linked-account").send().ok()["account_id"], *id);
        assert_eq!(one(&token, id).send().ok()["account_id"], *id);
    }
    let list = api.get("/linked-account").query("limit", "1000").send().ok();
    let docs = check_page(&list, 1, 1000, ids.len() as u64);
    assert!(docs.iter().zip(&ids).all(|(doc, id)| doc["account_id"] == *id && doc["name"] == *id));
    for id in ids.iter().step_by(2) {
        removal(&api, id).send().ok();
    }
    for (index, id) in ids.iter().enumerate() {
        assert_eq!(one(&api, id).send().status, if index % 2 == 0 { 404 } else { 200 }, "{id:?}");
        let value = api.resolve(&definition).query("linked_account_id", id).send();
        assert_eq!(value.status, if index % 2 == 0 { 404 } else { 200 }, "{id:?}");
    }
}

#[test]
fn a_path_is_decoded_once_and_never_resolved() {
    let server = Server::start();
    let api = server.test();
    let raw = |path: &str| api.at("GET", &format!("/api/v2/public/linked-account/{path}")).send();
    for (id, spellings) in [
        ("a b", &["a%20b"][..]),
        ("a+b", &["a+b", "a%2Bb"]),
        ("%2F", &["%252F"]),
        ("a/b", &["a%2Fb", "a%2fb"]),
        ("..", &["..", "%2E%2E", "%2e."]),
        ("é", &["%C3%A9", "%c3%a9"]),
        ("mark@acme.com", &["mark@acme.com", "mark%40acme.com", "%6Dark@acme.com"]),
    ] {
        api.register(id);
        for spelling in spellings {
            assert_eq!(raw(spelling).ok()["account_id"], id, "{spelling}");
        }
    }
    for other in ["a%2520b", "%2F", "a/b", "a%252Fb", "E%CC%81", "../linked-account", "%", "%2", "%zz", ""] {
        let answer = raw(other);
        assert!((400..500).contains(&answer.status), "{other}: {}", answer.text());
    }
}

#[test]
fn a_malformed_id_is_unknown_in_a_path_and_an_error_elsewhere() {
    let server = Server::start();
    let api = server.test();
    let definition = api.define_string("V", "linked_account");
    // What a lossy decoder would make of bytes that are not UTF-8.
    api.register("\u{fffd}");
    let (long, wide) = ("x".repeat(257), "é".repeat(129));
    for id in ["a\nb", "\0", "a\u{7f}", "\u{85}", "\t", &long, &wide] {
        for response in [one(&api, id).send(), removal(&api, id).send()] {
            response.error_saying(404, "RESOURCE_NOT_FOUND", "Linked account not found");
        }
    }
    for path in ["%FF", "%C3", "%ED%A0%80", "%C0%AF", "a%FFb", "%F4%90%80%80"] {
        for method in ["GET", "DELETE"] {
            let request = api.at(method, &format!("/api/v2/public/linked-account/{path}"));
            request.send().error(404, "RESOURCE_NOT_FOUND");
        }
    }
    one(&api, "\u{fffd}").send().ok();
    for id in ["", "a\nb", "\0", "a\u{7f}", "\u{85}", &long, &wide] {
        for field in ["account_id", "linked_account_id"] {
            for method in ["POST", "PUT"] {
                let request = api.post("/linked-account", &json!({ field: id })).method(method);
                request.send().error(400, "INVALID_LINKED_ACCOUNT_ID");
            }
        }
        let body = json!({ "linked_account_id": id });
        api.post("/session-token", &body).send().error(400, "INVALID_LINKED_ACCOUNT_ID");
        if !id.is_empty() {
            let resolve = api.resolve(&definition).query("linked_account_id", id);
            resolve.send().error(400, "INVALID_LINKED_ACCOUNT_ID");
        }
    }
    let header = api.post("/linked-account", &json!({})).header("linked_account_id", b"\xff");
    header.send().error(400, "INVALID_LINKED_ACCOUNT_ID");
    check_page(&api.get("/linked-account").send().ok(), 1, 10, 1);
}

#[test]
fn an_id_is_needed_and_all_places_agree() {
    let server = Server::start();
    let api = server.test();
    for method in ["POST", "PUT"] {
        let send = |body: serde_json::Value| api.post("/linked-account", &body).method(method);
        for body in [
            json!({}),
            json!({ "payload": {} }),
            json!({ "account_id": null }),
            json!({ "account_id": "a", "linked_account_id": "b" }),
            json!({ "payload": { "account_id": "a", "linked_account_id": "b" } }),
        ] {
            send(body).send().error(400, "INVALID_LINKED_ACCOUNT_ID");
        }
        let other = |request: crate::support::Request| {
            request.send().error(400, "INVALID_LINKED_ACCOUNT_ID");
        };
        other(send(json!({ "account_id": "a" })).header("linked_account_id", "b"));
        other(send(json!({ "account_id": "a" })).header("linked-account-id", "b"));
        other(send(json!({ "account_id": "a" })).query("linked_account_id", "b"));
        other(send(json!({})).header("linked_account_id", "a").header("linked-account-id", "b"));
    }
    check_page(&api.get("/linked-account").send().ok(), 1, 10, 0);
    let body = json!({ "account_id": "a", "linked_account_id": "a" });
    let agreeing = api.post("/linked-account", &body).header("linked_account_id", "a");
    agreeing.query("linked_account_id", "a").send().ok();
    for method in ["GET", "DELETE"] {
        let request = api.at(method, "/api/v2/public/linked-account/a").header("linked_account_id", "b");
        request.send().error(400, "INVALID_LINKED_ACCOUNT_ID");
    }
    one(&api, "a").header("linked_account_id", "a").send().ok();
    api.put("/linked-account", &json!({})).header("linked-account-id", "by header").send().ok();
    one(&api, "by header").send().ok();
}

#[test]
fn the_organizations_own_id_is_no_accounts() {
    let server = Server::start();
    let (api, org) = (server.test(), server.store().org.clone());
    let definition = api.define_string("V", "linked_account");
    for field in ["account_id", "linked_account_id"] {
        for method in ["POST", "PUT"] {
            let request = api.post("/linked-account", &json!({ field: org })).method(method);
            request.send().error(400, "INVALID_LINKED_ACCOUNT_ID");
        }
    }
    let body = json!({ "variable_definition_id": definition, "value": "v", "linked_account_id": org });
    api.post("/env/values", &body).send().error(400, "INVALID_LINKED_ACCOUNT_ID");
    let body = json!({ "linked_account_id": org });
    api.post("/session-token", &body).send().error(400, "INVALID_LINKED_ACCOUNT_ID");
    one(&api, &org).send().error(404, "RESOURCE_NOT_FOUND");
    check_page(&api.get("/linked-account").send().ok(), 1, 10, 0);
    // Another organization's is an id like any other, and tells nothing of whether there is one.
    api.register(&server.store().create_org("another"));
}

#[test]
fn no_other_environment_and_no_other_organization_sees_an_account() {
    let server = Server::start();
    let (store, api) = (server.store(), server.test());
    store.create_org("another");
    let everything = ["--permissions", "read,write,manage,reveal,admin"];
    let key = store.create_key(&[&["--environment", "test", "--org", "another"], &everything[..]].concat());
    let strangers = [server.production(), server.anonymous().key(&key)];
    let body = json!({ "account_id": "user", "name": "mine" });
    let mine = api.post("/linked-account", &body).send().ok();
    for other in &strangers {
        one(other, "user").send().error(404, "RESOURCE_NOT_FOUND");
        removal(other, "user").send().error(404, "RESOURCE_NOT_FOUND");
        check_page(&other.get("/linked-account").send().ok(), 1, 10, 0);
        let body = json!({ "linked_account_id": "user" });
        other.post("/session-token", &body).send().error(400, "INVALID_LINKED_ACCOUNT_ID");
        let theirs = other.register("user");
        assert_ne!(theirs["_id"], mine["_id"]);
        other.put("/linked-account", &json!({ "account_id": "user", "name": "theirs" })).send().ok();
        assert_eq!(one(&api, "user").send().ok()["name"], "mine");
        let token = other.token("user");
        removal(other, "user").send().ok();
        let token = server.anonymous().bearer(&token);
        token.get(&format!("/linked-account/{}", percent("user"))).send().error(401, "INVALID_TOKEN");
    }
    assert_eq!(one(&api, "user").send().ok()["name"], "mine");
    check_page(&api.get("/linked-account").send().ok(), 1, 10, 1);
}
