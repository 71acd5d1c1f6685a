//! An API key or a session token in a file.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use super::Machine;
use crate::support::{Finished, Server, finish, useless_files};

/// A command with the credential in the file that this variable names, and in no other.
fn with_file(machine: &Machine, variable: &str, file: &Path) -> Finished {
    finish(machine.command(["ls"]).env_remove("COFFER_API_KEY").env(variable, file))
}

fn close(path: &Path, mode: u32) {
    fs::set_permissions(path, Permissions::from_mode(mode)).unwrap();
}

#[test]
fn a_key_and_a_token_may_each_be_in_a_file() {
    let server = Server::start();
    let machine = Machine::of(&server);
    server.test().register("a");
    let token = server.test().token("a");
    for (variable, secret) in [("COFFER_API_KEY_FILE", &machine.key), ("COFFER_TOKEN_FILE", &token)] {
        for (end, taken) in [("", true), ("\n", true), ("\r\n", true), ("\n\n", false), (" ", false)] {
            let file = machine.file("secret", &format!("{secret}{end}"));
            close(&file, 0o600);
            let finished = with_file(&machine, variable, &file);
            match taken {
                true => assert_eq!((finished.code, &*finished.stderr), (Some(0), ""), "{finished:?}"),
                false => assert!(!finished.failed().contains(&**secret), "{variable}"),
            }
        }
        let file = machine.path("secret");
        fs::write(&file, secret).unwrap();
        close(&file, 0o644);
        let finished = with_file(&machine, variable, &file);
        finished.ok();
        let path = file.display();
        assert_eq!(
            finished.stderr,
            format!("warning: {variable}: {path} is open to every user of this machine\n")
        );
    }
}

#[test]
fn a_file_that_gives_no_credential_is_named_and_not_shown() {
    let server = Server::start();
    let machine = Machine::of(&server);
    let useless = useless_files(machine.dir.path());
    for variable in ["COFFER_API_KEY_FILE", "COFFER_TOKEN_FILE"] {
        for (name, expected) in useless {
            let line = with_file(&machine, variable, &machine.path(name)).failed();
            let path = machine.path(name).display().to_string();
            assert_eq!(line, format!("error: {variable}: the file {path} {expected}"));
        }
        let plain = variable.trim_end_matches("_FILE");
        let mut both = machine.command(["ls"]);
        both.env_remove("COFFER_API_KEY").env(plain, "hunter2").env(variable, "/nowhere");
        let line = finish(&mut both).failed();
        assert_eq!(line, format!("error: {plain} and {variable} are set: unset all but one"));
    }
}

#[test]
fn a_program_is_passed_the_name_of_the_file_only() {
    let server = Server::start();
    let machine = Machine::of(&server);
    server.test().register("a");
    let file = machine.file("token", &server.test().token("a"));
    close(&file, 0o600);
    let mut command = machine.command(["run", "--", "sh", "-c", "echo \"$COFFER_TOKEN|$COFFER_TOKEN_FILE\""]);
    let finished = finish(command.env_remove("COFFER_API_KEY").env("COFFER_TOKEN_FILE", &file));
    assert_eq!(finished.ok(), format!("|{}\n", file.display()));
}
