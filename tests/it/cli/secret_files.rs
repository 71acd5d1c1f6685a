//! A passphrase in a file: what is taken, what is refused, and what is warned of.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;

use crate::support::{Config, Finished, PASSPHRASE, Store, finish, useless_files};

const VARIABLE: &str = "COFFER_ENCRYPTION__PASSPHRASE_FILE";

/// A command on the store, with the passphrase in this file.
fn with_file(store: &Store, file: &str) -> Finished {
    let mut command = store.command(["orgs", "list"]);
    finish(command.env(VARIABLE, store.root().join(file)))
}

#[test]
fn a_file_that_gives_no_passphrase_is_named_and_not_shown() {
    let store = Store::new();
    for (name, expected) in useless_files(store.root()) {
        let line = with_file(&store, name).failed();
        let path = store.root().join(name).display().to_string();
        assert_eq!(line, format!("error: {VARIABLE}: the passphrase file {path} {expected}"));
    }
    let wrong = store.root().join("wrong");
    fs::write(&wrong, "hunter2").unwrap();
    fs::set_permissions(&wrong, Permissions::from_mode(0o600)).unwrap();
    let wrong = with_file(&store, "wrong").failed();
    assert!(
        wrong.contains("the passphrase does not open this store") && !wrong.contains("hunter2"),
        "{wrong}"
    );
}

#[test]
fn one_line_break_at_the_end_is_no_part_of_the_passphrase() {
    let store = Store::new();
    let check = |content: String, opens: bool| {
        let file = store.root().join("secret");
        fs::write(&file, content).unwrap();
        fs::set_permissions(&file, Permissions::from_mode(0o600)).unwrap();
        let finished = with_file(&store, "secret");
        assert_eq!((finished.code == Some(0), finished.stderr.is_empty()), (opens, opens), "{finished:?}");
    };
    check(PASSPHRASE.into(), true);
    check(format!("{PASSPHRASE}\n"), true);
    check(format!("{PASSPHRASE}\r\n"), true);
    check(format!("{PASSPHRASE}\n\n"), false);
    check(format!("{PASSPHRASE} "), false);
}

#[test]
fn the_passphrase_and_a_file_with_it_exclude_each_other() {
    let store = Store::new();
    fs::write(store.root().join("secret"), PASSPHRASE).unwrap();
    let mut command = store.command(["orgs", "list"]);
    command.env(VARIABLE, store.root().join("secret")).env("COFFER_ENCRYPTION__PASSPHRASE", "hunter2");
    let line = finish(&mut command).failed();
    assert_eq!(
        line,
        format!(
            "error: {VARIABLE}: `encryption.passphrase` and `encryption.passphrase_file` exclude each other"
        )
    );
}

#[test]
fn a_passphrase_file_that_everyone_may_read_is_warned_of() {
    let store = Store::with(&Config::new());
    let file = store.root().join("secret");
    fs::write(&file, PASSPHRASE).unwrap();
    for (mode, warned) in [(0o600, false), (0o640, false), (0o644, true)] {
        fs::set_permissions(&file, Permissions::from_mode(mode)).unwrap();
        let finished = with_file(&store, "secret");
        finished.ok();
        let warning = "the passphrase file is open to every user of this machine";
        assert_eq!(finished.stderr.contains(warning), warned, "{mode:o}: {finished:?}");
        assert!(!finished.stderr.contains(PASSPHRASE), "{finished:?}");
    }
}
