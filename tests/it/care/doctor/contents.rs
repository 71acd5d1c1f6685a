//! What is wrong with what the store holds.

use std::fs;
use std::time::Duration;

use serde_json::json;

use super::{examined, filled, only_bad, set_mode, told};
use crate::care::healing::damage_index;
use crate::support::{Config, PASSPHRASE, Server, Store, eventually, interpose};

#[test]
fn a_damaged_journal_is_named_and_the_rest_is_told() {
    let store = filled();
    let journal =
        store.files_in("journal").into_iter().find(|path| path.to_string_lossy().ends_with(".journal"));
    let journal = journal.expect("a journal");
    let mut bytes = fs::read(&journal).unwrap();
    bytes[4096 + 40] ^= 0x20;
    fs::write(&journal, bytes).unwrap();
    for passphrase in [PASSPHRASE, "not the passphrase"] {
        store.configure(&Config::new().text("encryption", "passphrase", passphrase));
        let before = store.files();
        let found = examined(&store);
        store.check_unchanged(&before, "what is damaged is not touched");
        let message = told(&found, "store", "bad");
        let name = journal.file_name().unwrap().to_str().unwrap();
        assert!(message.contains(name) && message.contains("coffer backup restore"), "{message}");
        for check in ["config", "permissions", "passphrase", "disk", "healing"] {
            told(&found, check, "ok");
        }
    }
}

#[test]
fn a_damaged_index_is_healed_and_that_is_said() {
    let store = filled();
    damage_index(&store);
    let found = examined(&store);
    assert!(told(&found, "healing", "warn").contains("the index was damaged and was built anew"));
    told(&found, "index", "ok");
    only_bad(&found, &[]);
}

/// Changes what a base has, as somebody would who knows its checksums. All of the store is in it first.
fn tamper(store: &Store, from: &[u8], to: &[u8]) {
    assert_eq!(from.len(), to.len());
    store.coffer(["compact"]).ok();
    let path = store.files_in("base").pop().unwrap();
    let mut bytes = fs::read(&path).unwrap();
    let number = |bytes: &[u8], at: usize| u32::from_le_bytes(bytes[at..at + 4].try_into().unwrap()) as usize;
    let (mut at, mut changed) = (40, 0);
    while number(&bytes, at) != 0 {
        let end = at + 12 + number(&bytes, at);
        while let Some(found) = bytes[at + 12..end].windows(from.len()).position(|window| window == from) {
            let begin = at + 12 + found;
            bytes[begin..begin + to.len()].copy_from_slice(to);
            changed += 1;
        }
        let crc = crc32c::crc32c_append(crc32c::crc32c(&bytes[at..at + 8]), &bytes[at + 12..end]);
        bytes[at + 8..at + 12].copy_from_slice(&crc.to_le_bytes());
        at = end;
    }
    assert!(changed > 0, "it is in the base");
    let crc = crc32c::crc32c(&bytes[..at + 20]);
    bytes[at + 20..at + 24].copy_from_slice(&crc.to_le_bytes());
    fs::write(&path, bytes).unwrap();
}

#[test]
fn a_tampered_audit_entry_is_named() {
    let server = Server::start();
    set_mode(&server.store().config_path(), 0o600);
    // A user agent stands in entries only.
    let body = serde_json::json!({ "name": "V", "scope": "org" });
    let made = server.test().post("/env/definitions", &body).header("user-agent", "an-honest-agent");
    assert_eq!(made.send().status, 201);
    let store = server.stop();
    tamper(&store, b"an-honest-agent", b"somebody---else");
    let chain = format!("of chain {} was changed", store.org);
    let found = examined(&store);
    let message = told(&found, "audit", "bad");
    assert!(message.contains("entry 3 ") && message.contains(&chain), "{message}");
    told(&found, "store", "ok");
    told(&found, "index", "warn");
    only_bad(&found, &["audit"]);
    let server = store.serve();
    only_bad(&examined(&store), &["audit"]);
    drop(server);
}

#[test]
fn a_sealed_value_that_does_not_open_is_named() {
    let store = filled();
    let server = store.serve();
    let page = server.test().get("/env/values/org").send().ok();
    let secret =
        page["docs"].as_array().unwrap().iter().find(|doc| doc["value"] == "[REDACTED]").unwrap().clone();
    let definition = secret["variable_definition_id"]["_id"].as_str().unwrap();
    let set = server.test().set(definition, "hidden text again");
    use base64::Engine;
    let sealed = base64::engine::general_purpose::STANDARD.decode(set["value"].as_str().unwrap()).unwrap();
    let store = server.stop();
    let tail = &sealed[sealed.len() - 8..];
    let mut other = tail.to_vec();
    other[7] ^= 1;
    tamper(&store, tail, &other);
    let found = examined(&store);
    let message = told(&found, "store", "bad");
    assert!(message.contains("values, ") && message.contains("restore a backup"), "{message}");
    only_bad(&found, &["store"]);
}

#[test]
fn what_was_written_in_the_future_is_told() {
    let store = filled();
    let (mut ahead, _control) =
        interpose::prepare(store.command(["keys", "create", "--environment", "test"]));
    let made = crate::support::finish(ahead.env("INTERPOSE_AHEAD", "86400"));
    assert_eq!(made.code, Some(0), "{made:?}");
    for is_served in [false, true] {
        let server = is_served.then(|| store.serve());
        let found = examined(&store);
        assert!(told(&found, "clock", "bad").contains("set the clock"));
        only_bad(&found, &["clock"]);
        drop(server);
    }
}

#[test]
fn what_a_later_release_wrote_is_bad_and_named() {
    let store = filled();
    let state = store.data().join("state");
    let text = fs::read_to_string(&state).unwrap();
    fs::write(&state, text.replacen("coffer store 1", "coffer store 2", 1)).unwrap();
    assert!(told(&examined(&store), "store", "bad").contains("has format 2"));
    fs::write(&state, text).unwrap();
    let keyring = store.data().join("keyring");
    let bytes = fs::read(&keyring).unwrap();
    let mut later = bytes.clone();
    later[9] = 2;
    fs::write(&keyring, &later).unwrap();
    let found = examined(&store);
    assert!(told(&found, "keyring", "bad").contains("newer"));
    told(&found, "store", "ok");
    fs::remove_file(&keyring).unwrap();
    assert!(told(&examined(&store), "keyring", "bad").contains("no keyring"));
}

#[test]
fn a_rotation_that_was_interrupted_is_warned_of() {
    let server = Server::start();
    set_mode(&server.store().config_path(), 0o600);
    let variables: Vec<_> =
        (0..4000).map(|number| json!({ "name": format!("S{number}"), "value": "hidden text" })).collect();
    let import = json!({ "scope": "org", "create": true, "encrypted": true, "variables": variables });
    server.test().post("/env/import", &import).send().ok();
    let store = server.stop();
    let mut wait = Duration::ZERO;
    let cut_off = || {
        // It takes some time to begin, and some to end.
        wait += Duration::from_millis(50);
        let mut rotating = store.command(["keys", "rotate-data"]).spawn().unwrap();
        std::thread::sleep(wait);
        let _ = rotating.kill();
        rotating.wait().unwrap();
        let found = examined(&store);
        found.iter().any(|(check, status, _)| check == "data_keys" && status == "warn").then_some(found)
    };
    let found = eventually(Duration::from_secs(240), "one is killed in the middle", cut_off);
    assert!(told(&found, "data_keys", "warn").contains("its next start goes on"));
    only_bad(&found, &[]);
}
