//! Where a document's commands are run: a directory of their own, and a shell that is theirs from the first
//! command to the last. `coffer` is the binary that the tests were built with, and so is `cargo run`.

use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::mpsc::{self, Receiver};
use std::thread;
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, killpg};
use nix::unistd::Pid;
use regex::Regex;
use serde_json::Value;
use tempfile::TempDir;

use crate::support::Config;

/// How long a command may take.
const PATIENCE: Duration = Duration::from_secs(300);
/// How long one may take until it has printed what it prints at its start.
const START: Duration = Duration::from_secs(30);
/// What stands between the outputs of two commands.
const END: &str = "\u{1e}";

const CARGO: &str = r#"#!/bin/sh
[ "$1" = run ] || { echo "only cargo run is tried here" >&2; exit 64; }
shift
[ "$1" = --release ] && shift
[ "$1" = -- ] && shift
exec coffer "$@"
"#;

/// A directory with a configuration, a shell in it, and what was started there; all of it ends with it.
pub(crate) struct Place {
    dir: TempDir,
    port: u16,
    shell: Child,
    input: ChildStdin,
    output: Receiver<String>,
}

impl Place {
    /// The repository's `config.toml` and no store.
    pub(crate) fn anew() -> Place {
        let sample = Path::new(env!("CARGO_MANIFEST_DIR")).join("config.toml");
        Place::with(&fs::read_to_string(sample).expect("the sample is readable"))
    }

    /// A store that is served, and in the environment what a client needs: `COFFER_URL`, `COFFER_API_KEY` (of
    /// `test`), and `KEY` and `PROD`, the keys of `test` and `production`.
    pub(crate) fn served() -> Place {
        let config = Config::new().text("server", "listen", "127.0.0.1:8080").render();
        let mut place = Place::with(&config);
        let made = place.must("coffer init --json");
        let made: Value = serde_json::from_str(&made).unwrap_or_else(|error| panic!("{error}: {made}"));
        let key = |environment: &str| made["api_keys"][environment].as_str().expect("a key").to_owned();
        place.must(&format!("export KEY={0} COFFER_API_KEY={0} PROD={1}", key("test"), key("production")));
        place.must("export COFFER_URL=http://127.0.0.1:8080");
        place.start("coffer serve", |printed| printed.contains("listening on ")).expect("it listens");
        place
    }

