//! The operator's care of a store: backups, the passphrase, keys, compaction, and what is found wrong.

mod backup;
mod compact;
mod doctor;
mod healing;
mod passphrase;
mod rotation;
mod upgrade;

use std::process::{Command, Stdio};

use crate::support::Store;

/// A command that makes a backup of a store that is served, and may write files of a kilobyte at most.
fn one_kilobyte(store: &Store, file: &str) -> Command {
    let mut limited = Command::new("sh");
    limited
        .args([
            "-c",
            r#"trap "" XFSZ; ulimit -f 1; exec "$@""#,
            "sh",
            env!("CARGO_BIN_EXE_coffer"),
            "--config",
        ])
        .arg(store.config_path())
        .args(["backup", "create", file])
        .current_dir(store.root())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    limited
}
