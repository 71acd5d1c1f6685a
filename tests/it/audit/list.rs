//! The trail over HTTP: who sees what of it, filters and pages.

use super::{events, trail};
use crate::support::{Server, check_page};

#[test]
fn a_key_sees_its_environment_and_a_token_its_account() {
    let server = Server::start();
    let (test, production) = (server.test(), server.production());
    let shared = test.define_string("SHARED", "org");
    let linked = test.define_string("LINKED", "linked_account");
    test.set(&shared, "t");
    production.set(&shared, "p");
    for account in ["ann", "bob"] {
        test.set_for(&linked, "linked_account_id", account, "v");
    }
    let all = server.store().create_key(&["--environment", "all", "--permissions", "admin"]);
    let all = server.anonymous().key(&all);
    let in_environment = |entries: &[serde_json::Value], name: &str| {
        entries.iter().filter(|entry| entry["environment"] == name).count()
    };
    let entries = trail(&test);
    assert_eq!((in_environment(&entries, "test"), in_environment(&entries, "production")), (6, 0));
    assert_eq!(events(&entries).iter().filter(|event| event.starts_with("variable_definition")).count(), 2);
    assert!(!events(&entries[..1]).contains(&"api_key.created"), "a key for all is not this key's to see");
    let entries = trail(&production);
    assert_eq!((in_environment(&entries, "test"), in_environment(&entries, "production")), (0, 2));
    let entries = trail(&all);
    assert_eq!((in_environment(&entries, "test"), in_environment(&entries, "production")), (6, 2));
    assert_eq!(entries[0]["event"], "api_key.created");
    let seqs: Vec<_> = entries.iter().map(|entry| entry["seq"].as_u64().unwrap()).collect();
    assert_eq!(seqs, (1..=entries.len() as u64).rev().collect::<Vec<_>>());

    let token = server.anonymous().bearer(&test.token("ann"));
    let entries = trail(&token);
    assert_eq!(events(&entries), ["session_token.created", "variable_value.set", "linked_account.created"]);
    assert!(entries.iter().all(|entry| entry["linked_account_id"] == "ann"));
    let other = server.store().create_org("another");
    let foreign = ["--environment", "test", "--permissions", "admin", "--org", &other];
    let foreign = server.anonymous().key(&server.store().create_key(&foreign));
    assert_eq!(events(&trail(&foreign)), ["api_key.created"]);
    server.permitted("read,write,manage,reveal").get("/audit/audit-trails").send().error(403, "FORBIDDEN");
}

#[test]
fn filters_narrow_it_and_bad_ones_are_refused() {
    let server = Server::start();
    let api = server.test();
    let definition = api.define_string("V", "org");
    let value = api.set(&definition, "1")["_id"].as_str().unwrap().to_owned();
    api.set(&definition, "2");
    let filtered = |name: &str, value: &str| {
        let page = api.get("/audit/audit-trails").query(name, value).send().ok();
        page["docs"].as_array().unwrap().clone()
    };
    assert_eq!(filtered("event", "variable_value.updated").len(), 1);
    assert_eq!(filtered("entity_id", &value).len(), 2);
    assert_eq!(filtered("actor", "operator").len(), 1);
    let me = filtered("entity_id", &value)[0]["actor"]["id"].as_str().unwrap().to_owned();
    assert_eq!(filtered("actor", &me).len(), 3);
    assert_eq!(filtered("environment", "test").len(), 3, "but not the definition, which is in none");
    let entries = trail(&api);
    let last = entries[0]["createdAt"].as_str().unwrap();
    assert!(!filtered("from", last).is_empty());
    assert_eq!(filtered("to", last).len(), entries.len());
    assert_eq!(filtered("from", "2999-01-01T00:00:00Z").len(), 0);
    assert_eq!(filtered("to", "1999-01-01T01:00:00+01:00").len(), 0);
    assert_eq!(filtered("event", "").len(), entries.len(), "an empty filter is none");
    for (name, value) in [
        ("event", "variable_value.stolen"),
        ("from", "yesterday"),
        ("to", "2026-01-01"),
        ("page", "0"),
        ("limit", "1001"),
    ] {
        let refused = api.get("/audit/audit-trails").query(name, value).send();
        assert!(refused.error(400, "INVALID_REQUEST").contains(name), "{name}");
    }
    api.get("/audit/audit-trails").query("environment", "production").send().error(403, "FORBIDDEN");
}

#[test]
fn pages_are_whole_and_in_order() {
    let server = Server::start();
    let api = server.test();
    let definition = api.define_string("V", "org");
    for number in 0..30 {
        api.set(&definition, &number.to_string());
    }
    let all = trail(&api);
    assert_eq!(all.len(), 32);
    for filter in [("event", ""), ("from", "2000-01-01T00:00:00Z")] {
        let mut found = Vec::new();
        for number in 1..=5 {
            let page = number.to_string();
            let page = api.get("/audit/audit-trails").query("page", &page).query("limit", "7");
            found.extend(check_page(&page.query(filter.0, filter.1).send().ok(), number, 7, 32));
        }
        assert_eq!(found, all);
        let page = api.get("/audit/audit-trails").query("page", "9").query("limit", "7");
        assert!(check_page(&page.query(filter.0, filter.1).send().ok(), 9, 7, 32).is_empty());
    }
}
