//! The real binary, run to its end.

use std::io::Read;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use serde_json::Value;

/// How long anything may take that is not measured.
pub(super) const PATIENCE: Duration = Duration::from_secs(30);

/// The binary, with nothing of this process's `COFFER_…` environment.
pub(crate) fn command() -> Command {
    dressed(Command::new(env!("CARGO_BIN_EXE_coffer")))
}

/// The same with no signal ignored, whatever this process was started with: for what a shell starts in the background
/// SIGINT is, and SIGHUP by `nohup`. It has the process's id, as `env` becomes it.
pub(crate) fn hearing_command() -> Command {
    let mut command = Command::new("env");
    command.args(["--default-signal", env!("CARGO_BIN_EXE_coffer")]);
    dressed(command)
}

fn dressed(mut command: Command) -> Command {
    for (name, _) in std::env::vars_os() {
        if name.to_string_lossy().starts_with("COFFER_") {
            command.env_remove(name);
        }
    }
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

/// Runs a command to its end.
#[track_caller]
pub(crate) fn finish(command: &mut Command) -> Finished {
    let mut child = command.spawn().expect("the binary starts");
    let stdout = child.stdout.take().map(drain);
    let stderr = drain(child.stderr.take().expect("piped"));
    let status = wait(&mut child).unwrap_or_else(|| panic!("still running: {command:?}"));
    Finished {
        code: status.code(),
        stdout: stdout.map_or_else(String::new, |read| read.join().expect("read to its end")),
        stderr: stderr.join().expect("read to its end"),
    }
}

/// What a command that has ended left behind.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Finished {
    pub(crate) code: Option<i32>,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl Finished {
    /// The output of a command that succeeded.
    #[track_caller]
    pub(crate) fn ok(&self) -> String {
        assert_eq!(self.code, Some(0), "{self:?}");
        self.stdout.clone()
    }

    /// The JSON of a command that succeeded.
    #[track_caller]
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.ok()).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }

    /// The one line on standard error of a command that failed.
    #[track_caller]
    pub(crate) fn failed(&self) -> String {
        assert_eq!(self.code, Some(1), "{self:?}");
        assert_eq!(self.stdout, "", "a failure prints nothing to stdout");
        let lines: Vec<&str> = self.stderr.lines().collect();
        assert_eq!(lines.len(), 1, "one clear line: {self:?}");
        lines[0].to_owned()
    }

    /// What a usage error says.
    #[track_caller]
    pub(crate) fn misused(&self) -> String {
        assert_eq!(self.code, Some(2), "{self:?}");
        assert_eq!(self.stdout, "", "a usage error prints nothing to stdout");
        assert!(!self.stderr.is_empty());
        self.stderr.clone()
    }
}

/// Waits for a process to end; kills one that takes too long.
pub(super) fn wait(child: &mut Child) -> Option<ExitStatus> {
    let start = Instant::now();
    while start.elapsed() < PATIENCE {
        if let Some(status) = child.try_wait().expect("waited for") {
            return Some(status);
        }
        thread::sleep(Duration::from_millis(2));
    }
    let _ = child.kill();
    let _ = child.wait();
    None
}

fn drain(mut source: impl Read + Send + 'static) -> thread::JoinHandle<String> {
    thread::spawn(move || {
        let mut bytes = Vec::new();
        let _ = source.read_to_end(&mut bytes);
        String::from_utf8_lossy(&bytes).into_owned()
    })
}
