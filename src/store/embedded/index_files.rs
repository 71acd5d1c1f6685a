//! sled's files, seen from outside: what must be looked at before sled opens them, and synced after it
//! closed them, because sled does neither.

use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use super::files;

const ASIDE: &str = "sled.damaged-";

/// Says why sled should not open what is in `dir`, which was closed with files of this checksum. sled skips
/// what does not hold in its log, and shows the older state of a page for the newer: its own checks find
/// that a file is damaged, and then lose the newest that was written instead of saying so.
pub(super) fn look(dir: &Path, crc: u32) -> Result<(), String> {
    match checksum(dir) {
        Ok(found) if found == crc => Ok(()),
        Ok(_) => Err("its files are not as they were when it was closed".into()),
        Err(error) => Err(error.to_string()),
    }
}

/// Syncs every file below `dir`, and the directories.
pub(super) fn sync(dir: &Path) -> io::Result<()> {
    for path in below(dir)? {
        File::open(path)?.sync_all()?;
    }
    Ok(())
}

/// The checksum of every file below `dir`: of its name, its length and its content.
pub(super) fn checksum(dir: &Path) -> io::Result<u32> {
    let (mut crc, mut buffer) = (0, vec![0; 1 << 20]);
    for path in below(dir)? {
        let mut file = File::open(&path)?;
        let metadata = file.metadata()?;
        let name = path.strip_prefix(dir).unwrap_or(&path);
        crc = crc32c::crc32c_append(crc, name.as_os_str().as_encoded_bytes());
        if metadata.is_dir() {
            continue;
        }
        crc = crc32c::crc32c_append(crc, &metadata.len().to_be_bytes());
        loop {
            let read = file.read(&mut buffer)?;
            if read == 0 {
                break;
            }
            crc = crc32c::crc32c_append(crc, &buffer[..read]);
        }
    }
    Ok(crc)
}

/// The files and directories below `dir`, and itself, in order. sled makes directories, and files in them.
fn below(dir: &Path) -> io::Result<Vec<PathBuf>> {
    let mut found = vec![dir.to_owned()];
    for entry in std::fs::read_dir(dir)? {
        let entry = entry?;
        found.push(entry.path());
        if entry.file_type()?.is_dir() {
            for inner in std::fs::read_dir(entry.path())? {
                found.push(inner?.path());
            }
        }
    }
    found.sort_unstable();
    Ok(found)
}

/// Leaves the index whose files are at `from`, and which is closed, at `to`.
pub(super) fn place(from: &Path, to: &Path) -> io::Result<()> {
    if from == to {
        return Ok(());
    }
    files::remove_dir(to)?;
    std::fs::rename(from, to)?;
    to.parent().map_or(Ok(()), files::sync_dir)
}

/// Removes the indexes that were set aside.
pub(super) fn remove_aside(store: &Path) -> io::Result<()> {
    for name in files::names(store)? {
        if name.starts_with(ASIDE) {
            files::remove_dir(&store.join(&name))?;
        }
    }
    Ok(())
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
