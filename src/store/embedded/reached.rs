//! The file `reached`: a witness of how far the journal had got.
//!
//! A kill leaves a journal that ends anywhere, so its end alone does not tell whether some of it was lost
//! since. This file does: it is written after every sync of the journal, and so never says more than that
//! had. It is not synced itself: it holds against whatever happens to the journal but a power cut, after
//! which it may say less.
//!
//! ```text
//!  0 16  instance
//! 16  8  the last commit, little-endian
//! 24  4  CRC-32C of bytes 0..24
//! ```

use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::path::Path;

use super::files;
use super::instance::Instance;
use crate::store::Revision;

const NAME: &str = "reached";
const LEN: usize = 28;

/// The file, open to be written.
#[derive(Debug)]
pub(super) struct Reached {
    file: File,
    instance: Instance,
}

impl Reached {
    /// Opens the file in `dir`.
    pub(super) fn open(dir: &Path, instance: Instance) -> io::Result<Reached> {
        let path = dir.join(NAME);
        let file = OpenOptions::new().write(true).create(true).truncate(false).mode(0o600).open(path)?;
        Ok(Reached { file, instance })
    }

    /// Notes that the journal has `last`.
    pub(super) fn note(&self, last: Revision) {
        let mut note = [0; LEN];
        note[..16].copy_from_slice(&self.instance.0);
        note[16..24].copy_from_slice(&last.0.to_le_bytes());
        let crc = crc32c::crc32c(&note[..24]);
        note[24..].copy_from_slice(&crc.to_le_bytes());
        // The commit is safe without its witness.
        let _ = self.file.write_all_at(&note, 0);
    }
}

/// The last commit that the journal of `instance` is known to have had; the first of all where nothing
/// says so.
pub(super) fn read(dir: &Path, instance: Instance) -> Revision {
    std::fs::read(dir.join(NAME)).ok().and_then(|note| parse(&note, instance)).unwrap_or(Revision(0))
}

fn parse(note: &[u8], instance: Instance) -> Option<Revision> {
    let note: &[u8; LEN] = note.try_into().ok()?;
    let (said, crc) = note.split_at(24);
    let holds = crc == crc32c::crc32c(said).to_le_bytes() && said[..16] == instance.0;
    holds.then(|| Revision(u64::from_le_bytes(said[16..].try_into().expect("eight bytes"))))
}

/// Removes it, from a store that is created anew.
pub(super) fn remove(dir: &Path) -> io::Result<()> {
    files::remove_file(&dir.join(NAME))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_reads_as_written_and_only_for_its_own_store() {
        let dir = tempfile::tempdir().unwrap();
        let instance = Instance([7; 16]);
        assert_eq!(read(dir.path(), instance), Revision(0));
        let reached = Reached::open(dir.path(), instance).unwrap();
        reached.note(Revision(3));
        reached.note(Revision(1207));
        assert_eq!(read(dir.path(), instance), Revision(1207));
        assert_eq!(read(dir.path(), Instance([8; 16])), Revision(0));
    }

    #[test]
    fn a_changed_byte_makes_it_say_nothing() {
        let dir = tempfile::tempdir().unwrap();
        let instance = Instance([7; 16]);
        Reached::open(dir.path(), instance).unwrap().note(Revision(1207));
        let path = dir.path().join(NAME);
        let note = std::fs::read(&path).unwrap();
        for at in 0..note.len() {
            let mut changed = note.clone();
            changed[at] ^= 1;
            assert_eq!(parse(&changed, instance), None, "byte {at}");
            assert_eq!(parse(&note[..at], instance), None, "cut at {at}");
        }
    }
}
