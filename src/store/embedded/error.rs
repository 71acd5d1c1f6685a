//! Why a store did not open.

use std::io;
use std::path::{Path, PathBuf};

use crate::store;

/// Why a store could not be created, opened or closed. In every case its files are as they were, but for
/// leftovers that no longer mean anything.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// Another process has the store open.
    #[error("the store is in use by another process ({holder})")]
    Held {
        /// What that process wrote of itself into the lock file.
        holder: String,
    },
    /// There is no store in the directory.
    #[error("there is no store in {}", .0.display())]
    Missing(PathBuf),
    /// A store was begun here and never finished: it holds nothing and can be created again.
    #[error("the creation of the store in {} was interrupted: create it again", .0.display())]
    Unfinished(PathBuf),
    /// There is a store already, where one was to be created.
    #[error("there is a store in {} already", .0.display())]
    Exists(PathBuf),
    /// The store was written by a later release.
    #[error("{} has format {found}; this release knows formats up to {known}", .file.display())]
    Newer {
        /// The file that says so.
        file: PathBuf,
        /// Its format.
        found: u32,
        /// The newest format that this release knows.
        known: u32,
    },
    /// A file that holds acknowledged writes is damaged or gone; the text names it. Nothing was touched.
    #[error("the store is damaged: {0}")]
    Damaged(String),
    /// The file system refused.
    #[error("cannot {doing}: {source}")]
    Io {
        /// What was being done, and to which file.
        doing: String,
        /// What the system said.
        source: io::Error,
    },
}

/// Why a store that is open was not looked after: nothing of it is lost by that.
#[derive(Debug, thiserror::Error)]
pub enum UpkeepError {
    /// The store is being closed.
    #[error("the store is closing")]
    Stopped,
    /// The file system refused.
    #[error(transparent)]
    Io(#[from] io::Error),
    /// The index could not be read, or the store takes no writes.
    #[error(transparent)]
    Store(#[from] store::Error),
    /// The store's own files are damaged, or cannot be read.
    #[error(transparent)]
    Files(#[from] OpenError),
    /// What was written does not read back.
    #[error("it does not read back as written: {0}")]
    Verify(OpenError),
    /// The new index could not be built.
    #[error("no new index could be built: {0}")]
    Index(String),
}

/// Names the file and the deed that an [`io::Error`] keeps to itself.
pub(super) trait Doing<T> {
    /// Turns the error into "cannot `deed` `path`: …".
    fn doing(self, deed: &str, path: &Path) -> Result<T, OpenError>;
}

impl<T> Doing<T> for io::Result<T> {
    fn doing(self, deed: &str, path: &Path) -> Result<T, OpenError> {
        self.map_err(|source| OpenError::Io { doing: format!("{deed} {}", path.display()), source })
    }
}

/// Damage in `path`, in words.
pub(super) fn damaged(path: &Path, what: impl std::fmt::Display) -> OpenError {
    OpenError::Damaged(format!("{}: {what}", path.display()))
}
