//! The file that a backup is written to: there under its name only when it is whole and on disk.

use std::ffi::OsString;
use std::fs::{self, File, OpenOptions, Permissions, TryLockError};
use std::io::{self, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use nix::errno::Errno;
use nix::fcntl::{AT_FDCWD, OFlag, RenameFlags, renameat2};

use crate::cli::failure::Failure;

/// A backup in the making, under a temporary name beside its own. Removed when dropped before it is placed.
pub(super) struct BackupFile {
    path: PathBuf,
    temporary: PathBuf,
    file: File,
    is_placed: bool,
}

impl BackupFile {
    /// Begins a file that will be `path`, where nothing may be. What an interrupted backup to the same path left is
    /// written over.
    pub(super) fn begin(path: &Path) -> Result<BackupFile, Failure> {
        if path.symlink_metadata().is_ok() {
            return Err(exists(path));
        }
        let name = path.file_name().ok_or_else(|| {
            Failure::Failed(format!("cannot write {}: it is no name of a file", path.display()))
        })?;
        let hidden: OsString = [".".as_ref(), name, ".partial".as_ref()].into_iter().collect();
        let temporary = path.with_file_name(hidden);
        let mut options = OpenOptions::new();
        options.write(true).create(true).truncate(false).mode(0o600);
        // In a directory that others write to, a link or a pipe of theirs may stand there.
        options.custom_flags((OFlag::O_NOFOLLOW | OFlag::O_NONBLOCK).bits());
        let in_the_way = |error: &io::Error| {
            let at = temporary.display();
            Failure::Failed(format!("cannot write {}: {at} is in the way: {error}", path.display()))
        };
        let file = match options.open(&temporary) {
            Ok(file) => file,
            Err(error) if temporary.symlink_metadata().is_ok() => return Err(in_the_way(&error)),
            Err(error) => return Err(cannot_write(path, &error)),
        };
        let found = file.metadata().map_err(|error| cannot_write(path, &error))?;
        if !found.is_file() || found.nlink() != 1 {
            return Err(in_the_way(&io::Error::other("it is no file of its own")));
        }
        // One that was left may be open to more than its owner. Where there are no modes, nothing can be done.
        let _ = file.set_permissions(Permissions::from_mode(0o600));
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                return Err(Failure::Failed(format!(
                    "another backup is being written to {}",
                    path.display()
                )));
            }
            // A file system without locks: two at once are then not noticed before the end.
            Err(TryLockError::Error(_)) => {}
        }
        let file = BackupFile { path: path.to_owned(), temporary, file, is_placed: false };
        file.file.set_len(0).map_err(|error| cannot_write(path, &error))?;
        Ok(file)
    }

    /// Adds bytes.
    pub(super) fn write(&mut self, bytes: &[u8]) -> Result<(), String> {
        self.file.write_all(bytes).map_err(|error| cannot_write(&self.path, &error).to_string())
    }

    /// Gives the file its name; on disk when this returns.
    pub(super) fn place(&mut self) -> Result<(), Failure> {
        self.file.sync_all().map_err(|error| cannot_write(&self.path, &error))?;
        match rename_to_nothing(&self.temporary, &self.path) {
            Ok(()) => {}
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => return Err(exists(&self.path)),
            Err(error) => return Err(cannot_write(&self.path, &error)),
        }
        self.is_placed = true;
        let parent = self.path.parent().filter(|parent| !parent.as_os_str().is_empty());
        File::open(parent.unwrap_or(Path::new(".")))
            .and_then(|dir| dir.sync_all())
            .map_err(|error| cannot_write(&self.path, &error))
    }

    /// Whether the file has its name.
    pub(super) fn is_placed(&self) -> bool {
        self.is_placed
    }
}

impl Drop for BackupFile {
    fn drop(&mut self) {
        if !self.is_placed {
            let _ = fs::remove_file(&self.temporary);
        }
    }
}

fn rename_to_nothing(from: &Path, to: &Path) -> io::Result<()> {
    match renameat2(AT_FDCWD, from, AT_FDCWD, to, RenameFlags::RENAME_NOREPLACE) {
        // A file system that cannot promise it.
        Err(Errno::EINVAL | Errno::ENOSYS | Errno::ENOTSUP) => {
            if to.symlink_metadata().is_ok() {
                return Err(io::ErrorKind::AlreadyExists.into());
            }
            fs::rename(from, to)
        }
        renamed => Ok(renamed?),
    }
}

fn exists(path: &Path) -> Failure {
    Failure::Failed(format!("{} is there already: a backup replaces no file", path.display()))
}

fn cannot_write(path: &Path, error: &io::Error) -> Failure {
    Failure::Failed(format!("cannot write {}: {error}", path.display()))
}
