//! Records that are numbered and never written over, one after the other in a file of the index: the entries of
//! audit chains and the former versions of values. They are most of what a store has and most of what a set
//! writes, and are seldom read; sled would take several times their size, and some microseconds for each.
//!
//! ```text
//! header   0  8  "COFFERN\n"
//!          8  8  zero
//! entry    from a multiple of 16 on, padded with zeros to the next: see [`entry`]
//! ```
//! What is deleted is deleted by a further entry that says so, and goes with the file when the index is built
//! anew. Nothing is written over, so a place that was found goes on to hold what it held. As all of the index
//! the file is never synced while it is in use, and believed only as it was when it was closed. In memory are
//! four bytes for each record: [`slots`].

mod entry;
mod slots;
mod window;

use std::fs::{File, OpenOptions};
use std::io;
use std::ops::Bound;
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};

use parking_lot::{RwLock, RwLockReadGuard};

pub(super) use slots::{Place, covers, place};

use super::index::IndexWrite;
use crate::store::{Error, Record, Revision, Tree};
use slots::{Slot, Slots};
use window::Window;

const NAME: &str = "numbered";
const MAGIC: &[u8; 8] = b"COFFERN\n";
/// What slots count in.
const UNIT: usize = 16;
/// Bytes that a scan of the whole file reads at a time.
const PIECE: usize = 1 << 20;

/// The open file.
#[derive(Debug)]
pub(super) struct Numbered {
    file: File,
    /// Where the next entry begins.
    end: AtomicU64,
    /// Records that were written, also those that are gone.
    written: AtomicU64,
    slots: RwLock<Slots>,
}

/// Entries that go to the file in one write.
#[derive(Debug, Default)]
pub(super) struct Additions<'w> {
    bytes: Vec<u8>,
    /// Where each begins in `bytes`.
    entries: Vec<(Place<'w>, usize, Change)>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Change {
    Put,
    Delete,
}

impl Numbered {
    /// Opens the file in `dir`, or begins one.
    pub(super) fn open(dir: &Path) -> io::Result<Numbered> {
        let path = dir.join(NAME);
        let file =
            OpenOptions::new().read(true).write(true).create(true).truncate(false).mode(0o600).open(path)?;
        let end = file.metadata()?.len();
        let (end_at, written) = (AtomicU64::new(end), AtomicU64::new(0));
        let mut numbered = Numbered { file, end: end_at, written, slots: RwLock::default() };
        if end == 0 {
            let mut header = [0; UNIT];
            header[..8].copy_from_slice(MAGIC);
            numbered.file.write_all_at(&header, 0)?;
            numbered.end = AtomicU64::new(UNIT as u64);
        } else {
            numbered.find_all(end).map_err(|e| io::Error::new(io::ErrorKind::InvalidData, e.to_string()))?;
        }
        Ok(numbered)
    }

    /// Finds what an earlier process left, all of which must hold.
    fn find_all(&mut self, end: u64) -> Result<(), Error> {
        let mut window = Window::of(PIECE);
        if !end.is_multiple_of(UNIT as u64) || !window.cover(&self.file, 0, UNIT)?.starts_with(MAGIC) {
            return Err(entry::damaged());
        }
        let slots = self.slots.get_mut();
        let mut at = UNIT as u64;
        while at < end {
            let entry = window.entry(&self.file, at)?;
            let place = entry.place().ok_or_else(entry::damaged)?;
            match entry.value {
                Some(_) => {
                    slots.put(place, slot(at).ok_or_else(entry::damaged)?);
                    *self.written.get_mut() += 1;
                }
                None => slots.clear(place),
            }
            at += entry.size() as u64;
        }
        Ok(())
    }

    /// Adds what is to be written to the entries that go together. No place may be among them twice.
    pub(super) fn add<'w>(&self, place: Place<'w>, write: IndexWrite<'w>, to: &mut Additions<'w>) {
        let change = if write.value.is_some() { Change::Put } else { Change::Delete };
        if change == Change::Delete && self.slots.read().get(place).is_none() {
            return;
        }
        to.entries.push((place, to.bytes.len(), change));
        entry::encode(&write, &mut to.bytes);
    }

    /// Writes entries, then shows them.
    pub(super) fn append(&self, additions: &Additions<'_>) -> io::Result<()> {
        if additions.entries.is_empty() {
            return Ok(());
        }
        let len = additions.bytes.len() as u64;
        let from = self.end.fetch_add(len, Ordering::Relaxed);
        // The last entry's place is the one that may be beyond what a slot can say.
        if slot(from + len).is_none() {
            return Err(io::Error::other("the index has no room for more audit entries and former versions"));
        }
        self.file.write_all_at(&additions.bytes, from)?;
        let mut slots = self.slots.write();
        for (place, at, change) in &additions.entries {
            match (change, slot(from + *at as u64)) {
                (Change::Put, Some(slot)) => {
                    slots.put(*place, slot);
                    self.written.fetch_add(1, Ordering::Relaxed);
                }
                _ => slots.clear(*place),
            }
        }
        Ok(())
    }

    /// About how large a new file of the same records would be: they are taken to be as large as those that are gone.
    pub(super) fn fresh_bytes(&self) -> u64 {
        let live = self.slots.read().len();
        let written = self.written.load(Ordering::Relaxed).max(1);
        (u128::from(self.end.load(Ordering::Relaxed)) * u128::from(live) / u128::from(written)) as u64
    }

    /// The record at `place`, whose key is `key`.
    pub(super) fn get(&self, place: Place<'_>, key: &[u8]) -> Result<Option<Record>, Error> {
        let slot = self.slots.read().get(place);
        slot.map(|slot| self.read(slot, key, &mut Window::of_one())).transpose()
    }

    /// The records of `tree` with `prefix` from the key `from` on, in the order of keys. None is added meanwhile.
    pub(super) fn walk<'w>(&'w self, tree: Tree, prefix: &'w [u8], from: Bound<&[u8]>) -> Walk<'w> {
        let slots = self.slots.read();
        let next = slots.first(tree, from);
        Walk { numbered: self, tree, prefix, slots, window: Window::for_neighbours(), next }
    }

    fn read(&self, slot: Slot, key: &[u8], window: &mut Window) -> Result<Record, Error> {
        let entry = window.entry(&self.file, u64::from(slot.get()) * UNIT as u64)?;
        match entry.value {
            Some(value) if entry.key == key => {
                Ok(Record { key: key.to_vec(), value: value.to_vec(), revision: entry.revision })
            }
            _ => Err(entry::damaged()),
        }
    }

    /// The commit that wrote what is at `place`.
    pub(super) fn revision(&self, place: Place<'_>, key: &[u8]) -> Result<Option<Revision>, Error> {
        Ok(self.get(place, key)?.map(|record| record.revision))
    }
}

