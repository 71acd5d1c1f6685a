//! Brings a base or a journal into an index that nobody reads yet, which is what a start takes its time for.
//!
//! Of many writes to one key only the last is made, neighbours are written in a row, and each processor
//! takes a range of the keys: sled copies a leaf for every write, so this is work for processors, not
//! for the disk.

use std::collections::HashMap;

use super::index::{Index, IndexWrite};
use super::quiet;
use crate::store::{Revision, Tree};

/// Gathers writes, and applies them piece by piece. An error is the index's, in words.
#[derive(Debug)]
pub(super) struct Loader<'i> {
    index: &'i Index,
    last_writes: HashMap<(Tree, Vec<u8>), LastWrite>,
    bytes: usize,
}

/// What a key holds afterwards, if anything, and since which commit.
type LastWrite = (Revision, Option<Vec<u8>>);

impl<'i> Loader<'i> {
    /// Bytes after which the index is given what was gathered.
    const PIECE: usize = 8 << 20;
    /// What a write takes beside its bytes.
    const ENTRY: usize = 80;
    /// Writes below which a second thread is not worth starting.
    const SHARE: usize = 1000;

    /// A loader of `index`.
    pub(super) fn new(index: &'i Index) -> Loader<'i> {
        Loader { index, last_writes: HashMap::new(), bytes: 0 }
    }

    /// Adds a write; it stands once [`Loader::finish`] is `Ok`.
    pub(super) fn add(&mut self, write: IndexWrite<'_>) -> Result<(), String> {
        self.bytes += Self::ENTRY + write.key.len() + write.value.map_or(0, <[u8]>::len);
        let value = write.value.map(<[u8]>::to_vec);
        self.last_writes.insert((write.tree, write.key.to_vec()), (write.revision, value));
        if self.bytes < Self::PIECE { Ok(()) } else { self.apply() }
    }

    /// Applies what is left.
    pub(super) fn finish(mut self) -> Result<(), String> {
        self.apply()
    }

    fn apply(&mut self) -> Result<(), String> {
        let mut writes: Vec<IndexWrite<'_>> = self
            .last_writes
            .iter()
            .map(|((tree, key), (revision, value))| IndexWrite {
                tree: *tree,
                key,
                value: value.as_deref(),
                revision: *revision,
            })
            .collect();
        writes.sort_unstable_by_key(IndexWrite::place);
        let threads = std::thread::available_parallelism().map_or(1, usize::from).min(4);
        let share = writes.len().div_ceil(threads).max(Self::SHARE);
        let index = self.index;
        std::thread::scope(|scope| {
            let shares: Vec<_> =
                writes.chunks(share).map(|share| scope.spawn(|| load(index, share))).collect();
            // A panic was caught within.
            shares.into_iter().try_for_each(|share| share.join().unwrap_or_else(|_| Err("it broke".into())))
        })?;
        self.last_writes.clear();
        self.bytes = 0;
        Ok(())
    }
}

/// sled panics on some damaged pages.
fn load(index: &Index, writes: &[IndexWrite<'_>]) -> Result<(), String> {
    quiet::catch(|| index.load(writes)).and_then(|loaded| loaded.map_err(|e| e.to_string()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_write_to_a_key_stands_whatever_the_piece() {
        let dir = tempfile::tempdir().unwrap();
        let index = Index::open(dir.path(), 8 << 20).unwrap();
        let mut loader = Loader::new(&index);
        let large = vec![0; Loader::PIECE / 3];
        for (n, value) in [Some(large.as_slice()), Some(b"b"), None, Some(&large), Some(&large), Some(b"c")]
            .into_iter()
            .enumerate()
        {
            let revision = Revision(n as u64);
            loader.add(IndexWrite { tree: Tree::Values, key: b"k", value, revision }).unwrap();
            loader
                .add(IndexWrite { tree: Tree::Audit, key: &[n as u8], value: Some(b""), revision })
                .unwrap();
        }
        loader.finish().unwrap();
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
