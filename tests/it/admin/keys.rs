//! `/admin/keys`: keys over HTTP, for `admin`.

use serde_json::{Value, json};

use crate::support::{Client, Request, Server, UNKNOWN_ID, check_id, check_page, check_time};

fn create(server: &Server, body: &Value) -> Value {
    let response = server.test().post("/admin/keys", body).send();
    assert!(matches!(response.status, 200 | 201), "{}", response.text());
    response.json()
}

#[test]
fn a_key_is_shown_once_and_works() {
    let server = Server::start();
    let made = create(&server, &json!({ "environment": "test", "permissions": ["read"], "name": "ci" }));
    let id = check_id(&made["_id"]);
    let key = made["key"].as_str().unwrap().to_owned();
    assert!(key.starts_with("tk_"));
    let api = server.anonymous().key(&key);
    api.get("/env/definitions").send().ok();
    api.post("/env/definitions", &json!({ "name": "V", "scope": "org" })).send().error(403, "FORBIDDEN");

    let list = server.test().get("/admin/keys").send();
    assert!(!list.text().contains(&key[3..]), "shown once");
    let list = list.ok();
    let docs = list["docs"].as_array().unwrap();
    let mine = docs.iter().find(|doc| doc["_id"] == *id).expect("it is listed");
    assert_eq!(mine["name"], "ci");
    assert_eq!(mine["environment"], "test");
    assert_eq!(mine["permissions"], json!(["read"]));
    assert!(mine.get("key").is_none(), "{mine}");
    check_time(&mine["createdAt"]);
}

#[test]
fn admin_reaches_its_own_environment() {
    let server = Server::start();
    let list = server.test().get("/admin/keys").send().ok();
    let docs = check_page(&list, 1, 10, 1);
    assert_eq!(docs[0]["environment"], "test");
    for environment in ["production", "all", "nowhere"] {
        let body = json!({ "environment": environment, "permissions": ["read"] });
        server.test().post("/admin/keys", &body).send().error(403, "FORBIDDEN");
    }
    let other =
        server.production().get("/admin/keys").send().ok()["docs"][0]["_id"].as_str().unwrap().to_owned();
    server.test().delete(&format!("/admin/keys/{other}")).send().error(404, "RESOURCE_NOT_FOUND");
    server.production().get("/env/definitions").send().ok();
}

#[test]
fn admin_for_all_environments_reaches_them_all() {
    let server = Server::start();
    let key = server.store().create_key(&["--environment", "all", "--permissions", "admin,read"]);
    let api = server.anonymous().key(&key);
    check_page(&api.get("/admin/keys").send().ok(), 1, 10, 3);
    for environment in ["test", "production", "all"] {
        let body = json!({ "environment": environment, "permissions": ["read"] });
        let response = api.post("/admin/keys", &body).send();
        assert!(matches!(response.status, 200 | 201), "{}", response.text());
    }
    let body = json!({ "environment": "nowhere", "permissions": ["read"] });
    api.post("/admin/keys", &body).send().error(400, "INVALID_REQUEST");
}

#[test]
fn admin_gives_no_permission_that_it_lacks() {
    let server = Server::start();
    let api = server.permitted("admin,read");
    for permission in ["write", "manage", "reveal"] {
        let body = json!({ "environment": "test", "permissions": ["read", permission] });
        api.post("/admin/keys", &body).send().error(403, "FORBIDDEN");
    }
    let body = json!({ "environment": "test", "permissions": ["read", "admin"] });
    assert!(matches!(api.post("/admin/keys", &body).send().status, 200 | 201));
}

#[test]
fn every_field_is_checked_and_named() {
    let server = Server::start();
    for (change, field) in [
        (json!({ "environment": null }), "environment"),
        (json!({ "environment": 1 }), "environment"),
        (json!({ "permissions": "read" }), "permissions"),
        (json!({ "permissions": [] }), "permissions"),
        (json!({ "permissions": ["nothing"] }), "permissions"),
        (json!({ "permissions": [1] }), "permissions"),
        (json!({ "name": 1 }), "name"),
        (json!({ "expires_in": 0 }), "expires_in"),
        (json!({ "expires_in": -1 }), "expires_in"),
        (json!({ "expires_in": "30d" }), "expires_in"),
        (json!({ "expires_in": 1.5 }), "expires_in"),
        (json!({ "expires_in": u64::MAX }), "expires_in"),
        (json!({ "expires_in": 1e30 }), "expires_in"),
    ] {
        let mut body = json!({ "environment": "test", "permissions": ["read"] });
        for (name, value) in change.as_object().unwrap() {
            body[name] = value.clone();
        }
        let message = server.test().post("/admin/keys", &body).send().error(400, "INVALID_REQUEST");
        assert!(message.contains(field), "{change}: {message}");
    }
    check_page(&server.test().get("/admin/keys").send().ok(), 1, 10, 1);
}

