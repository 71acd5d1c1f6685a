//! `coffer backup`: made while the server serves, proved without a store, and turned into one.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use serde_json::{Value, json};

use super::one_kilobyte;
use crate::audit::export;
use crate::support::{Config, PASSPHRASE, Server, Store, finish};

fn text(path: &Path) -> String {
    path.to_str().expect("a path of a test is text").to_owned()
}

/// Another directory with the same configuration, and no store.
fn elsewhere() -> Arc<Store> {
    Arc::new(Store::uninitialized(&Config::new()))
}

#[test]
fn a_backup_of_a_serving_store_becomes_a_store_with_all_that_it_had() {
    let server = Server::start();
    let api = server.test();
    let plain = api.define_string("PLAIN", "org");
    let secret = api.define_encrypted("SECRET", "linked_account");
    api.set(&plain, "first");
    api.set(&plain, "second");
    api.set_for(&secret, "linked_account_id", "user_1", "hunter2-hunter2");
    let token = api.token("user_1");
    let file = server.store().root().join("made.backup");
    let made = server.store().coffer(["backup", "create", &text(&file)]);
    assert!(made.ok().contains("records"), "{made:?}");
    assert_eq!(made.stderr, "", "no progress where there is no terminal");
    assert_eq!(fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);
    // What comes later is not in it.
    api.set(&plain, "third");

    let target = elsewhere();
    let verified = target.coffer(["backup", "verify", &text(&file), "--json"]).json();
    for (kind, count) in [
        ("organizations", 1),
        ("api_keys", 2),
        ("definitions", 2),
        ("values", 2),
        ("former_versions", 1),
        ("sealed", 1),
        ("linked_accounts", 1),
        ("sessions", 1),
    ] {
        assert_eq!(verified[kind], count, "{kind}: {verified}");
    }
    assert!(target.coffer(["backup", "verify", &text(&file)]).ok().contains("is whole"));
    assert!(!target.data().exists(), "verifying needs no store and makes none");
    let bytes = fs::read(&file).unwrap();
    for visible in ["hunter2-hunter2", "second", "PLAIN", "user_1", &api_key_of(&server)] {
        let found = bytes.windows(visible.len()).any(|window| window == visible.as_bytes());
        assert!(!found, "{visible} is to be read in the backup");
    }

    target.coffer(["backup", "restore", &text(&file)]).ok();
    let (_, lines) = export(&target, "restored.jsonl");
    let restored = lines.iter().map(|line| serde_json::from_str::<Value>(line).unwrap());
    let restored: Vec<_> = restored.filter(|line| line["event"] == "backup.restored").collect();
    assert_eq!(restored.len(), 1);
    assert_eq!(restored[0]["actor"]["type"], "operator");
    assert_eq!(restored[0]["entity"]["name"], verified["createdAt"]);
    target.coffer(["audit", "verify"]).ok();
    assert_eq!(fs::metadata(target.data()).unwrap().permissions().mode() & 0o777, 0o700);
    let restored = target.serve();
    let there = restored.anonymous().key(&server.store().test_key);
    assert_eq!(there.resolve(&plain).send().ok()["value"], "second");
    let revealed = there.resolve(&secret).query("linked_account_id", "user_1").query("reveal", "true");
    assert_eq!(revealed.send().ok()["value"], "hunter2-hunter2");
    there.set(&plain, "goes on");
    let session = restored.anonymous().bearer(&token);
    session.get("/session/active-linked-account").send().error(401, "INVALID_TOKEN");
    there.token("user_1");
    server.anonymous().bearer(&token).get("/session/active-linked-account").send().ok();
    let listed = restored.store().coffer(["orgs", "list", "--json"]).ok();
    assert!(listed.contains(&server.store().org));
    let again = target.coffer(["backup", "restore", &text(&file)]).failed();
    assert!(again.contains("there is a store in"), "{again}");
    let restored = restored.kill().serve();
    let there = restored.anonymous().key(&server.store().test_key);
    assert_eq!(there.resolve(&plain).send().ok()["value"], "goes on");
}

fn api_key_of(server: &Server) -> String {
    server.store().test_key.clone()
}

