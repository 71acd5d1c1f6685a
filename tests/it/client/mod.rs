//! Client commands: what programs and people do with a server from wherever they are.

mod cache;
mod credential_files;
mod export;
mod import;
mod reference;
mod run;
mod supervision;
mod trust;
mod values;

use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use serde_json::{Value, json};
use tempfile::TempDir;

use crate::support::{Finished, Server, command, finish, hearing_command};

/// Values that are awkward to quote, each of which a string variable accepts.
const AWKWARD: [&str; 26] = [
    "",
    " ",
    " both ends ",
    "two words",
    "it's",
    "'quoted'",
    "\"quoted\"",
    "both ' and \"",
    "it's\n\"so\" # really",
    "$HOME ${HOME} $(id) `id` %PATH% !1",
    "a#b # c",
    "#first",
    "\\",
    "C:\\dir\\",
    "\\\\host\\share",
    "\\n \\' \\\" \\$",
    "ends in quotes\\\"\\'",
    "line\nbreaks\n\n",
    "\nfirst",
    "carriage\r\nreturns\r",
    "-----BEGIN KEY-----\nabc+/=\n-----END KEY-----\n",
    "{\"json\": [1, \"two\", null]}",
    "grün 🗝 \u{feff}\u{2028}\u{85}é",
    "\t\u{1}\u{1b}[31m\u{7f}",
    "A=1\nexport B=2",
    "= == =",
];

/// Someone's machine: a directory of its own, the address of a server, and a key.
struct Machine {
    dir: TempDir,
    url: String,
    key: String,
    /// Whether commands are given the key in a file.
    has_key_file: bool,
}

impl Machine {
    /// A machine with the `test` key of a server.
    fn of(server: &Server) -> Machine {
        Machine {
            dir: tempfile::tempdir().unwrap(),
            url: format!("http://{}", server.address()),
            key: server.store().test_key.clone(),
            has_key_file: false,
        }
    }

    /// The same machine with another key.
    fn with_key(mut self, key: String) -> Machine {
        self.key = key;
        self
    }

    /// The same machine with its key in the file `key`.
    fn with_key_file(mut self) -> Machine {
        self.file("key", &self.key);
        self.has_key_file = true;
        self
    }

    fn command<I: IntoIterator<Item: AsRef<OsStr>>>(&self, args: I) -> Command {
        self.asking(command(), args)
    }

    /// A command that is to be sent signals.
    fn hearing_command<I: IntoIterator<Item: AsRef<OsStr>>>(&self, args: I) -> Command {
        self.asking(hearing_command(), args)
    }

    fn asking<I: IntoIterator<Item: AsRef<OsStr>>>(&self, mut command: Command, args: I) -> Command {
        command.args(args).current_dir(self.dir.path()).env("COFFER_URL", &self.url);
        match self.has_key_file {
            true => command.env("COFFER_API_KEY_FILE", self.path("key")),
            false => command.env("COFFER_API_KEY", &self.key),
        };
        command.env("XDG_STATE_HOME", self.path("state"));
        command
    }

    fn coffer<I: IntoIterator<Item: AsRef<OsStr>>>(&self, args: I) -> Finished {
        finish(&mut self.command(args))
    }

    /// Runs a command with this text on its standard input.
    fn fed<I: IntoIterator<Item: AsRef<OsStr>>>(&self, input: &str, args: I) -> Finished {
        let file = self.file("stdin", input);
        finish(self.command(args).stdin(Stdio::from(std::fs::File::open(file).unwrap())))
    }

    fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    fn file(&self, name: &str, text: &str) -> PathBuf {
        let path = self.path(name);
        std::fs::write(&path, text).unwrap();
        path
    }

    /// Imports these as plain variables of the organization.
    #[track_caller]
    fn given(&self, variables: &[(&str, &str)]) {
        let object: serde_json::Map<String, Value> =
            variables.iter().map(|(name, value)| ((*name).to_owned(), json!(value))).collect();
        self.fed(&Value::from(object).to_string(), ["import", "-", "--scope", "org", "--create"]).ok();
    }

    /// The one cache file.
    fn cache(&self) -> PathBuf {
        let caches = files(&self.path("state/coffer"));
        assert_eq!(caches.len(), 1, "{caches:?}");
        caches[0].clone()
    }
}

fn files(directory: &Path) -> Vec<PathBuf> {
    let Ok(entries) = std::fs::read_dir(directory) else { return Vec::new() };
    entries.map(|entry| entry.unwrap().path()).collect()
}

/// The awkward values and the longest one, with names.
fn awkward() -> Vec<(String, String)> {
    let longest = "60 KB of 'quotes\" and\\\r\n".chars().cycle().take(60_000).collect();
    let values = AWKWARD.iter().map(|value| (*value).to_owned()).chain([longest]);
    values.enumerate().map(|(index, value)| (format!("V{index:02}"), value)).collect()
}

/// Imports the awkward values as JSON, as plain variables of the organization.
#[track_caller]
fn give_awkward(machine: &Machine) {
    let variables = awkward();
    let pairs: Vec<(&str, &str)> = variables.iter().map(|(name, value)| (&**name, &**value)).collect();
    machine.given(&pairs);
}
