//! The system calls of a server, watched and bent by a preloaded library (`interpose.c`).

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Arc, OnceLock};

use tempfile::TempDir;

use super::{Server, Store};

/// A server whose system calls are logged, and the switches that bend them.
pub(crate) struct Interposed {
    /// The server.
    pub(crate) server: Server,
    /// The switches and the log.
    pub(crate) control: Control,
}

/// The directory through which the library is told what to do.
pub(crate) struct Control(TempDir);

/// One line of the log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Event {
    /// `write`, `truncate`, `fdatasync-begin`, `fdatasync-end`, `fdatasync-failed`, `send`, …
    pub(crate) call: String,
    /// The file, or `socket:[…]`.
    pub(crate) path: String,
    /// Offset and length of a write; length and first bytes of what was sent.
    pub(crate) rest: Vec<String>,
}

/// Serves `store` under the library.
#[track_caller]
pub(crate) fn serve(store: &Arc<Store>) -> Interposed {
    let (command, control) = prepare(store.command(["serve"]));
    Interposed { server: Server::spawn(store, command), control }
}

/// The command with its system calls logged.
#[track_caller]
pub(crate) fn prepare(mut command: Command) -> (Command, Control) {
    let control = Control(tempfile::tempdir().expect("a temporary directory"));
    command
        .env("LD_PRELOAD", library())
        .env("INTERPOSE_DIR", control.0.path())
        .env("INTERPOSE_MATCH", ".journal");
    (command, control)
}

impl Control {
    /// Turns a switch on; `content` is an errno where the switch takes one.
    pub(crate) fn turn_on(&self, switch: &str, content: &str) {
        let hidden = self.0.path().join(format!("{switch}.new"));
        std::fs::write(&hidden, content).expect("written");
        std::fs::rename(hidden, self.0.path().join(switch)).expect("renamed");
    }

    /// Turns a switch off.
    pub(crate) fn turn_off(&self, switch: &str) {
        std::fs::remove_file(self.0.path().join(switch)).expect("it was on");
    }

    /// Everything logged so far.
    pub(crate) fn events(&self) -> Vec<Event> {
        let log = std::fs::read_to_string(self.0.path().join("log")).unwrap_or_default();
        let parse = |line: &str| {
            let mut words = line.split(' ').map(str::to_owned);
            let (call, path) = (words.next()?, words.next()?);
            Some(Event { call, path, rest: words.collect() })
        };
        log.lines().filter_map(parse).collect()
    }
}

impl Event {
    /// Whether this is `call` on a journal; what is only being prepared to become one has another name.
    pub(crate) fn is_on_journal(&self, call: &str) -> bool {
        self.call == call && self.path.ends_with(".journal")
    }

    /// Where a write ended.
    pub(crate) fn end(&self) -> u64 {
        let number = |index: usize| self.rest[index].parse::<u64>().expect("a number");
        number(0) + number(1)
    }
}

/// The library, built by `cc`: without one these tests would prove nothing, so they fail.
#[track_caller]
fn library() -> &'static Path {
    static LIBRARY: OnceLock<PathBuf> = OnceLock::new();
    LIBRARY.get_or_init(|| {
        let directory = Path::new(env!("CARGO_TARGET_TMPDIR"));
        let (path, fresh) =
            (directory.join("interpose.so"), directory.join(format!("interpose-{}", std::process::id())));
        let source = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/it/support/interpose.c");
        let compiled = Command::new("cc")
            .args(["-shared", "-fPIC", "-O1", "-o"])
            .arg(&fresh)
            .arg(source)
            .arg("-ldl")
            .status()
            .expect("a C compiler named `cc` is needed to watch system calls");
        assert!(compiled.success(), "cc does not compile {source}");
        std::fs::rename(fresh, &path).expect("renamed");
        path
    })
}