#[test]
fn a_backup_is_of_one_moment_whatever_is_written_meanwhile() {
    let server = Server::start();
    let api = server.test();
    let names: Vec<String> = (0..50).map(|number| format!("V{number}")).collect();
    let import = |turn: usize| {
        let variables: Vec<_> =
            names.iter().map(|name| json!({ "name": name, "value": format!("turn {turn}") })).collect();
        api.post("/env/import", &json!({ "scope": "org", "create": true, "variables": variables }))
    };
    import(0).send().ok();
    let stop = AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            for turn in 1.. {
                if stop.load(Ordering::Relaxed) {
                    break;
                }
                import(turn).send().ok();
            }
        });
        for number in 0..3 {
            std::thread::sleep(Duration::from_millis(100));
            let file = server.store().root().join(format!("{number}.backup"));
            server.store().coffer(["backup", "create", &text(&file)]).ok();
        }
        stop.store(true, Ordering::Relaxed);
    });
    for number in 0..3 {
        let target = elsewhere();
        let file = server.store().root().join(format!("{number}.backup"));
        target.coffer(["backup", "restore", &text(&file)]).ok();
        let restored = target.serve();
        let there = restored.anonymous().key(&server.store().test_key);
        let context = there.get("/env/resolve").send().ok();
        let variables = context["variables"].as_array().unwrap();
        assert_eq!(variables.len(), names.len());
        assert!(variables.iter().all(|variable| variable["value"] == variables[0]["value"]), "{context}");
    }
}

#[test]
fn a_backup_of_a_stopped_store_is_as_good_and_a_relative_path_is_the_callers() {
    let store = Server::start().stop();
    let place = store.root().join("place");
    fs::create_dir(&place).unwrap();
    finish(store.command(["backup", "create", "it"]).current_dir(&place)).ok();
    assert_eq!(names(&place), ["it"]);
    let server = store.serve();
    finish(store.command(["backup", "create", "another"]).current_dir(&place)).ok();
    assert_eq!(names(&place), ["another", "it"]);
    for name in ["it", "another"] {
        finish(store.command(["backup", "verify", name]).current_dir(&place)).ok();
    }
    server.stop();
}

