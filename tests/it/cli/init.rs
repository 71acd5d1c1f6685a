//! `coffer init`.

use std::os::unix::fs::PermissionsExt;

use crate::support::{Config, Store, check_fields, check_id};

#[test]
fn it_makes_a_store_an_organization_and_a_key_per_environment() {
    let store = Store::uninitialized(&Config::new());
    let finished = store.coffer(["init", "--json"]);
    let made = finished.json();
    check_fields(&made, "org_id api_keys");
    check_id(&made["org_id"]);
    check_fields(&made["api_keys"], "test production");
    assert!(made["api_keys"]["test"].as_str().unwrap().starts_with("tk_"));
    assert!(made["api_keys"]["production"].as_str().unwrap().starts_with("pk_"));
    assert_eq!(finished.stdout.lines().count(), 1, "one object: {}", finished.stdout);
}

#[test]
fn as_text_it_prints_the_same() {
    let store = Store::uninitialized(&Config::new());
    let finished = store.coffer(["init"]);
    let text = finished.ok();
    let id = regex::Regex::new(r"\b[0-9a-f]{24}\b").unwrap();
    assert!(id.is_match(&text), "{text}");
    for prefix in ["tk_", "pk_"] {
        assert!(text.contains(prefix), "what is asked for goes to stdout: {text}");
        assert!(!finished.stderr.contains(prefix), "and nowhere else: {}", finished.stderr);
    }
}

#[test]
fn the_organization_can_be_named() {
    let store = Store::uninitialized(&Config::new());
    let made = store.coffer(["init", "--org", "acme", "--json"]).json();
    let listed = store.coffer(["orgs", "list", "--json"]).ok();
    assert!(listed.contains("acme") && listed.contains(made["org_id"].as_str().unwrap()), "{listed}");
}

#[test]
fn on_an_existing_store_it_fails_and_changes_nothing() {
    let store = Store::new();
    let before = store.files();
    for command in [&["init"][..], &["init", "--json"], &["init", "--org", "other"]] {
        let line = store.coffer(command).failed();
        assert!(line.contains("data"), "it names the store: {line}");
        store.check_unchanged(&before, "refused");
    }
    let server = store.serve();
    store.coffer(["init", "--json"]).failed();
    server.test().get("/env/definitions").send().ok();
}

#[test]
fn a_short_passphrase_is_refused_and_nothing_is_made() {
    for passphrase in ["", "short", "eleven byte"] {
        let store = Store::uninitialized(&Config::new().text("encryption", "passphrase", passphrase));
        let finished = store.coffer(["init", "--json"]);
        let line = finished.failed();
        assert!(passphrase.is_empty() || line.contains("12"), "{line}");
        assert!(store.files().is_empty(), "nothing was made");
    }
    Store::with(&Config::new().text("encryption", "passphrase", "twelve bytes"));
}

#[test]
fn a_store_may_begin_without_keys() {
    let store = Store::uninitialized(&Config::new());
    let said = store.coffer(["init", "--no-keys"]).ok();
    assert!(said.contains("coffer keys create") && !said.contains("tk_"), "{said}");
    assert_eq!(store.coffer(["keys", "list", "--json"]).json(), serde_json::json!([]));
    store.create_key(&["--environment", "test"]);
    let other = Store::uninitialized(&Config::new());
    assert_eq!(other.coffer(["init", "--no-keys", "--json"]).json()["api_keys"], serde_json::json!({}));
}

#[test]
fn without_a_passphrase_nothing_is_made() {
    let store = Store::uninitialized(&Config::new().without("encryption", "passphrase"));
    let line = store.coffer(["init"]).failed();
    assert!(line.contains("passphrase"), "{line}");
    assert!(store.files().is_empty());
}

#[test]
fn the_store_is_for_its_owner_alone() {
    let store = Store::new();
    let server = store.serve();
    let definition = server.test().define_string("V", "org");
    server.test().set(&definition, "v");
    check_modes(&store.data());
    let store = server.stop();
    check_modes(&store.data());
}

fn check_modes(directory: &std::path::Path) {
    let mode = |path: &std::path::Path| std::fs::symlink_metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(directory), 0o700, "{}", directory.display());
    for entry in std::fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            check_modes(&path);
        } else {
            assert_eq!(mode(&path), 0o600, "{}", path.display());
        }
    }
}

#[test]
fn a_wide_umask_does_not_widen_the_store() {
    let store = Store::uninitialized(&Config::new());
    let status = std::process::Command::new("sh")
        .arg("-c")
        .arg("umask 000; exec \"$0\" --config \"$1\" init --json >/dev/null")
        .arg(env!("CARGO_BIN_EXE_coffer"))
        .arg(store.config_path())
        .status()
        .unwrap();
    assert!(status.success());
    check_modes(&store.data());
}

#[test]
fn a_directory_with_something_else_in_it_is_left_alone() {
    let store = Store::uninitialized(&Config::new());
    std::fs::create_dir(store.data()).unwrap();
    std::fs::write(store.data().join("thesis.txt"), "not a store").unwrap();
    let before = store.files();
    let finished = store.coffer(["init", "--json"]);
    if finished.code == Some(1) {
        store.check_unchanged(&before, "refused");
    } else {
        assert_eq!(std::fs::read_to_string(store.data().join("thesis.txt")).unwrap(), "not a store");
    }
}

#[test]
fn of_two_at_once_one_makes_the_store() {
    let store = Store::uninitialized(&Config::new());
    let codes: Vec<_> = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..4).map(|_| scope.spawn(|| store.coffer(["init", "--json"]))).collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).collect()
    });
    let made: Vec<_> = codes.iter().filter(|finished| finished.code == Some(0)).collect();
    assert_eq!(made.len(), 1, "{codes:?}");
    let orgs = store.coffer(["orgs", "list", "--json"]).ok();
    assert!(orgs.contains(made[0].json()["org_id"].as_str().unwrap()), "{orgs}");
}
