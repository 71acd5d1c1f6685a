//! The library between a coffer process and its files (`faults.c`): built when it is needed, and told what to do.

use std::fs::{File, OpenOptions};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

use tempfile::TempDir;

use crate::log::Log;

/// The words of the control file, in the order of `faults.c`.
#[derive(Clone, Copy)]
enum Word {
    Armed,
    Count,
    First,
    Last,
    Fault,
    Classes,
    Hits,
    SyncDelay,
    SkipSync,
    Records,
    Held,
}

/// What a call does instead of its work.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fault {
    /// Fails with EIO.
    Io = 1,
    /// Fails with ENOSPC.
    NoSpace = 2,
    /// Writes half; what writes nothing fails with EIO.
    Short = 3,
    /// A write is said to be done, and is not: no disk that a store could live on, so only to see whether it is noticed.
    Lie = 4,
}

/// Kinds of calls, to be added.
pub(crate) mod class {
    pub(crate) const WRITES: u64 = 1;
    pub(crate) const SYNCS: u64 = 2;
    pub(crate) const OPENS: u64 = 4;
    pub(crate) const NAMES: u64 = 8;
    pub(crate) const TRUNCATIONS: u64 = 16;
    pub(crate) const READS: u64 = 32;
    /// All that change something.
    pub(crate) const CHANGES: u64 = WRITES | SYNCS | OPENS | NAMES | TRUNCATIONS;
}

/// The way to the library of one process after the other.
pub(crate) struct Control {
    dir: TempDir,
    file: File,
    target: PathBuf,
}

impl Control {
    /// For processes that work on the files under `target`.
    pub(crate) fn new(target: &Path) -> Control {
        let dir = tempfile::tempdir().expect("a temporary directory");
        let path = dir.path().join("control");
        let file = OpenOptions::new().read(true).write(true).create_new(true).open(path).expect("created");
        file.set_len(4096).expect("its length is set");
        Control { dir, file, target: target.canonicalize().expect("it exists") }
    }

    /// Has `command` run under the library, without a log.
    pub(crate) fn attach(&self, command: &mut Command) {
        command
            .env("LD_PRELOAD", library())
            .env("TORTURE_DIR", &self.target)
            .env("TORTURE_CONTROL", self.dir.path().join("control"));
    }

    /// Has `command` run under the library, with a log that begins empty.
    pub(crate) fn attach_logged(&self, command: &mut Command) {
        let _ = std::fs::remove_file(self.log_path());
        self.set(Word::Records, 0);
        self.set(Word::Held, 0);
        self.attach_beside(command);
    }

    /// Has `command` run under the library beside one that is logged, in the same log.
    pub(crate) fn attach_beside(&self, command: &mut Command) {
        self.attach(command);
        command.env("TORTURE_LOG", self.log_path());
    }

    /// What was logged; the process must have ended.
    pub(crate) fn log(&self) -> Log {
        Log::read(&self.log_path())
    }

    fn log_path(&self) -> PathBuf {
        self.dir.path().join("log")
    }

    /// From now on counts the calls of these classes, and has those from number `first` to `last` fail.
    pub(crate) fn arm(&self, fault: Fault, classes: u64, first: u64, last: u64) {
        self.disarm();
        self.set(Word::Count, 0);
        self.set(Word::Hits, 0);
        self.set(Word::First, first);
        self.set(Word::Last, last);
        self.set(Word::Fault, fault as u64);
        self.set(Word::Classes, classes);
        self.file.write_all_at(&[0; 2048], 2048).expect("written");
        self.set(Word::Armed, 1);
    }

    /// No call fails any more, and none is counted.
    pub(crate) fn disarm(&self) {
        self.set(Word::Armed, 0);
    }

    /// How many calls failed, and which was the last.
    pub(crate) fn hits(&self) -> (u64, String) {
        let mut text = [0; 2048];
        self.file.read_exact_at(&mut text, 2048).expect("readable");
        let end = text.iter().position(|byte| *byte == 0).unwrap_or(text.len());
        (self.get(Word::Hits), String::from_utf8_lossy(&text[..end]).into_owned())
    }

    /// How many calls were counted since [`Control::arm`].
    pub(crate) fn counted(&self) -> u64 {
        self.get(Word::Count)
    }

    /// Syncs are only logged, and take up to so many microseconds. For disks that are put together from the log.
    pub(crate) fn pretend_syncs(&self, microseconds: u64) {
        self.set(Word::SkipSync, 1);
        self.set(Word::SyncDelay, microseconds);
    }

    fn set(&self, word: Word, value: u64) {
        self.file.write_all_at(&value.to_ne_bytes(), word as u64 * 8).expect("written");
    }

    fn get(&self, word: Word) -> u64 {
        let mut bytes = [0; 8];
        self.file.read_exact_at(&mut bytes, word as u64 * 8).expect("readable");
        u64::from_ne_bytes(bytes)
    }
}

/// The library, built by `cc`: without one this program would prove nothing, so it fails.
fn library() -> &'static Path {
    static LIBRARY: OnceLock<PathBuf> = OnceLock::new();
    LIBRARY.get_or_init(|| {
        let directory = Path::new(env!("CARGO_TARGET_TMPDIR"));
        let path = directory.join("faults.so");
        let fresh = directory.join(format!("faults-{}", std::process::id()));
        let source = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/torture/faults.c");
        let compiled = Command::new("cc")
            .args(["-shared", "-fPIC", "-O1", "-Wall", "-Wextra", "-Werror", "-o"])
            .arg(&fresh)
            .arg(source)
            .arg("-pthread")
            .status()
            .expect("a C compiler named `cc` is needed to come between a process and its files");
        assert!(compiled.success(), "cc does not compile {source}");
        std::fs::rename(fresh, &path).expect("renamed");
        path
    })
}