fn names(dir: &Path) -> Vec<String> {
    let mut names: Vec<String> =
        fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

#[test]
fn a_backup_that_cannot_be_written_leaves_nothing_and_says_why() {
    let server = Server::start();
    let store = server.store();
    let place = store.root().join("place");
    fs::create_dir(&place).unwrap();
    let file = place.join("backup");
    let absent = place.join("absent/backup");
    let said = store.coffer(["backup", "create", &text(&absent)]).failed();
    assert!(said.contains("cannot write") && said.contains("absent"), "{said}");
    fs::write(&file, "what was there").unwrap();
    let said = store.coffer(["backup", "create", &text(&file)]).failed();
    assert!(said.contains("is there already"), "{said}");
    assert_eq!(fs::read(&file).unwrap(), b"what was there");
    fs::remove_file(&file).unwrap();
    let said = finish(&mut one_kilobyte(store, &text(&file))).failed();
    assert!(said.contains("cannot write") && said.contains("too large"), "{said}");
    assert_eq!(names(&place), [] as [&str; 0]);
    // What a killed one left is written over.
    let partial = place.join(".backup.partial");
    fs::write(&partial, vec![7; 100_000]).unwrap();
    fs::set_permissions(&partial, fs::Permissions::from_mode(0o644)).unwrap();
    store.coffer(["backup", "create", &text(&file)]).ok();
    assert_eq!(fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);
    store.coffer(["backup", "verify", &text(&file)]).ok();
    assert_eq!(names(&place), ["backup"]);
    // What somebody else put there is not written to.
    fs::remove_file(&file).unwrap();
    let victim = store.root().join("victim");
    fs::write(&victim, "what was there").unwrap();
    std::os::unix::fs::symlink(&victim, &partial).unwrap();
    let link = store.coffer(["backup", "create", &text(&file)]).failed();
    fs::remove_file(&partial).unwrap();
    fs::hard_link(&victim, &partial).unwrap();
    let hard = store.coffer(["backup", "create", &text(&file)]).failed();
    fs::remove_file(&partial).unwrap();
    nix::unistd::mkfifo(&partial, nix::sys::stat::Mode::S_IRWXU).unwrap();
    let pipe = store.coffer(["backup", "create", &text(&file)]).failed();
    for said in [link, hard, pipe] {
        assert!(said.contains(".backup.partial is in the way"), "{said}");
    }
    assert_eq!(fs::read(&victim).unwrap(), b"what was there");
    assert_eq!(names(&place), [".backup.partial"]);
    server.test().get("/env/definitions").send().ok();
}

#[test]
fn a_changed_backup_is_neither_verified_nor_restored() {
    let server = Server::start();
    let api = server.test();
    for number in 0..20 {
        let definition = api.define_encrypted(&format!("S{number}"), "org");
        api.set(&definition, "a secret");
    }
    let store = server.stop();
    let file = store.root().join("backup");
    store.coffer(["backup", "create", &text(&file)]).ok();
    let whole = fs::read(&file).unwrap();
    let target = elsewhere();
    let changed = target.root().join("changed");
    for seed in 0..40 {
        let mut bytes = whole.clone();
        let at = seed * (whole.len() - 1) / 39;
        bytes[at] ^= 1 << (seed % 8);
        fs::write(&changed, bytes).unwrap();
        let verified = target.coffer(["backup", "verify", &text(&changed)]).failed();
        assert!(verified.starts_with("error: "), "{verified}");
        if seed % 8 == 0 {
            target.coffer(["backup", "restore", &text(&changed)]).failed();
            assert!(!target.data().join("keyring").exists());
        }
    }
    let wrong = Store::uninitialized(&Config::new().text("encryption", "passphrase", "another passphrase"));
    let said = wrong.coffer(["backup", "verify", &text(&file)]).failed();
    assert!(
        said.contains("the passphrase does not open this backup") && !said.contains(PASSPHRASE),
        "{said}"
    );
    wrong.coffer(["backup", "restore", &text(&file)]).failed();
    assert!(!wrong.data().exists());
}

#[test]
fn a_restore_that_is_killed_leaves_no_store_or_the_whole_one() {
    let server = Server::start();
    let api = server.test();
    let definition = api.define_string("V", "linked_account");
    for number in 0..200 {
        api.set_for(&definition, "linked_account_id", &format!("user_{number}"), "value");
    }
    let store = server.stop();
    let file = store.root().join("backup");
    store.coffer(["backup", "create", &text(&file)]).ok();
    let (mut unfinished, mut delay) = (0, 0);
    // Later and later, until one gets to its end before it is killed.
    loop {
        let target = elsewhere();
        let mut child = target.command(["backup", "restore", &text(&file)]).spawn().unwrap();
        std::thread::sleep(Duration::from_millis(delay));
        child.kill().unwrap();
        let ended = child.wait().unwrap();
        let listed = target.coffer(["orgs", "list", "--json"]);
        if listed.code == Some(0) {
            assert!(listed.stdout.contains(&store.org), "{listed:?}");
        } else {
            assert!(listed.failed().contains("there is no store"));
            unfinished += 1;
            target.coffer(["backup", "restore", &text(&file)]).ok();
        }
        let restored = target.serve();
        let there = restored.anonymous().key(&store.test_key);
        let found = there.get("/linked-account").query("limit", "1000").send().ok();
        assert_eq!(found["totalDocs"], 200);
        if ended.success() {
            break;
        }
        delay += 15;
    }
    assert!(unfinished > 0);
}

#[test]
fn nothing_is_written_among_the_stores_own_files_or_to_standard_output() {
    for serving in [false, true] {
        let store = Arc::new(Store::new());
        let server = serving.then(|| store.serve());
        let before = names(&store.data());
        for command in [["backup", "create"], ["audit", "export"]] {
            for place in ["sled/b", "journal/b", "base/../base/b", "healed"] {
                let path = store.data().join(place);
                let said = store.coffer([command[0], command[1], &text(&path)]).failed();
                assert!(said.contains("among the store's own files"), "{place}: {said}");
            }
            // Through a link, and by a relative path.
            let link = store.root().join(command[0]);
            std::os::unix::fs::symlink(store.data(), &link).unwrap();
            store.coffer([command[0], command[1], &text(&link.join("sled/b"))]).failed();
            finish(store.command([command[0], command[1], "b"]).current_dir(store.data().join("journal")))
                .failed();
            let said =
                finish(store.command([command[0], command[1], "-"]).current_dir(store.root())).misused();
            assert!(said.contains("standard output"), "{said}");
            assert!(!store.root().join("-").exists());
        }
        assert_eq!(names(&store.data()), before);
        // Beside them is somebody else's place.
        store.coffer(["backup", "create", &text(&store.data().join("mine"))]).ok();
        if let Some(server) = server {
            server.stop();
        }
        let doctor = store.coffer(["doctor"]).stdout;
        assert!(doctor.contains("nothing broken was ever met"), "{doctor}");
    }
}
