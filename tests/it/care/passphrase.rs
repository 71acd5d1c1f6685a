//! `coffer passphrase change`: whatever happens, exactly one of the two opens the store.

use std::fs::{self, File};
use std::io::{Read, Write};
use std::os::fd::AsFd;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::ExitStatusExt;
use std::process::{Child, ExitStatus, Stdio};
use std::sync::mpsc;
use std::time::Duration;

use nix::pty::{OpenptyResult, openpty};
use nix::sys::signal::Signal;
use nix::sys::termios::{LocalFlags, Termios, tcgetattr};

use crate::support::{Config, PASSPHRASE, Server, Store, eventually, hearing_command};

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

/// A terminal at which `passphrase change` asks.
struct Asking {
    child: Child,
    pty: OpenptyResult,
    keyboard: File,
    shown: mpsc::Receiver<String>,
    seen: String,
}

impl Asking {
    fn start(store: &Store) -> Asking {
        let pty = openpty(None, None).unwrap();
        let terminal = || Stdio::from(pty.slave.as_fd().try_clone_to_owned().unwrap());
        let mut command = hearing_command();
        command
            .arg("--config")
            .arg(store.config_path())
            .args(["passphrase", "change"])
            .current_dir(store.root());
        let child = command.stdin(terminal()).stderr(terminal()).spawn().unwrap();
        let keyboard = File::from(pty.master.try_clone().unwrap());
        let mut screen = File::from(pty.master.try_clone().unwrap());
        let (send, shown) = mpsc::channel();
        std::thread::spawn(move || {
            let mut bytes = [0; 1024];
            while let Ok(len @ 1..) = screen.read(&mut bytes) {
                let _ = send.send(String::from_utf8_lossy(&bytes[..len]).into_owned());
            }
        });
        Asking { child, pty, keyboard, shown, seen: String::new() }
    }

    fn answer(&mut self, question: &str, answer: &str) {
        eventually(Duration::from_secs(20), question, || {
            self.seen.extend(self.shown.try_iter());
            self.seen.ends_with(question).then_some(())
        });
        self.keyboard.write_all(answer.as_bytes()).unwrap();
    }

    fn settings(&self) -> Termios {
        tcgetattr(&self.pty.slave).unwrap()
    }

    fn ended(&mut self) -> ExitStatus {
        eventually(Duration::from_secs(20), "it ends", || self.child.try_wait().unwrap())
    }
}

#[test]
fn a_terminal_is_asked_and_shows_nothing_of_what_is_typed() {
    let store = Store::new();
    let mut asking = Asking::start(&store);
    asking.answer("Present passphrase: ", &format!("{PASSPHRASE}\n"));
    asking.answer("New passphrase: ", &format!("not this\u{15}{NEW}x\u{7f}\n"));
    asking.answer("New passphrase, again: ", &format!("{NEW}\n"));
    assert!(asking.ended().success());
    asking.seen.extend(asking.shown.try_iter());
    let seen = &asking.seen;
    assert!(!seen.contains(NEW) && !seen.contains(PASSPHRASE), "{seen}");
    assert_eq!(opens(&store), [false, true]);
}

#[test]
fn a_terminal_that_ends_the_asking_shows_again_what_is_typed() {
    let store = Store::new();
    for (key, signal) in [("\u{3}", Signal::SIGINT), ("\u{1c}", Signal::SIGQUIT)] {
        for typed in ["", "half of a passph"] {
            let mut asking = Asking::start(&store);
            let before = asking.settings();
            asking.answer("Present passphrase: ", &format!("{PASSPHRASE}\n"));
            asking.answer("New passphrase: ", "");
            assert!(!asking.settings().local_flags.contains(LocalFlags::ECHO));
            asking.answer("New passphrase: ", &format!("{typed}{key}"));
            assert_eq!(asking.ended().signal(), Some(signal as i32));
            assert_eq!(asking.settings(), before);
        }
    }
    let mut asking = Asking::start(&store);
    asking.answer("Present passphrase: ", "a suspended\u{1a} passphrase\n");
    assert_eq!(asking.ended().code(), Some(1));
    eventually(Duration::from_secs(20), "why", || {
        asking.seen.extend(asking.shown.try_iter());
        asking.seen.contains("control character").then_some(())
    });
    assert_eq!(opens(&store), [true, false]);
}
