//! `coffer compact`: nothing of the past is left in the files.

use std::sync::atomic::{AtomicBool, Ordering};

use serde_json::json;

use crate::audit::export;
use crate::support::{Client, Server, Store, check_id};

const MARKERS: [&str; 4] = ["marker-deleted-1", "marker-replaced-2", "marker-was-plain-3", "marker-rolled-4"];

/// The files of the store that have these bytes.
fn files_with(store: &Store, marker: &str) -> Vec<String> {
    let has = |bytes: &[u8]| bytes.windows(marker.len()).any(|window| window == marker.as_bytes());
    let files = store.files().into_iter().filter(|(_, bytes)| has(bytes));
    files.map(|(path, _)| path.display().to_string()).collect()
}

/// Leaves a past: a deleted value, a replaced one whose versions have gone, and one that was plain.
fn plant(api: &Client) -> String {
    let deleted = api.define_string("DELETED", "org");
    let value = check_id(&api.set(&deleted, MARKERS[0])["_id"]);
    api.delete(&format!("/env/values/{value}")).send().ok();
    let replaced = api.define_string("REPLACED", "workspace");
    api.set(&replaced, MARKERS[1]);
    for turn in 0..12 {
        api.set(&replaced, &format!("turn {turn}"));
    }
    let was_plain = api.define_string("WAS_PLAIN", "org");
    api.set(&was_plain, MARKERS[2]);
    api.set(&was_plain, &format!("{} again", MARKERS[2]));
    api.patch(&format!("/env/definitions/{was_plain}"), &json!({ "encrypted": true })).send().ok();
    let large = api.define_string("LARGE", "org");
    let value = check_id(&api.set(&large, &MARKERS[3].repeat(3000))["_id"]);
    api.delete(&format!("/env/values/{value}")).send().ok();
    was_plain
}

#[track_caller]
fn check_gone(store: &Store) {
    for marker in MARKERS {
        assert_eq!(files_with(store, marker), [] as [&str; 0], "{marker}");
    }
}

#[test]
fn nothing_deleted_replaced_or_formerly_plain_is_left_in_a_stopped_store() {
    let server = Server::start();
    let was_plain = plant(&server.test());
    let store = server.stop();
    for marker in MARKERS {
        assert!(!files_with(&store, marker).is_empty(), "{marker} was planted");
    }
    let said = store.coffer(["compact"]).ok();
    assert!(said.starts_with("compacted: "), "{said}");
    let (_, lines) = export(&store, "compacted.jsonl");
    let entries: Vec<_> = lines.iter().filter(|line| line.contains("\"store.compacted\"")).collect();
    assert!(matches!(entries[..], [entry] if entry.contains("\"operator\"")), "{entries:?}");
    check_gone(&store);
    let server = store.serve();
    let revealed = server.test().resolve(&was_plain).query("reveal", "true").send().ok();
    assert_eq!(revealed["value"], format!("{} again", MARKERS[2]));
    check_gone(&store);
}

#[test]
fn a_serving_store_is_compacted_while_it_is_read_and_written() {
    let server = Server::start();
    let api = server.test();
    plant(&api);
    let definition = api.define_string("BUSY", "linked_account");
    let stop = AtomicBool::new(false);
    let versions: Vec<u64> = std::thread::scope(|scope| {
        let writers: Vec<_> = (0..4)
            .map(|writer| {
                let (api, definition, stop) = (&api, &definition, &stop);
                scope.spawn(move || {
                    let account = format!("user_{writer}");
                    let mut version = 0;
                    while !stop.load(Ordering::Relaxed) {
                        let text = format!("text {}", version + 1);
                        let set = api.set_for(definition, "linked_account_id", &account, &text);
                        version += 1;
                        assert_eq!(set["version"], version);
                        let read = api.resolve(definition).query("linked_account_id", &account).send().ok();
                        assert_eq!(read["value"], text);
                    }
                    version
                })
            })
            .collect();
        for _ in 0..3 {
            server.store().coffer(["compact"]).ok();
            check_gone(server.store());
        }
        let done = server.store().coffer(["compact", "--json"]).json();
        assert!(done["records"].as_u64().unwrap() > 10, "{done}");
        stop.store(true, Ordering::Relaxed);
        writers.into_iter().map(|writer| writer.join().unwrap()).collect()
    });
    check_gone(server.store());
    let killed = server.kill();
    let server = killed.serve();
    for (writer, version) in versions.into_iter().enumerate() {
        let account = format!("user_{writer}");
        let read = server.test().resolve(&definition).query("linked_account_id", &account).send().ok();
        assert_eq!(read["version"], version, "{account}");
    }
    check_gone(server.store());
}
