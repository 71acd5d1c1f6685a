//! `coffer doctor`: what is well, what is not, and what can be told where the store does not open.

mod contents;

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::sync::Arc;

use serde_json::Value;

use super::one_kilobyte;
use crate::support::{Config, Finished, PASSPHRASE, Store, finish, interpose};

const OPENED: [&str; 12] = [
    "config",
    "permissions",
    "passphrase",
    "keyring",
    "disk",
    "store",
    "index",
    "audit",
    "clock",
    "data_keys",
    "backup",
    "healing",
];

fn set_mode(path: &Path, mode: u32) {
    fs::set_permissions(path, Permissions::from_mode(mode)).unwrap();
}

/// A store with a little of everything that is sealed or chained, stopped, its configuration private.
fn filled() -> Arc<Store> {
    let store = Store::new();
    set_mode(&store.config_path(), 0o600);
    let server = store.serve();
    let api = server.test();
    let plain = api.define_string("PLAIN", "org");
    let secret = api.define_encrypted("SECRET", "org");
    for turn in 0..3 {
        api.set(&plain, &format!("plain text {turn}"));
        api.set(&secret, &format!("hidden text {turn}"));
    }
    server.stop()
}

/// What was found: the check, how it is, and the message, in order. The words, the JSON and the exit code agree.
#[track_caller]
fn findings(store: &Store, args: &[&str]) -> Vec<(String, String, String)> {
    let text = store.coffer([&["doctor"], args].concat());
    let json = store.coffer([&["doctor", "--json"], args].concat());
    let found: Vec<Value> = serde_json::from_str(&json.stdout).unwrap_or_else(|e| panic!("{e}: {json:?}"));
    let found: Vec<_> = found
        .iter()
        .map(|finding| {
            assert_eq!(finding.as_object().unwrap().len(), 3, "{finding}");
            let text = |name: &str| finding[name].as_str().unwrap_or_else(|| panic!("{finding}")).to_owned();
            (text("check"), text("status"), text("message"))
        })
        .collect();
    let is_bad = found.iter().any(|(_, status, _)| status == "bad");
    for Finished { code, .. } in [&text, &json] {
        assert_eq!(*code, Some(i32::from(is_bad)), "{found:?}");
    }
    let checks = |text: &str| -> Vec<String> {
        text.lines().map(|line| line.split_whitespace().nth(1).unwrap().to_owned()).collect()
    };
    assert_eq!(checks(&text.stdout), found.iter().map(|(check, ..)| check.clone()).collect::<Vec<_>>());
    for output in [&text.stdout, &text.stderr, &json.stdout, &json.stderr] {
        for secret in [PASSPHRASE, "hidden text", "plain text", store.test_key.as_str()] {
            assert!(!output.contains(secret), "{output}");
        }
        assert!(!output.contains("panicked"), "{output}");
    }
    found
}

#[track_caller]
fn examined(store: &Store) -> Vec<(String, String, String)> {
    findings(store, &[])
}

/// The message of the check, which is so.
#[track_caller]
fn told<'f>(found: &'f [(String, String, String)], check: &str, status: &str) -> &'f str {
    let finding = found.iter().find(|(name, ..)| name == check);
    let (_, is, message) = finding.unwrap_or_else(|| panic!("no {check}: {found:#?}"));
    assert_eq!(is, status, "{check}: {message}");
    message
}

/// Checks that nothing but this is bad.
#[track_caller]
fn only_bad(found: &[(String, String, String)], expected: &[&str]) {
    let bad: Vec<_> =
        found.iter().filter(|(_, status, _)| status == "bad").map(|(check, ..)| check).collect();
    assert_eq!(bad, expected, "{found:#?}");
}

