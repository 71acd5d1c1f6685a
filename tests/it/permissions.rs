//! Each permission alone against each endpoint: none implies another.

use serde_json::json;

use crate::support::{Client, Server, check_id};

const ALL: [&str; 5] = ["read", "write", "manage", "reveal", "admin"];

/// What one endpoint answers to one key.
struct Case {
    what: &'static str,
    allowed: &'static [&'static str],
    ask: fn(&Client, &Server) -> u16,
}

const CASES: &[Case] = &[
    Case {
        what: "list definitions",
        allowed: &["read"],
        ask: |api, _| api.get("/env/definitions").send().status,
    },
    Case {
        what: "get a definition",
        allowed: &["read"],
        ask: |api, server| {
            let id = a_definition(server);
            api.get(&format!("/env/definitions/{id}")).send().status
        },
    },
    Case {
        what: "create a definition",
        allowed: &["manage"],
        ask: |api, _| api.post("/env/definitions", &json!({ "name": fresh(), "scope": "org" })).send().status,
    },
    Case {
        what: "change a definition",
        allowed: &["manage"],
        ask: |api, server| {
            let id = a_definition(server);
            api.patch(&format!("/env/definitions/{id}"), &json!({ "description": "changed" })).send().status
        },
    },
    Case {
        what: "delete a definition",
        allowed: &["manage"],
        ask: |api, server| {
            let id = a_definition(server);
            api.delete(&format!("/env/definitions/{id}")).send().status
        },
    },
    Case {
        what: "set a value",
        allowed: &["write"],
        ask: |api, server| {
            let id = a_definition(server);
            let status = api.setting(&id, "v").send().status;
            let there = server.test().resolve(&id).send().status == 200;
            assert_eq!(there, status == 200, "what is refused changes nothing");
            status
        },
    },
    Case {
        what: "resolve a value",
        allowed: &["read"],
        ask: |api, server| {
            let id = a_definition(server);
            server.test().set(&id, "v");
            api.resolve(&id).send().status
        },
    },
    Case { what: "list values", allowed: &["read"], ask: |api, _| api.get("/env/values/org").send().status },
    Case {
        what: "delete a value",
        allowed: &["write"],
        ask: |api, server| {
            let value = check_id(&server.test().set(&a_definition(server), "v")["_id"]);
            api.delete(&format!("/env/values/{value}")).send().status
        },
    },
    Case { what: "list keys", allowed: &["admin"], ask: |api, _| api.get("/admin/keys").send().status },
    Case {
        what: "create a key",
        allowed: &["admin"],
        ask: |api, _| {
            let body = json!({ "environment": "test", "permissions": ["admin"] });
            let status = api.post("/admin/keys", &body).send().status;
            if status == 201 { 200 } else { status }
        },
    },
    Case {
        what: "revoke a key",
        allowed: &["admin"],
        ask: |api, server| {
            let made = server.store().coffer(["keys", "create", "--environment", "test", "--json"]).json();
            api.delete(&format!("/admin/keys/{}", made["_id"].as_str().unwrap())).send().status
        },
    },
];

fn fresh() -> String {
    use std::sync::atomic::{AtomicU32, Ordering};
    static NEXT: AtomicU32 = AtomicU32::new(0);
    format!("V{}", NEXT.fetch_add(1, Ordering::Relaxed))
}

fn a_definition(server: &Server) -> String {
    server.test().define_string(&fresh(), "org")
}

#[test]
fn a_permission_alone_opens_its_own_endpoints_and_no_other() {
    let server = Server::start();
    for permission in ALL {
        let api = server.permitted(permission);
        for case in CASES {
            let expected = if case.allowed.contains(&permission) { 200 } else { 403 };
            let status = (case.ask)(&api, &server);
            let status = if status == 201 { 200 } else { status };
            assert_eq!(status, expected, "{permission} may {}", case.what);
        }
    }
}

#[test]
fn all_permissions_but_the_needed_one_do_not_open_an_endpoint() {
    let server = Server::start();
    for missing in ["read", "write", "manage", "admin"] {
        let others: Vec<&str> = ALL.into_iter().filter(|one| *one != missing).collect();
        let api = server.permitted(&others.join(","));
        for case in CASES.iter().filter(|case| case.allowed.contains(&missing)) {
            assert_eq!((case.ask)(&api, &server), 403, "without {missing}: {}", case.what);
        }
    }
}

#[test]
fn what_is_forbidden_has_the_one_shape() {
    let server = Server::start();
    server.permitted("write").get("/env/definitions").send().error(403, "FORBIDDEN");
    server
        .permitted("read")
        .post("/env/definitions", &json!({ "name": "V", "scope": "org" }))
        .send()
        .error(403, "FORBIDDEN");
    server.permitted("read").get("/admin/keys").send().error(403, "FORBIDDEN");
}

#[test]
fn keys_create_gives_read_and_write_unless_told() {
    let server = Server::start();
    let api = server.anonymous().key(&server.store().create_key(&["--environment", "test"]));
    let definition = server.test().define_string("V", "org");
    api.set(&definition, "v");
    api.resolve(&definition).send().ok();
    api.post("/env/definitions", &json!({ "name": "W", "scope": "org" })).send().error(403, "FORBIDDEN");
    api.get("/admin/keys").send().error(403, "FORBIDDEN");
    let secret = server.test().define_encrypted("S", "org");
    api.set(&secret, "hidden");
    api.resolve(&secret).query("reveal", "true").send().error(403, "FORBIDDEN");
}
