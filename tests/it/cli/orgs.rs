//! `coffer orgs …`.

use crate::support::{Server, Store, check_fields, check_id};

#[test]
fn an_organization_is_created_without_keys() {
    for served in [false, true] {
        let store = Store::new();
        let server = served.then(|| store.serve());
        let made = store.coffer(["orgs", "create", "acme", "--json"]).json();
        check_fields(&made, "_id name");
        let id = check_id(&made["_id"]);
        assert_eq!(made["name"], "acme");
        let keys = store.coffer(["keys", "list", "--org", "acme", "--json"]).json();
        assert_eq!(keys, serde_json::json!([]));

        let list = store.coffer(["orgs", "list", "--json"]).json();
        let list = list.as_array().expect("an array");
        assert_eq!(list.len(), 2);
        assert_eq!(list[0]["_id"], store.org, "in the order of creation");
        assert_eq!((&list[1]["_id"], &list[1]["name"]), (&id.clone().into(), &"acme".into()));
        let text = store.coffer(["orgs", "list"]).ok();
        assert!(text.contains("acme") && text.contains(&id), "{text}");
        drop(server);
    }
}

#[test]
fn names_are_unique() {
    for served in [false, true] {
        let store = Store::new();
        let server = served.then(|| store.serve());
        store.create_org("acme");
        store.coffer(["orgs", "create", "acme"]).failed();
        assert_eq!(store.coffer(["orgs", "list", "--json"]).json().as_array().unwrap().len(), 2);
        drop(server);
    }
}

#[test]
fn an_organization_survives_a_kill() {
    let server = Server::start();
    let id = server.store().create_org("acme");
    let store = server.kill();
    assert!(store.coffer(["orgs", "list", "--json"]).ok().contains(&id));
}