#[test]
fn a_key_expires_when_it_was_said_to() {
    let server = Server::start();
    let made = create(&server, &json!({ "environment": "test", "permissions": ["read"], "expires_in": 1 }));
    let api = server.anonymous().key(made["key"].as_str().unwrap());
    api.get("/env/definitions").send().ok();
    std::thread::sleep(std::time::Duration::from_millis(1_200));
    api.get("/env/definitions").send().error(401, "INVALID_CREDENTIALS");
}

#[test]
fn a_revoked_key_ends_at_once() {
    let server = Server::start();
    let made = create(&server, &json!({ "environment": "test", "permissions": ["read"] }));
    let api = server.anonymous().key(made["key"].as_str().unwrap());
    api.get("/env/definitions").send().ok();
    let path = format!("/admin/keys/{}", made["_id"].as_str().unwrap());
    server.test().delete(&path).send().ok();
    api.get("/env/definitions").send().error(401, "INVALID_CREDENTIALS");
    for unknown in [UNKNOWN_ID, "x"] {
        server.test().delete(&format!("/admin/keys/{unknown}")).send().error(404, "RESOURCE_NOT_FOUND");
    }
}

#[test]
fn another_organizations_keys_are_not_found() {
    let server = Server::start();
    let store = server.store();
    let org = store.create_org("another");
    let key = store.create_key(&["--environment", "test", "--org", &org, "--permissions", "admin"]);
    let other = server.anonymous().key(&key);
    check_page(&other.get("/admin/keys").send().ok(), 1, 10, 1);
    let mine = server.test().get("/admin/keys").send().ok()["docs"][0]["_id"].as_str().unwrap().to_owned();
    other.delete(&format!("/admin/keys/{mine}")).send().error(404, "RESOURCE_NOT_FOUND");
    server.test().get("/env/definitions").send().ok();
}

#[test]
fn keys_are_listed_in_pages() {
    let server = Server::start();
    for index in 0..12 {
        create(
            &server,
            &json!({ "environment": "test", "permissions": ["read"], "name": format!("key {index}") }),
        );
    }
    let first = server.test().get("/admin/keys").send().ok();
    check_page(&first, 1, 10, 13);
    let second = server.test().get("/admin/keys").query("page", "2").send().ok();
    check_page(&second, 2, 10, 13);
    server.test().get("/admin/keys").query("page", "0").send().error(400, "INVALID_REQUEST");
    assert!(!first.to_string().contains("tk_"));
}

#[test]
fn an_environment_in_query_or_header_changes_nothing() {
    let server = Server::start();
    let all = server.anonymous().key(&server.store().create_key(&[
        "--environment",
        "all",
        "--permissions",
        "admin",
    ]));
    check_page(&all.get("/admin/keys").send().ok(), 1, 10, 3);
}

#[test]
fn the_last_use_of_a_key_is_shown_to_the_minute() {
    let server = Server::start();
    let made = create(&server, &json!({ "environment": "test", "permissions": ["read"], "name": "idle" }));
    assert!(made.get("last_used_at").is_none(), "{made}");
    let docs = server.test().get("/admin/keys").send().ok()["docs"].as_array().unwrap().clone();
    let last_used = |name: &str| {
        let of = |doc: &&Value| doc["name"] == name;
        docs.iter().find(of).unwrap_or_else(|| panic!("{docs:?}"))["last_used_at"].clone()
    };
    assert!(check_time(&last_used("made with the store")).ends_with(":00.000Z"));
    assert_eq!(last_used("idle"), Value::Null);
}

#[test]
fn a_key_that_ends_while_its_request_is_under_way_leaves_no_successor() {
    let server = Server::start();
    server.test().register("user");
    let revoked = |request: fn(&Client) -> Request| {
        let body = json!({ "environment": "test", "permissions": ["admin", "manage"] });
        let made = create(&server, &body);
        let api = server.anonymous().key(made["key"].as_str().unwrap());
        request(&api).send_around(|| {
            let path = format!("/admin/keys/{}", made["_id"].as_str().unwrap());
            server.test().delete(&path).send().ok();
        })
    };
    revoked(|api| api.post("/admin/keys", &json!({ "environment": "test", "permissions": ["admin"] })))
        .error(401, "INVALID_CREDENTIALS");
    revoked(|api| api.post("/session-token", &json!({ "linked_account_id": "user" })))
        .error(401, "INVALID_CREDENTIALS");
    assert_eq!(server.test().get("/admin/keys").send().ok()["totalDocs"], 1);
}
