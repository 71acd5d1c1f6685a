//! What was healed is on the store's trail: once.

use std::fs::OpenOptions;
use std::os::unix::fs::FileExt;
use std::sync::Arc;
use std::time::Duration;

use serde_json::Value;

use crate::support::{Server, Store, eventually};

/// The entries of healings.
fn healings(store: &Store, name: &str) -> Vec<Value> {
    store.coffer(["audit", "export", name]).ok();
    let text = std::fs::read_to_string(store.root().join(name)).unwrap();
    let lines = text.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
    lines.filter(|line| line["event"] == "store.healed").collect()
}

/// Damages the index: in place, as a running server has its file open.
pub(super) fn damage_index(store: &Store) {
    let path = store.data().join("sled").join("db");
    let file = OpenOptions::new().write(true).open(path).unwrap();
    let len = file.metadata().unwrap().len();
    file.write_all_at(&vec![0x5a; usize::try_from(len).unwrap()], 0).unwrap();
}

fn served_twice(store: Arc<Store>) -> Arc<Store> {
    store.serve().stop().serve().stop()
}

#[test]
fn a_healing_at_a_start_has_one_entry_however_often_the_store_is_opened() {
    let store = served_twice(Store::new());
    assert_eq!(healings(&store, "before.jsonl"), [] as [Value; 0]);
    damage_index(&store);
    let server = store.serve();
    let told = healings(&store, "healed.jsonl");
    assert_eq!(told.len(), 1, "{told:?}");
    let entry = &told[0];
    assert_eq!((&entry["chain"], &entry["actor"]["type"]), (&"store".into(), &"store".into()), "{entry}");
    assert_eq!(entry["entity"]["type"], "store");
    assert!(entry["entity"]["name"].as_str().unwrap().contains("the index was damaged"), "{entry}");
    let store = served_twice(server.stop());
    assert_eq!(healings(&store, "again.jsonl"), told, "and no more");
    store.coffer(["audit", "verify"]).ok();
    damage_index(&store);
    let store = served_twice(store);
    assert_eq!(healings(&store, "second.jsonl").len(), 2, "another has its own");
}

#[test]
fn a_healing_of_a_serving_store_has_its_entry_when_the_server_stops() {
    let server = Server::start();
    let api = server.test();
    for number in 0..20 {
        api.set(&api.define_string(&format!("V{number}"), "org"), &"long ".repeat(5000));
    }
    // Started anew, it has read none of them yet.
    let server = server.stop().serve();
    let api = server.test();
    damage_index(server.store());
    let noted = server.store().data().join("healed");
    eventually(Duration::from_secs(30), "a read meets it, and it is healed", || {
        api.get("/env/values/org").query("limit", "100").send();
        noted.exists().then_some(())
    });
    let store = server.stop();
    let told = healings(&store, "healed.jsonl");
    assert_eq!(told.len(), 1, "{told:?}");
}
