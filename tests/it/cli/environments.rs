//! `coffer environments …`.

use crate::support::{Server, Store};

#[test]
fn test_and_production_always_exist_and_others_are_added() {
    for served in [false, true] {
        let store = Store::new();
        let server = served.then(|| store.serve());
        let list = store.coffer(["environments", "list", "--json"]).ok();
        assert!(list.contains("test") && list.contains("production"), "{list}");
        for name in ["staging", "a", "eu-west-1", &format!("x{}", "9".repeat(31))] {
            store.coffer(["environments", "add", name]).ok();
            assert!(store.coffer(["environments", "list", "--json"]).ok().contains(name));
        }
        let text = store.coffer(["environments", "list"]).ok();
        assert!(text.contains("staging") && text.contains("production"), "{text}");
        let before = store.coffer(["environments", "list", "--json"]).ok();
        for name in ["", "Staging", "9a", "-a", "a_b", "a.b", "a b", "all", "\u{e9}", &"x".repeat(33)] {
            let finished = store.coffer(["environments", "add", "--", name]);
            assert!(matches!(finished.code, Some(1 | 2)), "{name:?}: {finished:?}");
        }
        assert_eq!(store.coffer(["environments", "list", "--json"]).ok(), before);
        drop(server);
    }
}

#[test]
fn one_that_exists_is_not_added_again() {
    let store = Store::new();
    store.coffer(["environments", "add", "staging"]).ok();
    for name in ["staging", "test", "production"] {
        let line = store.coffer(["environments", "add", name]).failed();
        assert!(line.contains(name), "{line}");
    }
}

#[test]
fn they_belong_to_one_organization() {
    let server = Server::start();
    let store = server.store();
    store.create_org("second");
    let usage = store.coffer(["environments", "add", "staging"]).misused();
    assert!(usage.contains("second"), "{usage}");
    store.coffer(["environments", "add", "staging", "--org", "second"]).ok();
    assert!(store.coffer(["environments", "list", "--org", "second", "--json"]).ok().contains("staging"));
    assert!(!store.coffer(["environments", "list", "--org", &store.org, "--json"]).ok().contains("staging"));
    assert!(store.coffer(["environments", "list", "--json"]).ok().contains("staging"));
    let finished = store.coffer(["keys", "create", "--environment", "staging", "--org", &store.org]);
    assert!(matches!(finished.code, Some(1 | 2)), "{finished:?}");
    store.create_key(&["--environment", "staging", "--org", "second"]);
}
