//! Files that must still be there after a power cut: created private, synced, renamed into place.

use std::fs::{DirBuilder, File, OpenOptions, Permissions};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt};
use std::path::Path;

/// Creates a directory that only its owner can enter, and those above it that are missing; their names are
/// durable when this returns. Fine where it already exists.
pub(super) fn create_dir(path: &Path) -> io::Result<()> {
    let parent = match path.parent() {
        Some(parent) if parent.as_os_str().is_empty() => Path::new("."),
        Some(parent) => parent,
        None => return Ok(()),
    };
    if !parent.try_exists()? {
        create_dir(parent)?;
    }
    match DirBuilder::new().mode(0o700).create(path) {
        Ok(()) => sync_dir(parent),
        Err(e) if e.kind() == io::ErrorKind::AlreadyExists && path.is_dir() => {
            // Whoever made it may have died before this. Or it is an administrator's, in a place that we may
            // not even read: then its name is not ours to sync, and no reason to fail.
            let _ = sync_dir(parent);
            Ok(())
        }
        Err(e) => Err(e),
    }
}

/// Lets only the owner enter a directory that was there before the store, unless it has other things in it:
/// then who may enter is not ours to say, nor in one that belongs to somebody else.
pub(super) fn make_private(dir: &Path, ours: &[&str]) -> io::Result<()> {
    let is_hidden_or_ours = |name: &String| name.starts_with('.') || ours.contains(&name.as_str());
    if !names(dir)?.iter().all(is_hidden_or_ours) {
        return Ok(());
    }
    match std::fs::set_permissions(dir, Permissions::from_mode(0o700)) {
        Err(e) if e.kind() == io::ErrorKind::PermissionDenied => Ok(()),
        done => done,
    }
}

/// Creates an empty file that only its owner can read, in place of one that may be there.
pub(super) fn create_file(path: &Path) -> io::Result<File> {
    OpenOptions::new().read(true).write(true).create(true).truncate(true).mode(0o600).open(path)
}

/// Makes the names in a directory durable: without it a synced file can be gone after a power cut.
pub(super) fn sync_dir(path: &Path) -> io::Result<()> {
    File::open(path)?.sync_all()
}

/// Syncs the files in a directory, and their names. Whoever copied them there may not have.
pub(super) fn sync_files_in(dir: &Path) -> io::Result<()> {
    for entry in std::fs::read_dir(dir)? {
        let path = entry?.path();
        if std::fs::metadata(&path).is_ok_and(|file| file.is_file()) {
            match File::open(&path).and_then(|file| file.sync_all()) {
                // None of ours: we read all of those.
                Err(e) if e.kind() == io::ErrorKind::PermissionDenied => {}
                other => other?,
            }
        }
    }
    sync_dir(dir)
}

/// Puts a file of these bytes at `dir/name`, whole or not at all, also across a power cut.
pub(super) fn replace(dir: &Path, name: &str, bytes: &[u8]) -> io::Result<()> {
    let temporary = dir.join(format!("{name}.new"));
    let mut file = create_file(&temporary)?;
    file.write_all(bytes)?;
    file.sync_all()?;
    std::fs::rename(&temporary, dir.join(name))?;
    sync_dir(dir)
}

/// Removes a file; fine where none is.
pub(super) fn remove_file(path: &Path) -> io::Result<()> {
    absent_is_fine(std::fs::remove_file(path))
}

/// Removes a directory and what is in it; fine where none is.
pub(super) fn remove_dir(path: &Path) -> io::Result<()> {
    absent_is_fine(std::fs::remove_dir_all(path))
}

fn absent_is_fine(result: io::Result<()>) -> io::Result<()> {
    match result {
        Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(()),
        other => other,
    }
}

/// The names in a directory, sorted; none where the directory is absent.
pub(super) fn names(dir: &Path) -> io::Result<Vec<String>> {
    let entries = match std::fs::read_dir(dir) {
        Ok(entries) => entries,
        Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(e) => return Err(e),
    };
    let mut names = Vec::new();
    for entry in entries {
        // A name that is not text is none of ours.
        if let Ok(name) = entry?.file_name().into_string() {
            names.push(name);
        }
    }
    names.sort_unstable();
    Ok(names)
}
