//! `coffer keys rotate-data`: new data keys, with which everything opens and the old ones are gone.

use std::fs;
use std::process::Stdio;
use std::time::Duration;

use serde_json::{Value, json};

use crate::support::interpose::{self, Interposed};
use crate::support::{Client, Config, Server, Store, eventually};

/// The data key that a value as it is stored names: 12 bytes behind the first.
fn key_of(stored: &str) -> String {
    stored.chars().skip(2).take(14).collect()
}

fn secrets(api: &Client, count: usize) -> Vec<String> {
    let define = |number| api.define_encrypted(&format!("S{number}"), "org");
    let definitions: Vec<String> = (0..count).map(define).collect();
    for definition in &definitions {
        api.set(definition, "former");
        api.set(definition, &format!("secret of {definition}"));
    }
    definitions
}

fn check_all_open(api: &Client, definitions: &[String]) {
    for definition in definitions {
        let revealed = api.resolve(definition).query("reveal", "true").send().ok();
        assert_eq!(revealed["value"], format!("secret of {definition}"));
        assert_eq!(revealed["version"], 2);
    }
    let values = api.get("/env/values/org").query("limit", "1").send().ok();
    let id = values["docs"][0]["_id"].as_str().unwrap().to_owned();
    let versions = api.get(&format!("/env/values/{id}/versions")).query("reveal", "true").send().ok();
    assert_eq!(versions["docs"][1]["value"], "former");
}

fn data_keys(store: &Store) -> Value {
    let file = store.root().join("rotation.backup");
    let _ = fs::remove_file(&file);
    store.coffer(["backup", "create", "rotation.backup"]).ok();
    store.coffer(["backup", "verify", "rotation.backup", "--json"]).json()["data_keys"].clone()
}

#[test]
fn after_a_rotation_every_value_opens_and_the_old_key_is_gone() {
    for serving in [true, false] {
        let server = Server::start();
        let api = server.test();
        let definitions = secrets(&api, 70);
        let before = api.set(&api.define_encrypted("BEFORE", "workspace"), "x")["value"].clone();
        let store = if serving {
            let said = server.store().coffer(["keys", "rotate-data"]).ok();
            assert!(said.contains("sealed anew: 141"), "{said}");
            check_all_open(&api, &definitions);
            server.kill()
        } else {
            let store = server.stop();
            store.coffer(["keys", "rotate-data", "--org", &store.org]).ok();
            store
        };
        assert_eq!(data_keys(&store), 1);
        let server = store.serve();
        let api = server.test();
        check_all_open(&api, &definitions);
        let after = api.set(&api.define_encrypted("AFTER", "workspace"), "x")["value"].clone();
        assert_ne!(key_of(after.as_str().unwrap()), key_of(before.as_str().unwrap()));
    }
}

#[test]
fn a_rotation_that_is_killed_goes_on_at_the_next_start() {
    let mut server = Server::start();
    let definitions = secrets(&server.test(), 100);
    for delay in [0, 20, 40, 80] {
        let mut child = server.store().command(["keys", "rotate-data"]).spawn().unwrap();
        std::thread::sleep(Duration::from_millis(delay));
        let store = server.kill();
        let _ = child.kill();
        let _ = child.wait();
        // A backup of the middle is whole, and goes on as well.
        let file = store.root().join(format!("{delay}.backup"));
        store.coffer(["backup", "create", file.to_str().unwrap()]).ok();
        let target = std::sync::Arc::new(Store::uninitialized(&Config::new()));
        target.coffer(["backup", "restore", file.to_str().unwrap()]).ok();
        let restored = target.serve();
        check_all_open(&restored.anonymous().key(&store.test_key), &definitions);
        server = store.serve();
        check_all_open(&server.test(), &definitions);
    }
    server.store().coffer(["keys", "rotate-data"]).ok();
    assert_eq!(data_keys(server.store()), 1);
    check_all_open(&server.test(), &definitions);
}

#[test]
fn a_rotation_that_a_full_disk_stops_goes_on_when_there_is_room() {
    let store = Store::new();
    let Interposed { server, control } = interpose::serve(&store);
    let api = server.test();
    let body = |turn: usize| {
        let name = |number| json!({ "name": format!("S{turn}_{number}"), "value": "a secret" });
        let variables: Vec<_> = (0..4000).map(name).collect();
        json!({ "scope": "org", "create": true, "encrypted": true, "variables": variables })
    };
    for turn in 0..2 {
        api.post("/env/import", &body(turn)).send().ok();
    }
    let rotating = store.command(["keys", "rotate-data"]).stderr(Stdio::piped()).spawn().unwrap();
    eventually(Duration::from_secs(30), "it is under way", || {
        let metrics = server.anonymous().at("GET", "/metrics").send();
        metrics.text().contains("coffer_data_key_rotation_running 1\n").then_some(())
    });
    control.turn_on("low-space", "");
    let said = rotating.wait_with_output().unwrap();
    let stderr = String::from_utf8_lossy(&said.stderr);
    assert!(!said.status.success() && stderr.contains("disk"), "{stderr}");
    let retiring = || {
        let found = store.coffer(["doctor", "--json"]).stdout;
        !found.contains("each organization has one")
    };
    assert!(retiring());
    control.turn_off("low-space");
    eventually(Duration::from_secs(60), "it goes on", || (!retiring()).then_some(()));
}
