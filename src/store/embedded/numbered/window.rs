//! A part of the file of numbered records in memory, so that neighbours are read at once.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;

use super::entry::{self, Entry, HEADER};
use crate::store::Error;

/// What was read last.
#[derive(Debug)]
pub(super) struct Window {
    /// Where `bytes` begin in the file.
    from: u64,
    bytes: Vec<u8>,
    /// How much is read at once.
    size: usize,
    is_of_walk: bool,
}

/// The least that a walk reads, and the most.
const LEAST: usize = 4 << 10;
const MOST: usize = 64 << 10;

impl Window {
    /// Reads `size` bytes from where it is asked.
    pub(super) fn of(size: usize) -> Window {
        Window { from: 0, bytes: Vec::new(), size, is_of_walk: false }
    }

    /// Reads enough for one record, mostly.
    pub(super) fn of_one() -> Window {
        Window::of(512)
    }

    /// Reads what lies before and behind a record too, and more of that as long as it was of use: numbers
    /// that follow each other may lie beside each other, in either order, or far apart.
    pub(super) fn for_neighbours() -> Window {
        Window { is_of_walk: true, ..Window::of(LEAST) }
    }

    /// The entry that begins at `at`.
    pub(super) fn entry(&mut self, file: &File, at: u64) -> Result<Entry<'_>, Error> {
        let len = entry::length(self.cover(file, at, HEADER)?)?;
        entry::decode(&self.cover(file, at, len)?[..len])
    }

    /// The file's bytes from `at` on, `len` of them at least.
    pub(super) fn cover(&mut self, file: &File, at: u64, len: usize) -> Result<&[u8], Error> {
        let covered = |window: &Window| {
            let skipped = usize::try_from(at.checked_sub(window.from)?).ok()?;
            (window.bytes.len() >= skipped.checked_add(len)?).then_some(skipped)
        };
        if covered(self).is_none() {
            self.read(file, at, len).map_err(|e| Error::Unavailable(format!("index: {e}")))?;
        }
        let skipped = covered(self).ok_or_else(entry::damaged)?;
        Ok(&self.bytes[skipped..])
    }

    fn read(&mut self, file: &File, at: u64, len: usize) -> io::Result<()> {
        self.from = match self.is_of_walk {
            true => {
                let is_near = at.abs_diff(self.from) <= 2 * self.size as u64;
                self.size = if is_near { (self.size * 2).min(MOST) } else { LEAST };
                at - at % self.size as u64
            }
            false => at,
        };
        let mut wanted = (at - self.from).saturating_add(len as u64).max(self.size as u64);
        if wanted > self.size as u64 {
            // A length that does not hold must not make us ask for as much memory.
            wanted = wanted.min(file.metadata()?.len().saturating_sub(self.from));
        }
        self.bytes.resize(usize::try_from(wanted).map_err(io::Error::other)?, 0);
        let mut read = 0;
        while read < self.bytes.len() {
            match file.read_at(&mut self.bytes[read..], self.from + read as u64)? {
                0 => self.bytes.truncate(read),
                more => read += more,
            }
        }
        Ok(())
    }
}