/// A walk over entries in the order of keys.
pub(super) struct Walk<'w> {
    numbered: &'w Numbered,
    tree: Tree,
    prefix: &'w [u8],
    slots: RwLockReadGuard<'w, Slots>,
    window: Window,
    next: Option<(Vec<u8>, Slot)>,
}

impl Walk<'_> {
    /// The next entry, if its key is before `key`; without one, whatever its key is.
    pub(super) fn next_before(&mut self, key: Option<&[u8]>) -> Result<Option<Record>, Error> {
        let is_wanted = |next: &mut (Vec<u8>, Slot)| {
            next.0.starts_with(self.prefix) && key.is_none_or(|key| next.0.as_slice() < key)
        };
        let Some((key, slot)) = self.next.take_if(is_wanted) else { return Ok(None) };
        let record = self.numbered.read(slot, &key, &mut self.window)?;
        self.next = self.slots.first(self.tree, Bound::Excluded(&key));
        Ok(Some(record))
    }
}

fn slot(at: u64) -> Option<Slot> {
    Slot::new(u32::try_from(at / UNIT as u64).ok()?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::chain;

    fn write(numbered: &Numbered, writes: &[(u64, Option<&[u8]>)]) {
        let keys: Vec<_> = writes.iter().map(|(number, _)| chain::key(b"c/", *number)).collect();
        let mut additions = Additions::default();
        for (key, (number, value)) in keys.iter().zip(writes) {
            let write = IndexWrite { tree: Tree::Audit, key, value: *value, revision: Revision(*number) };
            numbered.add(place(Tree::Audit, key).unwrap(), write, &mut additions);
        }
        numbered.append(&additions).unwrap();
    }

    fn all(numbered: &Numbered) -> Result<Vec<(u64, Vec<u8>)>, Error> {
        let mut walk = numbered.walk(Tree::Audit, b"", Bound::Unbounded);
        let mut all = Vec::new();
        while let Some(record) = walk.next_before(None)? {
            let number = chain::number(&record.key)?;
            assert_eq!(record.revision, Revision(number));
            assert_eq!(
                numbered.get(place(Tree::Audit, &record.key).unwrap(), &record.key)?,
                Some(record.clone())
            );
            all.push((number, record.value));
        }
        Ok(all)
    }

    #[test]
    fn what_was_written_is_found_by_whoever_opens_it() {
        let dir = tempfile::tempdir().unwrap();
        let large = vec![7; 3 << 20];
        let numbered = Numbered::open(dir.path()).unwrap();
        write(&numbered, &[(5, Some(b"five")), (4, Some(&large)), (9, Some(b"before"))]);
        write(&numbered, &[(9, Some(b"nine")), (6, Some(b"")), (2, None)]);
        write(&numbered, &[(5, None)]);
        let expected = [(9, b"nine".to_vec()), (6, Vec::new()), (4, large)];
        assert_eq!(all(&numbered).unwrap(), expected);
        let end = numbered.end.load(Ordering::Relaxed);
        drop(numbered);
        let numbered = Numbered::open(dir.path()).unwrap();
        assert_eq!(all(&numbered).unwrap(), expected);
        assert_eq!(numbered.end.load(Ordering::Relaxed), end);
        write(&numbered, &[(10, Some(b"ten"))]);
        assert_eq!(all(&numbered).unwrap().len(), 4);
        assert_eq!(all(&Numbered::open(dir.path()).unwrap()).unwrap().len(), 4);
    }

    #[test]
    fn damage_is_met_by_who_opens_it_and_by_who_has_it_open() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join(NAME);
        let numbered = Numbered::open(dir.path()).unwrap();
        write(&numbered, &[(1, Some(b"one")), (2, Some(&[2; 40]))]);
        let whole = std::fs::read(&path).unwrap();
        let mut padding = 0;
        for at in UNIT..whole.len() {
            let mut spoilt = whole.clone();
            spoilt[at] ^= 0x80;
            // In place: it is open.
            OpenOptions::new().write(true).open(&path).unwrap().write_all_at(&spoilt, 0).unwrap();
            match all(&numbered) {
                Err(Error::Damaged(why)) => assert!(why.starts_with("index: "), "{why}"),
                other => {
                    assert_eq!(other.unwrap().len(), 2, "byte {at}");
                    padding += 1;
                    continue;
                }
            }
            assert!(Numbered::open(dir.path()).is_err(), "byte {at}");
        }
        assert!(padding < 2 * UNIT, "{padding} bytes may change");
        for len in (1..whole.len()).filter(|len| len % UNIT != 0) {
            std::fs::write(&path, &whole[..len]).unwrap();
            assert!(Numbered::open(dir.path()).is_err(), "cut to {len}");
        }
    }
}