    fn with(config: &str) -> Place {
        let dir = tempfile::Builder::new().prefix("coffer-").tempdir().expect("a temporary directory");
        let port = free_port();
        let at = |name: &str| dir.path().join(name);
        for name in ["bin", "home", "here"] {
            fs::create_dir(at(name)).expect("a directory");
        }
        std::os::unix::fs::symlink(env!("CARGO_BIN_EXE_coffer"), at("bin/coffer")).expect("a link");
        fs::write(at("bin/cargo"), CARGO).expect("written");
        fs::set_permissions(at("bin/cargo"), fs::Permissions::from_mode(0o755)).expect("executable");
        let mut command = Command::new("bash");
        command.args(["--norc", "--noprofile"]).current_dir(at("here")).process_group(0);
        for (name, _) in std::env::vars_os() {
            if name.to_string_lossy().starts_with("COFFER_") {
                command.env_remove(name);
            }
        }
        let path = std::env::var("PATH").unwrap_or_default();
        command.env("PATH", format!("{}:{path}", at("bin").display())).env("HOME", at("home"));
        command.env_remove("XDG_STATE_HOME").env_remove("BASH_ENV");
        command
            .env("COFFER_ENCRYPTION__ARGON2_MEMORY_KIB", "8192")
            .env("COFFER_ENCRYPTION__ARGON2_PASSES", "1");
        let mut shell =
            command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null()).spawn().expect("bash");
        let input = shell.stdin.take().expect("piped");
        let output = gather(shell.stdout.take().expect("piped"));
        let place = Place { dir, port, shell, input, output };
        place.write("config.toml", config);
        place
    }

    /// Runs a command, and returns its exit code and what a terminal would have shown.
    pub(crate) fn run(&mut self, command: &str) -> Result<(i32, String), String> {
        self.ask(command, "</dev/null 2>&1")
    }

    /// What a command that has to succeed prints.
    #[track_caller]
    pub(crate) fn must(&mut self, command: &str) -> String {
        match self.run(command) {
            Ok((0, printed)) => printed,
            other => panic!("{command}: {other:?}"),
        }
    }

    /// Starts a command that goes on, and waits until `done` with what it has printed.
    pub(crate) fn start(&mut self, command: &str, mut done: impl FnMut(&str) -> bool) -> Result<(), String> {
        let output = self.dir.path().join("stays");
        let redirected = format!("</dev/null >{} 2>/dev/null & stays=$!", output.display());
        self.ask(&format!("exec {command}"), &redirected)?;
        let start = Instant::now();
        loop {
            let printed = fs::read_to_string(&output).unwrap_or_default();
            if done(&printed) {
                return Ok(());
            }
            if start.elapsed() > START {
                return Err(printed);
            }
            thread::sleep(Duration::from_millis(5));
        }
    }

    /// Stops what was started last.
    pub(crate) fn stop(&mut self) {
        self.must("kill $stays && wait $stays");
    }

    /// Writes a file of the document's.
    pub(crate) fn write(&self, name: &str, text: &str) {
        let path = self.dir.path().join("here").join(self.local(name));
        fs::create_dir_all(path.parent().expect("in a directory")).expect("a directory");
        fs::write(path, self.local(text)).expect("written");
    }

    /// `text` with this place's port for the default one, and paths of a whole machine below this directory.
    pub(crate) fn local(&self, text: &str) -> String {
        let root = self.dir.path().display().to_string();
        let text = Regex::new(r"\b8080\b").expect("valid").replace_all(text, self.port.to_string());
        let paths = r#"(?m)(^|[\s"'=@<>(:])(/(?:mnt|srv|opt|backup|var/lib|var/backups|etc/coffer|run/secrets)/[^\s"'<>)]*)"#;
        let paths = Regex::new(paths).expect("valid");
        for found in paths.captures_iter(&text) {
            let path = format!("{root}{}", &found[2]);
            if let Some((parent, _)) = path.rsplit_once('/') {
                fs::create_dir_all(parent).expect("a directory");
            }
        }
        paths.replace_all(&text, format!("${{1}}{root}${{2}}")).into_owned()
    }

    fn ask(&mut self, command: &str, redirected: &str) -> Result<(i32, String), String> {
        let script = self.dir.path().join("command");
        fs::write(&script, self.local(command) + "\n").expect("written");
        let line = format!(". {} {redirected}\nprintf '{END}%d\\n' $?\n", script.display());
        self.input.write_all(line.as_bytes()).map_err(|_| "the shell has ended".to_owned())?;
        let mut printed = String::new();
        while let Ok(line) = self.output.recv_timeout(PATIENCE) {
            if let Some((rest, code)) = line.split_once(END) {
                return Ok((code.trim().parse().expect("a number"), printed + rest));
            }
            printed += &line;
        }
        Err(printed)
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let group = i32::try_from(self.shell.id()).expect("a process id");
        let _ = killpg(Pid::from_raw(group), Signal::SIGKILL);
        let _ = self.shell.wait();
    }
}

/// A port that nobody listens on.
fn free_port() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    listener.local_addr().expect("bound").port()
}

fn gather(source: impl Read + Send + 'static) -> Receiver<String> {
    let (lines, output) = mpsc::channel();
    thread::spawn(move || {
        let mut reader = BufReader::new(source);
        let mut line = Vec::new();
        while matches!(reader.read_until(b'\n', &mut line), Ok(1..)) {
            if lines.send(String::from_utf8_lossy(&line).into_owned()).is_err() {
                return;
            }
            line.clear();
        }
    });
    output
}
