//! What earlier releases wrote opens in this one; what a later one wrote is refused by name.
//!
//! `tests/fixtures/RELEASE/` holds a store, a backup of it, and what is in them. To write those of this release anew, while it is
//! not yet published: `UPDATE_FIXTURES=1 cargo test --test it care::upgrade`.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;

use serde_json::{Value, json};

use crate::support::{Config, Server, Store};

const THIS_RELEASE: &str = env!("CARGO_PKG_VERSION");

fn fixtures() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures")
}

fn tar(args: &[&str]) {
    let status = Command::new("tar").args(args).status().expect("tar runs");
    assert!(status.success(), "tar {args:?}");
}

/// Writes what this release writes: a store that has something in most of its trees.
fn write_fixture(dir: &Path) {
    let _ = fs::remove_dir_all(dir);
    fs::create_dir_all(dir).unwrap();
    let server = Server::start();
    let api = server.test();
    let plain = api.define_string("PLAIN", "org");
    let secret = api.define_encrypted("SECRET", "linked_account");
    api.set(&plain, "first");
    api.set(&plain, "second");
    api.set_for(&secret, "linked_account_id", "user_1", "former secret");
    api.set_for(&secret, "linked_account_id", "user_1", "a secret");
    api.token("user_1");
    let backup = dir.join("store.backup");
    server.store().coffer(["backup", "create", backup.to_str().unwrap()]).ok();
    let expected = json!({ "test_key": server.store().test_key, "plain": plain, "secret": secret });
    fs::write(dir.join("expected.json"), format!("{expected}\n")).unwrap();
    let store = server.stop();
    let archive = dir.join("store.tar.gz");
    tar(&["-czf", archive.to_str().unwrap(), "-C", store.root().to_str().unwrap(), "data"]);
}

fn check(store: &Arc<Store>, expected: &Value) {
    let text = |name: &str| expected[name].as_str().unwrap();
    let server = store.serve();
    let api = server.anonymous().key(text("test_key"));
    assert_eq!(api.resolve(text("plain")).send().ok()["value"], "second");
    let secret = api.resolve(text("secret")).query("linked_account_id", "user_1");
    assert_eq!(secret.query("reveal", "true").send().ok()["value"], "a secret");
    let values = api.get("/env/values/org").send().ok();
    let id = values["docs"][0]["_id"].as_str().unwrap();
    let versions = api.get(&format!("/env/values/{id}/versions")).send().ok();
    assert_eq!(versions["docs"][1]["value"], "first");
    api.set(text("plain"), "goes on");
    store.coffer(["audit", "verify"]).ok();
    store.coffer(["compact"]).ok();
    server.stop();
}

#[test]
fn what_each_release_wrote_opens() {
    if std::env::var_os("UPDATE_FIXTURES").is_some() {
        write_fixture(&fixtures().join(THIS_RELEASE));
    }
    let mut releases = 0;
    for release in fs::read_dir(fixtures()).unwrap() {
        let release = release.unwrap().path();
        releases += 1;
        let expected = fs::read_to_string(release.join("expected.json")).unwrap();
        let expected: Value = serde_json::from_str(&expected).unwrap();
        let store = Arc::new(Store::uninitialized(&Config::new()));
        let archive = release.join("store.tar.gz");
        tar(&["-xzf", archive.to_str().unwrap(), "-C", store.root().to_str().unwrap()]);
        check(&store, &expected);
        let restored = Arc::new(Store::uninitialized(&Config::new()));
        let backup = release.join("store.backup");
        restored.coffer(["backup", "verify", backup.to_str().unwrap()]).ok();
        restored.coffer(["backup", "restore", backup.to_str().unwrap()]).ok();
        check(&restored, &expected);
    }
    assert!(releases > 0);
}

#[test]
fn what_a_later_release_wrote_is_refused_by_name() {
    let store = Server::start().stop();
    let state = store.data().join("state");
    let text = fs::read_to_string(&state).unwrap();
    fs::write(&state, text.replacen("coffer store 1", "coffer store 2", 1)).unwrap();
    let said = store.refuses_to_serve();
    assert!(said.contains("has format 2") && said.contains("knows formats up to 1"), "{said}");
    fs::write(&state, text).unwrap();
    let keyring = store.data().join("keyring");
    let bytes = fs::read(&keyring).unwrap();
    let mut later = bytes.clone();
    later[9] = 2;
    fs::write(&keyring, later).unwrap();
    let said = store.refuses_to_serve();
    assert!(said.contains("format 2") && said.contains("newer"), "{said}");
    fs::write(&keyring, bytes).unwrap();
    store.coffer(["backup", "create", "it"]).ok();
    let file = store.root().join("it");
    let mut later = fs::read(&file).unwrap();
    later[8] = 2;
    fs::write(&file, later).unwrap();
    let said = store.coffer(["backup", "verify", "it"]).failed();
    assert!(said.contains("has format 2") && said.contains("knows formats up to 1"), "{said}");
}
