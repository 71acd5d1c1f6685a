//! What coffer is installed from: built by the scripts of `contrib`, looked into, and tried.

mod container;
mod deb;

use std::path::Path;
use std::process::{Command, Output};

/// What scripts exit with where this machine cannot do what they try.
const CANNOT: i32 = 77;

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn read(name: &str) -> String {
    std::fs::read_to_string(root().join(name)).unwrap_or_else(|error| panic!("{name}: {error}"))
}

/// Whether a program is on this machine.
fn has(program: &str) -> bool {
    let dirs = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&dirs).any(|dir| dir.join(program).exists())
}

/// The output of a program that succeeds.
#[track_caller]
fn output(command: &mut Command) -> String {
    let Output { status, stdout, stderr } =
        command.output().unwrap_or_else(|error| panic!("{command:?}: {error}"));
    let (stdout, stderr) = (String::from_utf8_lossy(&stdout), String::from_utf8_lossy(&stderr));
    assert!(status.success(), "{command:?}: {status}\n{stdout}{stderr}");
    stdout.into_owned()
}

/// Has a script try something. Where this machine cannot, that is said, and is no failure.
#[track_caller]
fn attempt(script: &str, what: &Path) {
    let tried = Command::new(root().join(script)).arg(what).output().expect("it runs");
    let said = [String::from_utf8_lossy(&tried.stdout), String::from_utf8_lossy(&tried.stderr)].concat();
    match tried.status.code() {
        Some(CANNOT) => eprintln!("NOTE: {script} {}", said.trim_end()),
        code => {
            assert!(code == Some(0) && said.contains("all well"), "{script} ended with {code:?}:\n{said}")
        }
    }
}
