//! API keys, as pages.

use super::visitor::Visitor;
use crate::support::Server;

#[test]
fn a_key_is_made_shown_once_and_revoked() {
    let server = Server::start();
    let visitor = Visitor::signed_in(&server, &server.store().test_key);
    let fields = [
        ("name", "ci <b>"),
        ("reach", "test"),
        ("permissions", "read"),
        ("permissions", "write"),
        ("days", "30"),
    ];
    let answer = visitor.submit("/console/keys", "/console/keys", &fields);
    assert_eq!(answer.status, 201, "{}", answer.text());
    let page = answer.text();
    let key = page.split_once("<code id=\"secret\">").unwrap().1.split('<').next().unwrap().to_owned();
    assert!(key.starts_with("tk_"), "{key}");
    server.anonymous().key(&key).get("/env/definitions").send().ok();
    assert!(!visitor.page("/console/keys").contains(&key), "only once");
    assert!(page.contains("ci &#60;b&#62;"), "{page}");
    let listed = server.test().get("/admin/keys").query("limit", "100").send().ok();
    let made = listed["docs"].as_array().unwrap().iter().find(|key| key["name"] == "ci <b>").unwrap().clone();
    assert_eq!(made["permissions"], serde_json::json!(["read", "write"]));
    assert!(made["expiresAt"].is_string());

    let path = format!("/console/keys/{}/revoke", made["_id"].as_str().unwrap());
    assert!(visitor.page(&path).contains("signed out"));
    let page = visitor.submit_and_follow(&path, &path, &[]);
    assert!(page.contains("The key is revoked"), "{page}");
    server.anonymous().key(&key).get("/env/definitions").send().error(401, "INVALID_CREDENTIALS");
    assert_eq!(visitor.get(&path).status, 404);
}

#[test]
fn a_key_is_made_with_no_more_than_ones_own() {
    let server = Server::start();
    let own = server.store().create_key(&["--environment", "test", "--permissions", "read,admin"]);
    let visitor = Visitor::signed_in(&server, &own);
    for (reach, permission, days, status, field) in [
        ("production", "read", "", 403, "reach"),
        ("all", "read", "", 403, "reach"),
        ("nowhere!", "read", "", 400, "reach"),
        ("test", "reveal", "", 403, "permissions"),
        ("test", "everything", "", 400, "permissions"),
        ("test", "read", "0", 400, "days"),
        ("test", "read", "soon", 400, "days"),
        ("test", "read", "36501", 400, "days"),
    ] {
        let fields = [("name", "typed"), ("reach", reach), ("permissions", permission), ("days", days)];
        let answer = visitor.submit("/console/keys", "/console/keys", &fields);
        assert_eq!(answer.status, status, "{reach} {permission} {days}");
        let page = answer.text();
        assert!(page.contains(&format!("id=\"{field}-problem\"")), "{field}: {page}");
        assert!(page.contains("value=\"typed\""), "{page}");
    }
    let none = visitor.submit("/console/keys", "/console/keys", &[("reach", "test")]);
    assert!(none.text().contains("Tick at least one"), "{}", none.text());
    assert!(!visitor.page("/console/keys").contains("name=\"permissions\" value=\"write\" checked>"));
}

#[test]
fn what_is_wrong_with_a_key_is_said_at_its_field() {
    let server = Server::start();
    let own = server.store().create_key(&["--environment", "all", "--permissions", "read,admin"]);
    let visitor = Visitor::signed_in(&server, &own);
    let long = "x".repeat(129);
    for (name, reach, field) in [("typed", "no-permission", "reach"), (&long, "test", "name")] {
        let fields = [("name", name), ("reach", reach), ("permissions", "read")];
        let answer = visitor.submit("/console/keys", "/console/keys?environment=test", &fields);
        assert_eq!(answer.status, 400);
        let page = answer.text();
        assert_eq!(page.matches("-problem\" role=\"alert\"").count(), 1, "{page}");
        assert!(page.contains(&format!("id=\"{field}-problem\"")), "{field}: {page}");
    }
}

#[test]
fn who_may_read_a_variable_is_named_and_counted() {
    let server = Server::start();
    let definition = server.test().define_encrypted("SECRET", "org");
    for number in 0..101 {
        let key = serde_json::json!({ "name": format!("reader {number}"), "environment": "test", "permissions": ["read"] });
        server.test().post("/admin/keys", &key).send().created();
    }
    let key = serde_json::json!({ "name": "writer", "environment": "test", "permissions": ["write"] });
    server.test().post("/admin/keys", &key).send().created();
    let expired =
        ["--environment", "test", "--permissions", "read", "--name", "former reader", "--expires", "1s"];
    server.store().create_key(&expired);
    std::thread::sleep(std::time::Duration::from_millis(1_100));
    let path = format!("/console/variables/{definition}");
    let page = Visitor::signed_in(&server, &server.store().test_key).page(&path);
    assert!(!page.contains("former reader"), "{page}");
    assert!(page.contains("<bdi>reader 0</bdi> <span class=\"faint\">in test, as [REDACTED]"), "{page}");
    assert!(page.contains("And 2 more:") && !page.contains("<bdi>writer</bdi>"), "{page}");
    let key = server.store().create_key(&["--environment", "test", "--permissions", "read"]);
    let page = Visitor::signed_in(&server, &key).page(&path);
    assert!(page.contains("sees their names here") && !page.contains("reader 0"), "{page}");
}

#[test]
fn revoking_ones_own_key_signs_one_out() {
    let server = Server::start();
    let own = server
        .store()
        .coffer(["keys", "create", "--environment", "test", "--permissions", "read,admin", "--json"])
        .json();
    let visitor = Visitor::signed_in(&server, own["key"].as_str().unwrap());
    let path = format!("/console/keys/{}/revoke", own["_id"].as_str().unwrap());
    assert!(visitor.page(&path).contains("You are signed in with this key"));
    let answer = visitor.submit(&path, &path, &[]);
    assert_eq!(answer.status, 303);
    assert_eq!(visitor.get("/console/keys").status, 303);
}
