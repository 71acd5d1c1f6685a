//! One process at a time: a lock that the kernel drops with the process, and a line saying who holds it.

use std::fs::{File, OpenOptions, TryLockError};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use super::error::{Doing, OpenError};

pub(super) const NAME: &str = "lock";

/// The lock on a store directory, held until dropped.
#[derive(Debug)]
pub(super) struct Lock {
    file: File,
    /// What stood in the file before.
    before: Vec<u8>,
}

impl Lock {
    /// Takes the lock, or says who has it. Never waits.
    pub(super) fn take(dir: &Path) -> Result<Lock, OpenError> {
        let path = dir.join(NAME);
        // Not truncated: the line in it belongs to the holder until the lock is ours.
        let file = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .mode(0o600)
            .open(&path)
            .doing("open", &path)?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return Err(OpenError::Held { holder: line(&path) }),
            Err(TryLockError::Error(e)) => return Err(e).doing("lock", &path),
        }
        let before = std::fs::read(&path).doing("read", &path)?;
        let lock = Lock { file, before };
        lock.set_holder(&format!("pid {}", std::process::id())).doing("write", &path)?;
        Ok(lock)
    }

    /// Replaces the line that others are shown.
    pub(super) fn set_holder(&self, line: &str) -> io::Result<()> {
        let line = line.replace(['\n', '\r'], " ");
        self.write(format!("{line}\n").as_bytes())
    }

    /// Gives the lock back with its file as it was found: a store that is refused is not touched.
    pub(super) fn give_back(self) {
        if let Err(e) = self.write(&self.before) {
            tracing::debug!("the lock file keeps the line of this process: {e}");
        }
    }

    fn write(&self, bytes: &[u8]) -> io::Result<()> {
        self.file.set_len(0)?;
        let mut file = &self.file;
        io::Seek::rewind(&mut file)?;
        file.write_all(bytes)
    }
}

/// Who holds the store in `dir`; `None` where nobody does. Nothing is changed.
pub(super) fn holder(dir: &Path) -> Option<String> {
    let path = dir.join(NAME);
    // Shared, and given back at once: it only tells whether somebody has it for good.
    match File::open(&path).ok()?.try_lock_shared() {
        Err(TryLockError::WouldBlock) => Some(line(&path)),
        Ok(()) | Err(TryLockError::Error(_)) => None,
    }
}

/// What the holder wrote. It may be writing just now, so nothing is an answer too.
fn line(path: &Path) -> String {
    let text = std::fs::read_to_string(path).unwrap_or_default();
    match text.lines().next().map(str::trim) {
        Some(line) if !line.is_empty() => line.to_owned(),
        _ => "it did not say which".to_owned(),
    }
}
