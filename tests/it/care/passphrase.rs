//! `coffer passphrase change`: whatever happens, exactly one of the two opens the store.

use std::fs::{self, File};
use std::io::{Read, Write};
use std::os::fd::AsFd;
use std::os::unix::fs::PermissionsExt;
use std::process::Stdio;
use std::time::Duration;

use nix::pty::openpty;

use crate::support::{Config, PASSPHRASE, Server, Store, eventually};

const NEW: &str = "quite another passphrase";

fn files(store: &Store, old: &str, new: &str) -> [String; 2] {
    [("old.txt", old), ("new.txt", new)].map(|(name, text)| {
        let path = store.root().join(name);
        fs::write(&path, format!("{text}\n")).unwrap();
        path.to_str().unwrap().to_owned()
    })
}

fn change<'a>(old: &'a str, new: &'a str) -> [&'a str; 6] {
    ["passphrase", "change", "--old-file", old, "--new-file", new]
}

/// Which of the two opens the store.
fn opens(store: &Store) -> [bool; 2] {
    [PASSPHRASE, NEW].map(|passphrase| {
        store.configure(&Config::new().text("encryption", "passphrase", passphrase));
        let listed = store.coffer(["orgs", "list"]);
        if listed.code != Some(0) {
            assert!(listed.failed().ends_with("the passphrase does not open this store"));
        }
        listed.code == Some(0)
    })
}

#[test]
fn after_a_change_the_new_passphrase_opens_the_store_and_the_former_one_does_not() {
    for serving in [false, true] {
        let store = Store::new();
        let server = serving.then(|| store.serve());
        let [old, new] = files(&store, PASSPHRASE, NEW);
        let changed = store.coffer(change(&old, &new));
        assert!(changed.ok().contains("configuration"), "{changed:?}");
        if let Some(server) = server {
            server.test().get("/env/definitions").send().ok();
            let stderr = server.stderr();
            assert!(!stderr.contains(NEW) && !stderr.contains(PASSPHRASE), "{stderr}");
            server.stop();
        }
        assert_eq!(opens(&store), [false, true], "serving: {serving}");
        let mode = fs::metadata(store.data().join("keyring")).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
        let server = store.serve();
        let api = server.test();
        let secret = api.define_encrypted("S", "org");
        api.set(&secret, "still sealed and opened");
    }
}

#[test]
fn a_wrong_passphrase_a_short_one_and_a_missing_terminal_change_nothing() {
    for serving in [false, true] {
        let store = Store::new();
        let _server = serving.then(|| store.serve());
        let keyring = || fs::read(store.data().join("keyring")).unwrap();
        let before = keyring();
        let [old, new] = files(&store, "not the passphrase", NEW);
        let said = store.coffer(change(&old, &new)).failed();
        assert!(said.ends_with("the passphrase does not open this store"), "{said}");
        let [old, new] = files(&store, PASSPHRASE, "too short");
        let said = store.coffer(change(&old, &new)).failed();
        assert!(said.contains("fewer than 12 characters"), "{said}");
        let [old, same] = files(&store, PASSPHRASE, PASSPHRASE);
        let said = store.coffer(change(&old, &same)).failed();
        assert!(said.ends_with("the new passphrase is the present one"), "{said}");
        let said = store.coffer(["passphrase", "change", "--new-file", &new]).misused();
        assert!(said.contains("--old-file"), "{said}");
        let said = store.coffer(["passphrase", "change", "--old-file", &old]).misused();
        assert!(said.contains("--new-file"), "{said}");
        let said = store.coffer(change("absent", &new)).failed();
        assert!(said.contains("absent"), "{said}");
        assert_eq!(keyring(), before);
    }
}

#[test]
fn a_change_that_is_killed_leaves_exactly_one_passphrase_that_opens() {
    let mut seen = [false; 2];
    for delay in (0..600).step_by(20) {
        let store = Store::new();
        let [old, new] = files(&store, PASSPHRASE, NEW);
        let mut child = store.command(change(&old, &new)).spawn().unwrap();
        std::thread::sleep(Duration::from_millis(delay));
        child.kill().unwrap();
        child.wait().unwrap();
        match opens(&store) {
            [true, false] => seen[0] = true,
            [false, true] => seen[1] = true,
            neither_or_both => panic!("{neither_or_both:?} after {delay} ms"),
        }
        if seen == [true; 2] {
            return;
        }
    }
    panic!("of killed before and after, only one was met: {seen:?}");
}

#[test]
fn a_backup_opens_with_the_passphrase_of_its_time() {
    let server = Server::start();
    let store = server.store();
    store.coffer(["backup", "create", "before"]).ok();
    let [old, new] = files(store, PASSPHRASE, NEW);
    store.coffer(change(&old, &new)).ok();
    store.coffer(["backup", "create", "after"]).ok();
    store.coffer(["backup", "verify", "before"]).ok();
    store.coffer(["backup", "verify", "after"]).failed();
    store.configure(&Config::new().text("encryption", "passphrase", NEW));
    store.coffer(["backup", "verify", "before"]).failed();
    store.coffer(["backup", "verify", "after"]).ok();
}

#[test]
fn a_terminal_is_asked_and_shows_nothing_of_what_is_typed() {
    let store = Store::new();
    let pty = openpty(None, None).unwrap();
    let terminal = || Stdio::from(pty.slave.as_fd().try_clone_to_owned().unwrap());
    let mut child =
        store.command(["passphrase", "change"]).stdin(terminal()).stderr(terminal()).spawn().unwrap();
    let mut keyboard = File::from(pty.master.try_clone().unwrap());
    let mut screen = File::from(pty.master);
    let (send, shown) = std::sync::mpsc::channel();
    std::thread::spawn(move || {
        let mut bytes = [0; 1024];
        while let Ok(len @ 1..) = screen.read(&mut bytes) {
            let _ = send.send(String::from_utf8_lossy(&bytes[..len]).into_owned());
        }
    });
    let mut seen = String::new();
    for (question, answer) in
        [("Present passphrase: ", PASSPHRASE), ("New passphrase: ", NEW), ("New passphrase, again: ", NEW)]
    {
        eventually(Duration::from_secs(20), question, || {
            seen.extend(shown.try_iter());
            seen.ends_with(question).then_some(())
        });
        keyboard.write_all(format!("{answer}\n").as_bytes()).unwrap();
    }
    assert!(child.wait().unwrap().success());
    seen.extend(shown.try_iter());
    assert!(!seen.contains(NEW) && !seen.contains(PASSPHRASE), "{seen}");
    assert_eq!(opens(&store), [false, true]);
}
