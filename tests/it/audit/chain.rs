//! The chain under many writers, a `kill -9` among them, and a full disk.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use serde_json::{Value, json};

use super::{events, export, trail};
use crate::support::interpose::{self, Interposed};
use crate::support::{Connection, Server, Store, eventually};

const WRITERS: usize = 64;

/// How often each value was set, by the entries of an export.
fn told(store: &Store, name: &str) -> BTreeMap<String, u64> {
    let (_, lines) = export(store, name);
    let mut told = BTreeMap::new();
    for line in lines {
        let line: Value = serde_json::from_str(&line).unwrap();
        if matches!(line["event"].as_str(), Some("variable_value.set" | "variable_value.updated")) {
            *told.entry(line["entity"]["id"].as_str().unwrap().to_owned()).or_default() += 1;
        }
    }
    told
}

/// Lets 64 writers set values, until one of them is refused, or each has done so many.
fn write(server: &Server, definition: &str, times: usize, acknowledged: &AtomicU64) {
    let (api, address) = (server.test(), server.address());
    std::thread::scope(|scope| {
        for writer in 0..WRITERS {
            let api = &api;
            scope.spawn(move || {
                let Ok(mut connection) = Connection::open(address) else { return };
                for turn in 0..times {
                    let body = json!({
                        "variable_definition_id": definition,
                        "linked_account_id": format!("user_{}", (writer + turn) % 16),
                        "value": turn.to_string(),
                    });
                    let Ok(answer) = connection.exchange(&api.post("/env/values", &body)) else { return };
                    answer.ok();
                    acknowledged.fetch_add(1, Ordering::Relaxed);
                }
            });
        }
    });
}

/// Every value of the accounts was set as often as the trail tells.
fn check(server: &Server, name: &str) -> u64 {
    let told = told(server.store(), name);
    let mut versions = BTreeMap::new();
    for account in 0..16 {
        let account = format!("user_{account}");
        let list = server.test().get("/env/values/linked_account").query("linked_account_id", &account);
        for doc in list.send().ok()["docs"].as_array().unwrap() {
            versions.insert(doc["_id"].as_str().unwrap().to_owned(), doc["version"].as_u64().unwrap());
        }
    }
    assert_eq!(told, versions);
    server.store().coffer(["audit", "verify"]).ok();
    versions.values().sum()
}

#[test]
fn the_chain_holds_under_64_writers() {
    let server = Server::start();
    let definition = server.test().define_string("V", "linked_account");
    let acknowledged = AtomicU64::new(0);
    write(&server, &definition, 20, &acknowledged);
    assert_eq!(acknowledged.load(Ordering::Relaxed), 20 * WRITERS as u64);
    assert_eq!(check(&server, "served.jsonl"), 20 * WRITERS as u64);
    let store = server.stop();
    assert_eq!(told(&store, "stopped.jsonl").values().sum::<u64>(), 20 * WRITERS as u64);
}

#[test]
fn an_entry_is_there_if_and_only_if_its_act_is_also_after_a_kill() {
    let mut server = Server::start();
    let definition = server.test().define_string("V", "linked_account");
    let acknowledged = AtomicU64::new(0);
    for cycle in 0..5 {
        let (pid, enough) = (server.pid().to_string(), acknowledged.load(Ordering::Relaxed) + 300);
        std::thread::scope(|scope| {
            scope.spawn(|| {
                eventually(Duration::from_secs(30), "some writes", || {
                    (acknowledged.load(Ordering::Relaxed) >= enough).then_some(())
                });
                std::process::Command::new("kill").args(["-9", &pid]).status().unwrap();
            });
            write(&server, &definition, usize::MAX, &acknowledged);
        });
        server = server.kill().serve();
        let written = check(&server, &format!("cycle-{cycle}.jsonl"));
        assert!(written >= acknowledged.load(Ordering::Relaxed), "what was acknowledged is there");
    }
}

#[test]
fn while_the_disk_is_full_nothing_is_revealed_and_deletions_are_in_the_trail() {
    let store = Store::new();
    let Interposed { server, control } = interpose::serve(&store);
    let api = server.test();
    let secret = api.define_encrypted("SECRET", "org");
    let value = api.set(&secret, "hidden")["_id"].as_str().unwrap().to_owned();
    let plain = api.define_string("PLAIN", "org");
    api.set(&plain, "v");
    control.turn_on("low-space", "");
    eventually(Duration::from_secs(5), "the disk is found full", || {
        (api.setting(&plain, "new").send().status == 507).then_some(())
    });
    let before = trail(&api).len();
    let reveal = || api.resolve(&secret).query("reveal", "true").send();
    reveal().error(507, "STORE_FULL");
    api.get("/env/resolve").query("reveal", "true").send().error(507, "STORE_FULL");
    let template = json!({ "template": "{{env.org.SECRET}}", "reveal": true });
    api.post("/env/render", &template).send().error(507, "STORE_FULL");
    server.anonymous().key("tk_wrong").get("/env/definitions").send().error(401, "INVALID_CREDENTIALS");
    assert_eq!(trail(&api).len(), before);
    api.delete(&format!("/env/values/{value}")).send().ok();
    assert_eq!(events(&trail(&api)[..1]), ["variable_value.deleted"]);
    control.turn_off("low-space");
    eventually(Duration::from_secs(5), "the disk has room again", || {
        (api.setting(&plain, "again").send().status == 200).then_some(())
    });
    drop(server.stop());
    let (_, lines) = export(&store, "all.jsonl");
    let refused = lines.iter().find(|line| line.contains("auth.failed")).expect("counted, and written since");
    assert!(refused.contains("\"count\":1"), "{refused}");
}
