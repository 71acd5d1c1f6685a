//! Free disk: a write is refused while there is still room to delete, not when nothing works any more.

use std::io;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use super::Embedded;
use super::compaction::bytes_in;

/// Space that only changes which free space may use.
const RESERVE_BYTES: u64 = 64 << 20;
/// The same as a share of the file system, for large ones.
const RESERVE_PERCENT: u64 = 5;
/// How old an answer of the system may be.
const FRESH: Duration = Duration::from_millis(250);

/// Watches the file system that a directory is on.
#[derive(Debug)]
pub(super) struct Disk {
    dir: PathBuf,
    asked: Option<Instant>,
    low: bool,
}

impl Disk {
    /// Watches the file system of `dir`.
    pub(super) fn new(dir: PathBuf) -> Disk {
        Disk { dir, asked: None, low: false }
    }

    /// Whether what is free is less than the reserve.
    pub(super) fn is_low(&mut self) -> bool {
        if self.asked.is_none_or(|asked| asked.elapsed() > FRESH) {
            self.low = self.ask();
            self.asked = Some(Instant::now());
        }
        self.low
    }

    fn ask(&self) -> bool {
        match nix::sys::statvfs::statvfs(&self.dir) {
            Ok(stat) => {
                let unit = stat.fragment_size();
                is_low(stat.blocks_available() * unit, stat.blocks() * unit)
            }
            // Not knowing is no reason to refuse: a disk that is really full will say so.
            Err(_) => false,
        }
    }
}

/// What a store takes of its disk.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Space {
    /// Bytes of its files.
    pub used: u64,
    /// Bytes of the file system that are free for it.
    pub free: u64,
    /// Bytes that must be free for a change to be taken.
    pub reserve: u64,
}

impl Embedded {
    /// What the store takes of its disk. Looks at every file that it has.
    ///
    /// # Errors
    /// What the file system says.
    pub fn space(&self) -> io::Result<Space> {
        let stat = nix::sys::statvfs::statvfs(self.dir())?;
        let unit = stat.fragment_size();
        Ok(Space {
            used: bytes_in(self.dir())?,
            free: stat.blocks_available() * unit,
            reserve: reserve(stat.blocks() * unit),
        })
    }
}

fn is_low(free: u64, size: u64) -> bool {
    free < reserve(size)
}

fn reserve(size: u64) -> u64 {
    RESERVE_BYTES.max(size / 100 * RESERVE_PERCENT)
}

#[cfg(test)]
mod tests {
    use super::is_low;

    #[test]
    fn the_reserve_is_64_mib_or_five_percent() {
        assert!(is_low(63 << 20, 1 << 30));
        assert!(!is_low(65 << 20, 1 << 30));
        assert!(is_low(4 << 30, 100 << 30));
        assert!(!is_low(6 << 30, 100 << 30));
    }
}