#[test]
fn a_store_that_is_well_is_found_so_stopped_and_served() {
    let store = filled();
    store.coffer(["backup", "create", "it.backup"]).ok();
    let all_well = |found: &[(String, String, String)]| {
        assert_eq!(found.iter().map(|(check, ..)| check.as_str()).collect::<Vec<_>>(), OPENED);
        for check in OPENED {
            told(found, check, "ok");
        }
        let message = told(found, "store", "ok");
        assert!(message.contains("6 values and former versions, 3 of them sealed"), "{message}");
    };
    let found = examined(&store);
    all_well(&found);
    assert!(told(&found, "index", "ok").contains("what base and journal have"), "compared");
    let server = store.serve();
    let found = examined(&store);
    all_well(&found);
    assert!(told(&found, "index", "ok").contains("in use"));
    server.test().get("/env/definitions").send().ok();
    assert_eq!(server.stop().coffer(["doctor"]).stderr, "");
}

#[test]
fn a_store_that_was_never_backed_up_is_warned_of() {
    let store = filled();
    let found = examined(&store);
    assert!(told(&found, "backup", "warn").contains("coffer backup create"));
    only_bad(&found, &[]);
}

#[test]
fn the_last_backup_is_the_last_whole_one_and_a_restored_store_knows_of_which_it_was_made() {
    let store = filled();
    let last = |store: &Store, status| told(&examined(store), "backup", status).to_owned();
    let file = store.root().join("it.backup");
    let file = file.to_str().unwrap();
    store.coffer(["backup", "create", file]).ok();
    let first = last(&store, "ok");
    store.coffer(["backup", "create", file]).failed();
    let server = store.serve();
    finish(&mut one_kilobyte(&store, "another.backup")).failed();
    server.stop();
    assert_eq!(last(&store, "ok"), first, "one that was cut off is none");

    let target = Store::uninitialized(&Config::new());
    target.coffer(["backup", "restore", file]).ok();
    let said = target.coffer(["doctor"]).stdout;
    assert!(said.contains(&first), "{first}: {said}");
}

#[test]
fn files_that_are_open_to_others_are_named() {
    let store = filled();
    let cases = [
        ("data/keyring", 0o644, "bad"),
        ("config.toml", 0o644, "bad"),
        ("data/base", 0o777, "bad"),
        ("data/journal", 0o755, "warn"),
        ("config.toml", 0o640, "warn"),
    ];
    for (name, mode, status) in cases {
        let path = store.root().join(name);
        let before = fs::metadata(&path).unwrap().permissions();
        set_mode(&path, mode);
        let found = examined(&store);
        let message = told(&found, "permissions", status);
        assert!(message.contains(name) && message.contains("chmod"), "{message}");
        fs::set_permissions(&path, before).unwrap();
    }
    let file = store.root().join("passphrase.txt");
    fs::write(&file, PASSPHRASE).unwrap();
    set_mode(&file, 0o644);
    let config = Config::new().without("encryption", "passphrase");
    store.configure(&config.text("encryption", "passphrase_file", "passphrase.txt"));
    // Nothing secret stands in it now.
    set_mode(&store.config_path(), 0o644);
    let message = told(&examined(&store), "permissions", "bad").to_owned();
    assert!(message.contains("passphrase.txt"), "{message}");
    set_mode(&file, 0o600);
    told(&examined(&store), "permissions", "ok");
}

#[test]
fn a_passphrase_that_is_known_short_wrong_or_missing_is_bad() {
    let sample = "sample passphrase: change me before use";
    let store = Store::with(&Config::new().text("encryption", "passphrase", sample));
    set_mode(&store.config_path(), 0o600);
    let found = examined(&store);
    assert!(told(&found, "passphrase", "bad").contains("coffer passphrase change"));
    told(&found, "keyring", "ok");
    only_bad(&found, &["passphrase"]);

    let store = filled();
    store.configure(&Config::new().text("encryption", "passphrase", "too short"));
    let found = examined(&store);
    assert!(told(&found, "passphrase", "bad").contains("fewer than 12 characters"));
    assert!(told(&found, "keyring", "bad").contains("does not open this store"));

    store.configure(&Config::new().text("encryption", "passphrase", "not the passphrase"));
    let before = store.files();
    let found = examined(&store);
    store.check_unchanged(&before, "a wrong passphrase touches nothing");
    told(&found, "passphrase", "ok");
    assert!(told(&found, "keyring", "bad").contains("does not open this store"));
    assert!(told(&found, "store", "ok").contains("base and journal are whole"));
    only_bad(&found, &["keyring"]);

    store.configure(&Config::new());
    let server = store.serve();
    store.configure(&Config::new().text("encryption", "passphrase", "not the passphrase"));
    let found = examined(&store);
    only_bad(&found, &["keyring"]);
    told(&found, "audit", "ok");
    store.configure(&Config::new().without("encryption", "passphrase"));
    let found = examined(&store);
    told(&found, "passphrase", "warn");
    only_bad(&found, &[]);
    server.stop();
    only_bad(&examined(&store), &["passphrase"]);
}

