//! Brings a base or a journal into an index that nobody reads yet, which is what a start takes its time for.
//!
//! Of many writes to one key only the last is made, neighbours are written in a row, and each processor
//! takes ranges of the keys while the next piece is read: sled copies a leaf for every write, so this is
//! work for processors, not for the disk.

use std::ops::Range;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};

use parking_lot::Mutex;

use super::index::{Index, IndexWrite};
use super::quiet;
use crate::store::{Revision, Tree};

/// Gathers writes, and has them applied piece by piece.
#[derive(Debug)]
pub(super) struct Loader {
    piece: Piece,
    full: SyncSender<Piece>,
}

/// The index took no more writes. Why is what [`load`] returns.
#[derive(Debug)]
pub(super) struct Stopped;

/// Has `gather` give writes to a [`Loader`]. All that it gave are in the index if both results are `Ok`; the
/// second one is the index's, in words.
pub(super) fn load<T>(index: &Index, gather: impl FnOnce(&mut Loader) -> T) -> (T, Result<(), String>) {
    std::thread::scope(|scope| {
        // One piece is gathered, one waits, one is applied.
        let (full, pieces) = sync_channel(1);
        let applying = scope.spawn(move || apply_all(index, &pieces));
        let mut loader = Loader { piece: Piece::default(), full };
        let gathered = gather(&mut loader);
        // An error here is the other thread's to tell.
        let _ = loader.pass_on();
        drop(loader);
        // Its panics were caught within.
        (gathered, applying.join().unwrap_or_else(|_| Err("it broke".into())))
    })
}

impl Loader {
    /// Bytes after which the index is given what was gathered.
    const PIECE: usize = 4 << 20;

    /// Adds a write, which comes after those that were added before.
    pub(super) fn add(&mut self, write: IndexWrite<'_>) -> Result<(), Stopped> {
        self.piece.add(write);
        if self.piece.weight() < Self::PIECE { Ok(()) } else { self.pass_on() }
    }

    fn pass_on(&mut self) -> Result<(), Stopped> {
        let mut piece = std::mem::take(&mut self.piece);
        // Here, while the piece before is applied.
        piece.keep_last();
        self.full.send(piece).map_err(|_| Stopped)
    }
}

/// Writes in the order in which they were gathered, their bytes in one place.
#[derive(Debug, Default)]
struct Piece {
    bytes: Vec<u8>,
    writes: Vec<Gathered>,
}

#[derive(Debug)]
struct Gathered {
    tree: Tree,
    key: Range<usize>,
    value: Option<Range<usize>>,
    revision: Revision,
}

impl Piece {
    fn add(&mut self, write: IndexWrite<'_>) {
        let IndexWrite { tree, key, value, revision } = write;
        let key = self.keep(key);
        let value = value.map(|value| self.keep(value));
        self.writes.push(Gathered { tree, key, value, revision });
    }

    fn keep(&mut self, bytes: &[u8]) -> Range<usize> {
        let from = self.bytes.len();
        self.bytes.extend_from_slice(bytes);
        from..self.bytes.len()
    }

    /// What it takes in memory.
    fn weight(&self) -> usize {
        self.bytes.len() + self.writes.len() * size_of::<Gathered>()
    }

    /// Leaves the last write to each key, in the order of the keys.
    fn keep_last(&mut self) {
        let Piece { bytes, writes } = self;
        // Stable: the last write to a key stays the last.
        writes.sort_by(|one, other| one.write(bytes).place().cmp(&other.write(bytes).place()));
        writes.dedup_by(|later, earlier| {
            let same = later.write(bytes).place() == earlier.write(bytes).place();
            if same {
                std::mem::swap(later, earlier);
            }
            same
        });
    }

    fn writes(&self) -> Vec<IndexWrite<'_>> {
        self.writes.iter().map(|gathered| gathered.write(&self.bytes)).collect()
    }
}

impl Gathered {
    fn write<'p>(&self, bytes: &'p [u8]) -> IndexWrite<'p> {
        IndexWrite {
            tree: self.tree,
            key: &bytes[self.key.clone()],
            value: self.value.clone().map(|value| &bytes[value]),
            revision: self.revision,
        }
    }
}

fn apply_all(index: &Index, pieces: &Receiver<Piece>) -> Result<(), String> {
    pieces.iter().try_for_each(|piece| apply(index, &piece.writes()))
}

/// Writes that a thread takes at a time: few, so that all end at about the same time.
const SHARE: usize = 1000;

fn apply(index: &Index, writes: &[IndexWrite<'_>]) -> Result<(), String> {
    let threads = std::thread::available_parallelism().map_or(1, usize::from).min(4);
    let shares = Mutex::new(writes.chunks(SHARE));
    let apply_some = || {
        let next = || shares.lock().next();
        std::iter::from_fn(next).try_for_each(|share| apply_share(index, share))
    };
    std::thread::scope(|scope| {
        let threads: Vec<_> = (0..threads).map(|_| scope.spawn(apply_some)).collect();
        threads.into_iter().try_for_each(|thread| thread.join().unwrap_or_else(|_| Err("it broke".into())))
    })
}

/// sled panics on some damaged pages.
fn apply_share(index: &Index, writes: &[IndexWrite<'_>]) -> Result<(), String> {
    quiet::catch(|| index.load(writes)).and_then(|loaded| loaded.map_err(|e| e.to_string()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_write_to_a_key_stands_whatever_the_piece() {
        let dir = tempfile::tempdir().unwrap();
        let index = Index::open(dir.path(), 8 << 20).unwrap();
        let large = vec![0; Loader::PIECE / 3];
        let values = [Some(large.as_slice()), Some(b"b"), None, Some(&large), Some(&large), Some(b"c")];
        let (gathered, applied) = load(&index, |loader| {
            (0..).zip(values).try_for_each(|(n, value)| {
                let revision = Revision(u64::from(n));
                loader.add(IndexWrite { tree: Tree::Values, key: b"k", value, revision })?;
                loader.add(IndexWrite { tree: Tree::Audit, key: &[n], value: Some(b""), revision })
            })
        });
        gathered.unwrap();
        applied.unwrap();
        let record = index.get(Tree::Values, b"k").unwrap().unwrap();
        assert_eq!((record.value.as_slice(), record.revision), (b"c".as_slice(), Revision(5)));
        assert_eq!(index.chunk_count(), 0);
        let mut audit = 0;
        index
            .walk(Tree::Audit, b"", None, |_| {
                audit += 1;
                std::ops::ControlFlow::Continue(())
            })
            .unwrap();
        assert_eq!(audit, 6);
    }
}
