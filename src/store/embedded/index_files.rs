//! sled's files, seen from outside: what must be looked at before sled opens them, and synced after it
//! closed them, because sled does neither.

use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};

use super::files;

const ASIDE: &str = "sled.damaged-";

/// Says why sled should not open what is in `dir`, and removes leftovers that would make it fail.
pub(super) fn look(dir: &Path, db_bytes: Option<u64>) -> Result<(), String> {
    let io = |e: io::Error| e.to_string();
    for name in files::names(dir).map_err(io)? {
        // Half a snapshot from a start that was killed. sled would read it and fail, each time.
        if name.starts_with("snap.") && name.ends_with(".generating") {
            files::remove_file(&dir.join(name)).map_err(io)?;
        }
    }
    if length(&dir.join("conf")).map_err(io)? == 0 {
        return Err("its file conf is missing or empty".into());
    }
    // sled opens a shorter file without a word, and without what was behind.
    match length(&dir.join("db")).map_err(io)? {
        0 => Err("its file db is missing or empty".into()),
        found if db_bytes.is_some_and(|closed| found < closed) => Err("its file db is cut short".into()),
        _ => Ok(()),
    }
}

/// Syncs every file below `dir`, and the directories. Returns the length of the main one.
pub(super) fn sync(dir: &Path) -> io::Result<u64> {
    for entry in std::fs::read_dir(dir)? {
        let entry = entry?;
        if entry.file_type()?.is_dir() {
            for blob in std::fs::read_dir(entry.path())? {
                File::open(blob?.path())?.sync_all()?;
            }
            files::sync_dir(&entry.path())?;
        } else {
            File::open(entry.path())?.sync_all()?;
        }
    }
    files::sync_dir(dir)?;
    length(&dir.join("db"))
}

/// Moves an index that is not what it should be out of the way, for whoever wants to know why. One is
/// kept: the one before it is deleted.
pub(super) fn set_aside(store: &Path, index: &Path) -> io::Result<Option<PathBuf>> {
    if !index.try_exists()? {
        return Ok(None);
    }
    let mut number = 0;
    for name in files::names(store)? {
        if let Some(old) = name.strip_prefix(ASIDE) {
            number = number.max(old.parse().unwrap_or(0));
            files::remove_dir(&store.join(&name))?;
        }
    }
    let aside = store.join(format!("{ASIDE}{}", number + 1));
    std::fs::rename(index, &aside)?;
    files::sync_dir(store)?;
    Ok(Some(aside))
}

fn length(path: &Path) -> io::Result<u64> {
    match std::fs::metadata(path) {
        Ok(metadata) => Ok(metadata.len()),
        Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(0),
        Err(e) => Err(e),
    }
}
