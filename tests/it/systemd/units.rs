//! The units in `contrib/systemd`: that systemd takes them, how far they shut the server in, and that they agree
//! with what the server does.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use tempfile::TempDir;

fn unit(name: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("contrib/systemd").join(name);
    fs::read_to_string(path).unwrap()
}

/// The units, with the binary where it is here.
fn units() -> (TempDir, PathBuf, PathBuf) {
    let dir = tempfile::tempdir().unwrap();
    let (service, socket) = (dir.path().join("coffer.service"), dir.path().join("coffer.socket"));
    let binary = env!("CARGO_BIN_EXE_coffer");
    fs::write(&service, unit("coffer.service").replace("/usr/bin/coffer", binary)).unwrap();
    fs::write(&socket, unit("coffer.socket")).unwrap();
    (dir, service, socket)
}

/// What `systemd-analyze` says; nothing where there is none.
fn analyze(arguments: &[&str], paths: &[&Path]) -> Option<Output> {
    match Command::new("systemd-analyze").args(arguments).args(paths).output() {
        Ok(output) => Some(output),
        Err(_) => {
            eprintln!("skipped: there is no systemd-analyze here");
            None
        }
    }
}

#[test]
fn systemd_takes_them() {
    let (_dir, service, socket) = units();
    let Some(output) = analyze(&["verify", "--man=no"], &[&service, &socket]) else { return };
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success() && !said.contains("coffer."), "{said}");
}

#[test]
fn the_service_is_shut_in() {
    let (_dir, service, _) = units();
    // In tenths: 0 is shut in, 100 is open.
    let Some(output) = analyze(&["security", "--offline=true", "--no-pager", "--threshold=12"], &[&service])
    else {
        return;
    };
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success() && said.contains("Overall exposure level"), "{said}");
}

#[test]
fn they_ask_for_what_the_server_does() {
    let service = unit("coffer.service");
    let has = |line: &str| assert!(service.lines().any(|other| other == line), "{line}");
    has("Type=notify");
    has("ExecStart=/usr/bin/coffer --config /etc/coffer/config.toml serve");
    has("ExecReload=/bin/kill -HUP $MAINPID");
    has("LoadCredential=coffer.passphrase:/etc/coffer/passphrase");
    has("RestartPreventExitStatus=2");
    assert!(service.contains("\nWatchdogSec="));
    assert!(unit("coffer.socket").contains("\nListenStream=127.0.0.1:8080\n"));
}
