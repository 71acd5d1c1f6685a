//! Where the socket is, under paths of any length.

use std::fs::File;
use std::io;
use std::os::fd::AsRawFd;
use std::path::{Path, PathBuf};

const NAME: &str = "control.sock";

/// The socket of a store's directory, under a path that fits into a socket address.
///
/// A Unix socket's address holds 107 bytes, a directory's path may have more; through the directory's open
/// file descriptor every path is short.
pub(super) struct SocketPath {
    /// Keeps the descriptor in `path` valid.
    _dir: File,
    path: PathBuf,
}

impl SocketPath {
    pub(super) fn in_dir(dir: &Path) -> io::Result<SocketPath> {
        let dir = File::open(dir)?;
        let path = PathBuf::from(format!("/proc/self/fd/{}/{NAME}", dir.as_raw_fd()));
        Ok(SocketPath { _dir: dir, path })
    }

    pub(super) fn as_path(&self) -> &Path {
        &self.path
    }
}
