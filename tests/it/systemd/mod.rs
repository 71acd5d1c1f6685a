//! Under a service manager: what the server tells it and is given by it, as systemd has them.

mod manager;
mod reload;
mod sockets;
mod units;

use std::fs;
use std::process::{Command, Stdio};
use std::time::Duration;

use crate::support::{Config, PASSPHRASE, Server, Store, eventually, finish};

/// `coffer` with `arguments` on the configuration of `store`, after a shell has run `before`: what a manager
/// prepares between its fork and the start of the program.
fn prepared(store: &Store, before: &str, arguments: &[&str]) -> Command {
    let mut command = Command::new("sh");
    command
        .args(["-c", &format!("{before}\nexec \"$@\""), "sh", env!("CARGO_BIN_EXE_coffer"), "--config"])
        .arg(store.config_path())
        .args(arguments)
        .current_dir(store.root())
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    command
}

/// Waits until the server has logged a line with `text`.
#[track_caller]
fn logged(server: &Server, text: &str) -> String {
    eventually(Duration::from_secs(30), text, || {
        server.stderr().lines().find(|line| line.contains(text)).map(str::to_owned)
    })
}

#[test]
fn a_credential_is_the_passphrase_and_stronger_than_the_file() {
    let store = Store::new();
    let credentials = store.root().join("credentials");
    fs::create_dir(&credentials).unwrap();
    let serve = || {
        let mut command = store.command(["serve"]);
        command.env("CREDENTIALS_DIRECTORY", &credentials);
        command
    };
    // A service may have other credentials than this one.
    Server::spawn(&store, serve()).stop();
    store.configure(&Config::new().text("encryption", "passphrase", "a wrong passphrase of the file"));
    fs::write(credentials.join("coffer.passphrase"), format!("{PASSPHRASE}\n")).unwrap();
    Server::spawn(&store, serve()).stop();

    let mut overridden = serve();
    overridden.env("COFFER_ENCRYPTION__PASSPHRASE", "a wrong passphrase of the environment");
    assert!(finish(&mut overridden).failed().contains("passphrase"));
    fs::write(credentials.join("coffer.passphrase"), "").unwrap();
    let said = finish(&mut serve()).failed();
    assert!(said.contains("CREDENTIALS_DIRECTORY") && said.contains("coffer.passphrase is empty"), "{said}");
}

#[test]
fn lines_for_the_journal_have_a_priority_and_no_time_of_their_own() {
    let store = Store::new();
    let journal = "export JOURNAL_STREAM=$(stat -L -c %d:%i /proc/$$/fd/2)";
    let server = Server::spawn(&store, prepared(&store, journal, &["serve"]));
    server.signal("HUP");
    logged(&server, "no setting has changed");
    for line in server.stderr().lines() {
        assert!(line.starts_with("<6> INFO coffer::") || line.starts_with("<4> WARN coffer::"), "{line}");
    }
    server.stop();
    // The variable is of somebody else's stream.
    let server = Server::spawn(&store, prepared(&store, "export JOURNAL_STREAM=1:2", &["serve"]));
    // Lines begin with the year.
    assert!(logged(&server, "listening").starts_with('2'), "{}", server.stderr());
    server.stop();
}

#[test]
fn keys_of_a_new_store_do_not_go_to_the_journal() {
    let store = Store::uninitialized(&Config::new());
    let journal = "export JOURNAL_STREAM=$(stat -L -c %d:%i /proc/$$/fd/1)";
    let said = finish(&mut prepared(&store, journal, &["serve"])).failed();
    assert!(said.contains("coffer init"), "{said}");
    assert!(!store.data().join("keyring").exists());
}