#[test]
fn low_disk_space_is_bad() {
    let store = filled();
    let (mut command, control) = interpose::prepare(store.command(["doctor", "--json"]));
    control.turn_on("low-space", "");
    let said = crate::support::finish(&mut command);
    assert_eq!(said.code, Some(1), "{said:?}");
    let found: Vec<Value> = serde_json::from_str(&said.stdout).unwrap();
    let disk = found.iter().find(|finding| finding["check"] == "disk").unwrap();
    assert_eq!(disk["status"], "bad", "{disk}");
}

#[test]
fn with_a_bad_configuration_the_rest_is_still_told() {
    let store = filled();
    let wrong = |text: &str| {
        store.write_config(&format!("{}{text}", Config::new().render()));
        set_mode(&store.config_path(), 0o600);
    };
    wrong("[limits]\nmax_value_bytes = 0\n");
    let found = examined(&store);
    assert!(told(&found, "config", "bad").contains("limits.max_value_bytes"));
    told(&found, "permissions", "ok");
    told(&found, "disk", "ok");
    assert!(told(&found, "store", "ok").contains("base and journal are whole"));
    only_bad(&found, &["config"]);

    wrong("[limits]\nmost = 1\n");
    let found = examined(&store);
    assert!(told(&found, "config", "bad").contains("unknown key"));
    assert!(told(&found, "store", "warn").contains("--data"));
    let data = store.data();
    let found = findings(&store, &["--data", data.to_str().unwrap()]);
    told(&found, "store", "ok");
    only_bad(&found, &["config"]);

    store.configure(&Config::new());
    let server = store.serve();
    wrong("[limits]\nmax_value_bytes = 0\n");
    let found = examined(&store);
    told(&found, "audit", "ok");
    only_bad(&found, &["config"]);
    drop(server);
}

#[test]
fn a_configuration_that_would_not_serve_is_bad() {
    let store = filled();
    let tell = |config: &Config| {
        store.configure(config);
        told(&examined(&store), "config", "bad").to_owned()
    };
    let beyond = Config::new().text("server", "listen", "0.0.0.0:0");
    assert!(tell(&beyond).contains("plain HTTP"));
    let tls = Config::new().text("server", "tls_cert", "none.pem").text("server", "tls_key", "none.key");
    assert!(tell(&tls).contains("none.pem"));
    store.configure(&beyond.set("server", "allow_plaintext", "true"));
    told(&examined(&store), "config", "warn");
}

#[test]
fn where_no_store_is_that_is_what_is_wrong() {
    let store = Store::uninitialized(&Config::new());
    set_mode(&store.config_path(), 0o600);
    let found = findings_of_nothing(&store);
    assert!(found.contains("coffer init"), "{found}");
    assert!(!store.data().exists(), "and none was made");
}

fn findings_of_nothing(store: &Store) -> String {
    let said = store.coffer(["doctor", "--json"]);
    assert_eq!(said.code, Some(1), "{said:?}");
    let found: Vec<Value> = serde_json::from_str(&said.stdout).unwrap();
    let bad: Vec<_> = found.iter().filter(|finding| finding["status"] == "bad").collect();
    assert_eq!((bad.len(), &bad[0]["check"]), (1, &"store".into()), "{found:?}");
    bad[0]["message"].as_str().unwrap().to_owned()
}
