//! Free disk: a write is refused while there is still room to delete, not when nothing works any more.

use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};
use std::{fs, io};

use crate::store::embedded::Embedded;

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

    /// Whether what is free is less than the reserve. That it is, and that it is no longer, is logged once.
    pub(super) fn is_low(&mut self) -> bool {
        if self.asked.is_none_or(|asked| asked.elapsed() > FRESH) {
            let is_low = self.ask();
            let was_low = std::mem::replace(&mut self.low, is_low);
            self.asked = Some(Instant::now());
            match (was_low, is_low) {
                (false, true) => {
                    tracing::warn!("too little of the disk is free: only changes that free space are taken");
                }
                (true, false) => tracing::info!("enough of the disk is free again: all changes are taken"),
                _ => {}
            }
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
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct DiskUse {
    /// The bytes of its files.
    pub used: u64,
    /// The bytes that are free for it.
    pub free: u64,
    /// The bytes that must be free for more than deletions.
    pub reserve: u64,
    /// Whether so few are free that only deletions are taken.
    pub is_low: bool,
}

impl Embedded {
    /// How much of the disk the store's files take, and how much is free. Looks at each file.
    ///
    /// # Errors
    /// What the file system says.
    pub fn disk_use(&self) -> io::Result<DiskUse> {
        Embedded::disk_use_in(&self.shared.dir)
    }

    /// The same of the store in `dir`, whether it is open or not.
    ///
    /// # Errors
    /// What the file system says.
    pub fn disk_use_in(dir: &Path) -> io::Result<DiskUse> {
        used(dir)
    }
}

/// What lies under `dir`. Files and directories that go meanwhile take nothing.
fn used(dir: &Path) -> io::Result<DiskUse> {
    let (mut dirs, mut used) = (vec![dir.to_path_buf()], 0);
    while let Some(each) = dirs.pop() {
        let entries = match fs::read_dir(&each) {
            Err(error) if error.kind() == io::ErrorKind::NotFound && each != dir => continue,
            entries => entries?,
        };
        for entry in entries.flatten() {
            match entry.metadata() {
                Ok(meta) if meta.is_dir() => dirs.push(entry.path()),
                // What it takes, not how long it is: a journal is longer than what is in it.
                Ok(meta) => used += meta.blocks() * 512,
                Err(_) => {}
            }
        }
    }
    let stat = nix::sys::statvfs::statvfs(dir)?;
    let unit = stat.fragment_size();
    let free = stat.blocks_available() * unit;
    let size = stat.blocks() * unit;
    Ok(DiskUse { used, free, reserve: reserve(size), is_low: is_low(free, size) })
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
