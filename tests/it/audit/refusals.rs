//! Refused credentials: seen, and no way to fill the disk.

use serde_json::Value;

use super::{events, export, trail};
use crate::support::{Config, Server, Store};

fn failures(store: &Store, name: &str) -> Vec<Value> {
    let (_, lines) = export(store, name);
    let lines = lines.iter().map(|line| serde_json::from_str::<Value>(line).unwrap());
    lines.filter(|line| line["event"] == "auth.failed").collect()
}

#[test]
fn a_flood_is_two_entries_and_none_of_it_is_lost() {
    let server = Server::start();
    let wrong = server.anonymous().key("tk_wrong-and-not-to-be-remembered");
    for _ in 0..300 {
        let status = wrong.get("/env/definitions").header("user-agent", "flood/1").send().status;
        assert!(matches!(status, 401 | 429), "{status}");
    }
    server.anonymous().bearer("nonsense").get("/env/definitions").send();
    server.anonymous().get("/env/definitions").send().error(401, "INVALID_CREDENTIALS");
    let store = server.stop();
    let failures = failures(&store, "all.jsonl");
    // The minute may have turned in between.
    assert!((2..=4).contains(&failures.len()), "{failures:?}");
    assert_eq!(failures[0]["chain"], "store", "nobody knows whose it was");
    assert_eq!(failures[0]["user_agent"], "flood/1");
    assert_eq!(failures[0]["actor"]["type"], "unknown");
    let told = |entry: &Value| entry["count"].as_u64().unwrap_or(1);
    assert_eq!(failures.iter().map(told).sum::<u64>(), 301, "without a credential none is refused");
    assert!(failures.iter().all(|entry| entry["ip"] == "127.0.0.1"));
    assert!(!format!("{failures:?}").contains("not-to-be-remembered"));
    store.coffer(["audit", "verify"]).ok();
}

#[test]
fn many_addresses_are_bounded_too() {
    let config = Config::new().set("server", "trusted_proxies", "[\"127.0.0.1/32\"]");
    let server = Server::start_with(&config);
    let wrong = server.anonymous().key("tk_wrong");
    for number in 0..200 {
        let address = format!("198.51.100.{number}");
        wrong
            .get("/env/definitions")
            .header("x-forwarded-for", address)
            .send()
            .error(401, "INVALID_CREDENTIALS");
    }
    let store = server.stop();
    let failures = failures(&store, "all.jsonl");
    assert!((33..=70).contains(&failures.len()), "{}", failures.len());
    let told = |entry: &Value| entry["count"].as_u64().unwrap_or(1);
    assert_eq!(failures.iter().map(told).sum::<u64>(), 200);
    assert_eq!(failures[0]["ip"], "198.51.100.0");
}

#[test]
fn a_credential_that_is_known_is_the_organizations_to_see() {
    let server = Server::start();
    let api = server.test();
    let key = server.store().create_key(&["--environment", "test", "--name", "short", "--expires", "1s"]);
    let token = api.register("ann");
    assert!(token.is_object());
    let token = api.token("ann");
    let holder = server.anonymous().bearer(&token);
    holder.at("POST", "/api/v2/public/session-token/revoke").send().ok();
    std::thread::sleep(std::time::Duration::from_millis(1100));
    server.anonymous().key(&key).get("/env/definitions").send().error(401, "INVALID_CREDENTIALS");
    let entry = trail(&api)[0].clone();
    assert_eq!(events(std::slice::from_ref(&entry)), ["auth.failed"]);
    assert_eq!((&entry["actor"]["type"], &entry["actor"]["name"]), (&"api_key".into(), &"short".into()));
    // The minute of this address is counted by organization, so this one is told at the end of it.
    holder.get("/env/definitions").send().error(401, "INVALID_TOKEN");
    let store = server.stop();
    let failures = failures(&store, "all.jsonl");
    assert!(failures.iter().all(|entry| entry["chain"] == *store.org), "{failures:?}");
    let told = |entry: &Value| entry["count"].as_u64().unwrap_or(1);
    assert_eq!(failures.iter().map(told).sum::<u64>(), 2);
}
