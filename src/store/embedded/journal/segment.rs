//! One file of the journal: a header, then frames, then zeros that were written and synced beforehand.
//!
//! ```text
//!  0  8  "COFFERJ\n"
//!  8  4  format
//! 12 16  instance
//! 28  8  mark of its frames
//! 36  4  seed of their checksums
//! 40  8  length of the file
//! 48  4  CRC-32C of bytes 0..48
//! ```
//! The rest of the first 4096 bytes is zero. Frames follow.
//!
//! The file has its full length, in written blocks, before its first frame: syncing a frame then moves
//! its bytes and nothing else, where a growing file would make the file system commit its metadata too.

use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use super::frame::{SECTOR, Seal};
use crate::store::Revision;
use crate::store::embedded::error::{Doing, OpenError, damaged};
use crate::store::embedded::files;
use crate::store::embedded::instance::{Instance, random};

/// Where the first frame begins: on a page of its own, so that frames never dirty the header's.
pub(super) const START: u64 = 4096;

const MAGIC: &[u8; 8] = b"COFFERJ\n";
const FORMAT: u32 = 1;
const HEADER: usize = 52;
const ENDING: &str = ".journal";
const SPARE: &str = "spare-";

/// The journal's directory, kept open: where clients hold every file that the process may open, a segment
/// can still be placed.
#[derive(Debug)]
pub(super) struct Directory {
    pub(super) path: PathBuf,
    handle: File,
}

impl Directory {
    pub(super) fn open(path: &Path) -> io::Result<Directory> {
        Ok(Directory { path: path.to_owned(), handle: File::open(path)? })
    }
}

/// An open segment.
#[derive(Debug)]
pub(super) struct Segment {
    pub(super) file: File,
    pub(super) path: PathBuf,
    pub(super) seal: Seal,
    pub(super) len: u64,
}

impl Segment {
    /// Makes a spare of `len` bytes at `path`; durable when this returns.
    pub(super) fn prepare(path: &Path, instance: Instance, len: u64) -> io::Result<Segment> {
        let seal = Seal { mark: random()?, seed: u32::from_le_bytes(random()?) };
        let len = len.next_multiple_of(SECTOR as u64);
        let mut file = files::create_file(path)?;
        write_zeros(&mut file, len)?;
        file.write_all_at(&header(instance, seal, len), 0)?;
        file.sync_all()?;
        Ok(Segment { file, path: path.to_owned(), seal, len })
    }

    /// Makes a spare the segment that begins with commit `first`; durable when this returns.
    pub(super) fn place(&mut self, dir: &Directory, first: Revision) -> io::Result<()> {
        let path = dir.path.join(format!("{:020}{ENDING}", first.0));
        std::fs::rename(&self.path, &path)?;
        dir.handle.sync_all()?;
        self.path = path;
        Ok(())
    }

    /// Opens a segment of this store.
    pub(super) fn open(path: &Path, instance: Instance) -> Result<Segment, OpenError> {
        let file = OpenOptions::new().read(true).write(true).open(path).doing("open", path)?;
        let len = file.metadata().doing("read", path)?.len();
        let mut bytes = [0; HEADER];
        if len < START {
            return Err(damaged(path, "it is shorter than its header"));
        }
        file.read_exact_at(&mut bytes, 0).doing("read", path)?;
        let seal = parse_header(&bytes, instance, path)?;
        Ok(Segment { file, path: path.to_owned(), seal, len })
    }

    /// Whether `len` bytes fit at `offset`.
    pub(super) fn has_room(&self, offset: u64, len: u64) -> bool {
        offset.checked_add(len).is_some_and(|end| end <= self.len)
    }
}

fn header(instance: Instance, seal: Seal, len: u64) -> [u8; HEADER] {
    let mut bytes = [0; HEADER];
    bytes[0..8].copy_from_slice(MAGIC);
    bytes[8..12].copy_from_slice(&FORMAT.to_le_bytes());
    bytes[12..28].copy_from_slice(&instance.0);
    bytes[28..36].copy_from_slice(&seal.mark);
    bytes[36..40].copy_from_slice(&seal.seed.to_le_bytes());
    bytes[40..48].copy_from_slice(&len.to_le_bytes());
    let crc = crc32c::crc32c(&bytes[..48]);
    bytes[48..52].copy_from_slice(&crc.to_le_bytes());
    bytes
}

fn parse_header(bytes: &[u8; HEADER], instance: Instance, path: &Path) -> Result<Seal, OpenError> {
    if bytes[0..8] != *MAGIC {
        return Err(damaged(path, "it does not begin like a journal"));
    }
    let found = u32::from_le_bytes(bytes[8..12].try_into().expect("four bytes"));
    let crc = u32::from_le_bytes(bytes[48..52].try_into().expect("four bytes"));
    if crc != crc32c::crc32c(&bytes[..48]) {
        return Err(damaged(path, "the checksum of its header does not hold"));
    }
    if found > FORMAT {
        return Err(OpenError::Newer { file: path.to_owned(), found, known: FORMAT });
    }
    if bytes[12..28] != instance.0 {
        return Err(damaged(path, "it belongs to another store"));
    }
    Ok(Seal {
        mark: bytes[28..36].try_into().expect("eight bytes"),
        seed: u32::from_le_bytes(bytes[36..40].try_into().expect("four bytes")),
    })
}

fn write_zeros(file: &mut File, len: u64) -> io::Result<()> {
    // In pieces, each synced: one sync of everything would make a commit's own wait behind it.
    let zeros = vec![0; 1 << 20];
    let mut left = len;
    while left > 0 {
        let piece = left.min(zeros.len() as u64);
        file.write_all(&zeros[..piece as usize])?;
        file.sync_data()?;
        left -= piece;
    }
    Ok(())
}

/// The segments in a directory and the commits that they begin with, in order.
pub(super) fn list(dir: &Path) -> io::Result<Vec<(Revision, PathBuf)>> {
    let mut segments = Vec::new();
    for name in files::names(dir)? {
        let first = name.strip_suffix(ENDING).filter(|digits| digits.len() == 20);
        // Commits begin with 1.
        if let Some(first) = first.and_then(|digits| digits.parse().ok()).filter(|first| *first > 0) {
            segments.push((Revision(first), dir.join(name)));
        }
    }
    segments.sort();
    Ok(segments)
}

/// The path of a spare.
pub(super) fn spare(dir: &Path, number: u64) -> PathBuf {
    dir.join(format!("{SPARE}{number}"))
}

/// Removes the spares of an earlier process.
pub(super) fn remove_spares(dir: &Path) -> io::Result<()> {
    for name in files::names(dir)? {
        if name.starts_with(SPARE) {
            files::remove_file(&dir.join(name))?;
        }
    }
    Ok(())
}
