//! sled as an index over the journal: it finds records, and can be rebuilt from nothing.
//!
//! What stands under a key is in [`stored`](super::stored). What is [`numbered`], entries of
//! audit chains and former versions, stands in a file beside sled's.
//!
//! The tree `engine` holds what the engine notes about the index itself.

use std::ops::Bound;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use parking_lot::RwLock;
use sled::IVec;

use super::index_files;
use super::numbered::{self, Additions, Numbered};
use super::recent::Recent;
use super::stored::{ChunkKey, HEAD, Head, INLINE, chunks, encode, fresh_bytes};
use crate::store::{Error, Record, Revision, Tree};

/// Raised when the layout described above changes: another number means a rebuild.
const FORMAT: u32 = 2;

const KEY_FORMAT: &[u8] = b"format";

/// The index.
#[derive(Debug)]
pub(super) struct Index {
    /// Where its files are.
    dir: PathBuf,
    db: sled::Db,
    trees: Vec<sled::Tree>,
    overflow: sled::Tree,
    engine: sled::Tree,
    numbered: Numbered,
    /// Which trees may have records in chunks. Where none has, a write need not look at what it replaces.
    chunked: [AtomicBool; Tree::ALL.len()],
    /// Held for writing while a group is applied, for reading by those who read more than one key: they
    /// see groups whole.
    whole_groups: RwLock<()>,
    recent: Recent,
    /// The last commit of which a reader may have seen something.
    begun: AtomicU64,
    #[cfg(test)]
    pub(super) trap: super::tests::trap::Trap,
}

/// One write, final.
#[derive(Debug, Clone, Copy)]
pub(super) struct IndexWrite<'a> {
    pub(super) tree: Tree,
    pub(super) key: &'a [u8],
    /// `None` deletes.
    pub(super) value: Option<&'a [u8]>,
    pub(super) revision: Revision,
}

impl<'a> IndexWrite<'a> {
    /// What orders writes, and tells those to one key.
    pub(super) fn place(&self) -> (Tree, &'a [u8]) {
        (self.tree, self.key)
    }
}

impl Index {
    /// Opens what is in `dir`, or an empty index.
    pub(super) fn open(dir: &Path, cache_bytes: u64) -> Result<Index, sled::Error> {
        let db = sled::Config::new()
            .path(dir)
            .cache_capacity(cache_bytes)
            // Durability is the journal's affair; a timer that writes would only compete with it.
            .flush_every_ms(None)
            .use_compression(false)
            .open()?;
        let trees = Tree::ALL.iter().map(|tree| db.open_tree(tree.name())).collect::<Result<_, _>>()?;
        let overflow = db.open_tree("overflow")?;
        let engine = db.open_tree("engine")?;
        let numbered = Numbered::open(dir)?;
        let chunked = Tree::ALL.map(|tree| AtomicBool::new(has_prefix(&overflow, &[u8::from(tree)])));
        Ok(Index {
            dir: dir.to_owned(),
            db,
            trees,
            overflow,
            engine,
            numbered,
            chunked,
            whole_groups: RwLock::new(()),
            recent: Recent::default(),
            begun: AtomicU64::new(0),
            #[cfg(test)]
            trap: super::tests::trap::Trap::default(),
        })
    }

    fn tree(&self, tree: Tree) -> &sled::Tree {
        &self.trees[usize::from(u8::from(tree))]
    }

    /// The record under `key`.
    pub(super) fn get(&self, tree: Tree, key: &[u8]) -> Result<Option<Record>, Error> {
        if self.recent.covers(tree) {
            return self.get_recent(tree, key);
        }
        if let Some(place) = numbered::place(tree, key) {
            return self.numbered.get(place, key);
        }
        let Some(stored) = self.tree(tree).get(key).map_err(unreadable)? else { return Ok(None) };
        if let Head::Inline(revision, value) = Head::parse(&stored)? {
            return Ok(Some(Record { key: key.to_vec(), value: value.to_vec(), revision }));
        }
        // More than one key is read, so look again while nothing can change.
        let _whole = self.whole_groups.read();
        match self.tree(tree).get(key).map_err(unreadable)? {
            Some(stored) => self.record(tree, key, &stored).map(Some),
            None => Ok(None),
        }
    }

    fn get_recent(&self, tree: Tree, key: &[u8]) -> Result<Option<Record>, Error> {
        if let Some(record) = self.recent.get(tree, key) {
            return Ok(Some(record));
        }
        let _whole = self.whole_groups.read();
        let Some(stored) = self.tree(tree).get(key).map_err(unreadable)? else { return Ok(None) };
        let record = self.record(tree, key, &stored)?;
        self.recent.remember(tree, &record);
        Ok(Some(record))
    }

    /// The commit that wrote what is under `key`.
    pub(super) fn revision(&self, tree: Tree, key: &[u8]) -> Result<Option<Revision>, Error> {
        if let Some(revision) = self.recent.revision(tree, key) {
            return Ok(Some(revision));
        }
        if let Some(place) = numbered::place(tree, key) {
            return self.numbered.revision(place, key);
        }
        let stored = self.tree(tree).get(key).map_err(unreadable)?;
        stored.map(|stored| Head::parse(&stored).map(|head| head.revision())).transpose()
    }

    /// Visits the records with `prefix` after the key `after`, in order, until told to stop. No group
    /// is seen in part.
    pub(super) fn walk(
        &self,
        tree: Tree,
        prefix: &[u8],
        after: Option<&[u8]>,
        mut visit: impl FnMut(Record) -> ControlFlow<()>,
    ) -> Result<(), Error> {
        let from = match after {
            Some(after) if after >= prefix => Bound::Excluded(after),
            _ => Bound::Included(prefix),
        };
        let _whole = self.whole_groups.read();
        let mut entries = numbered::covers(tree).then(|| self.numbered.walk(tree, prefix, from));
        let mut entry_before =
            |key: Option<&[u8]>| entries.as_mut().map_or(Ok(None), |entries| entries.next_before(key));
        for found in self.tree(tree).range::<&[u8], _>((from, Bound::Unbounded)) {
            let (key, stored) = found.map_err(unreadable)?;
            if !key.starts_with(prefix) {
                break;
            }
            while let Some(entry) = entry_before(Some(&key))? {
                if visit(entry).is_break() {
                    return Ok(());
                }
            }
            if visit(self.record(tree, &key, &stored)?).is_break() {
                return Ok(());
            }
        }
        while let Some(entry) = entry_before(None)? {
            if visit(entry).is_break() {
                break;
            }
        }
        Ok(())
    }

    fn record(&self, tree: Tree, key: &[u8], stored: &IVec) -> Result<Record, Error> {
        let (revision, value) = match Head::parse(stored)? {
            Head::Inline(revision, value) => (revision, value.to_vec()),
            Head::Chunked { revision, len, crc } => (revision, self.join(tree, key, len, crc)?),
        };
        Ok(Record { key: key.to_vec(), value, revision })
    }

    fn join(&self, tree: Tree, key: &[u8], len: usize, crc: u32) -> Result<Vec<u8>, Error> {
        let mut value = Vec::with_capacity(len);
        let mut chunk = ChunkKey::new(tree, key);
        for number in 0..chunks(len) {
            let part = self.overflow.get(chunk.number(number)).map_err(unreadable)?;
            value.extend_from_slice(
                &part.ok_or_else(|| Error::Damaged("index: a part of a value is missing".into()))?,
            );
        }
        if value.len() != len || crc32c::crc32c(&value) != crc {
            return Err(Error::Damaged("index: the parts of a value do not fit together".into()));
        }
        Ok(value)
    }

    /// Makes a group visible, all at once to readers of more than one key. Of several writes to one key
    /// only the last is made: nobody could have seen the others, and counters are written by every batch.
    pub(super) fn apply<'a>(&self, writes: impl Iterator<Item = IndexWrite<'a>>) -> sled::Result<()> {
        let mut writes: Vec<IndexWrite<'a>> = writes.collect();
        // Stable: the last write to a key stays the last. Neighbours then meet the same leaf in a row.
        writes.sort_by_key(IndexWrite::place);
        let mut scratch = Vec::with_capacity(HEAD + INLINE);
        let newest = writes.iter().map(|write| write.revision.0).max().unwrap_or(0);
        let _whole = self.whole_groups.write();
        // Before sled: a reader who sees what a commit deleted must find this too.
        self.begun.fetch_max(newest, Ordering::Relaxed);
        let mut entries = Additions::default();
        for same_key in writes.chunk_by(|a, b| a.place() == b.place()) {
            if let Some(last) = same_key.last() {
                self.recent.forget(last.tree, last.key);
                if !self.add(*last, &mut entries) {
                    self.replace(*last, &mut scratch)?;
                }
            }
        }
        Ok(self.numbered.append(&entries)?)
    }

    /// Makes writes to different keys, which are in order, in an index that nobody reads yet.
    pub(super) fn load(&self, writes: &[IndexWrite<'_>]) -> sled::Result<()> {
        let mut scratch = Vec::with_capacity(HEAD + INLINE);
        let mut entries = Additions::default();
        let in_sled: Vec<_> = writes.iter().filter(|write| !self.add(**write, &mut entries)).collect();
        // sled halves a leaf that is full. All in order, no lower half would ever get more; so it gets every other one.
        let (first, second) = (in_sled.iter().step_by(2), in_sled.iter().skip(1).step_by(2));
        first.chain(second).try_for_each(|write| self.replace(**write, &mut scratch))?;
        Ok(self.numbered.append(&entries)?)
    }

    /// Adds what is numbered to the entries that are written together. Whether it was.
    fn add<'w>(&self, write: IndexWrite<'w>, entries: &mut Additions<'w>) -> bool {
        numbered::place(write.tree, write.key).map(|place| self.numbered.add(place, write, entries)).is_some()
    }

    fn replace(&self, write: IndexWrite<'_>, scratch: &mut Vec<u8>) -> sled::Result<()> {
        self.replace_chunks(write)?;
        self.replace_head(write, scratch)
    }

    fn replace_head(&self, write: IndexWrite<'_>, scratch: &mut Vec<u8>) -> sled::Result<()> {
        #[cfg(test)]
        self.trap.step();
        let tree = self.tree(write.tree);
        match write.value {
            Some(value) => {
                encode(write.revision, value, scratch);
                tree.insert(write.key, scratch.as_slice())?;
            }
            None => {
                tree.remove(write.key)?;
            }
        }
        Ok(())
    }

    fn chunks_under(&self, tree: Tree, key: &[u8]) -> sled::Result<u32> {
        if !self.chunked[usize::from(u8::from(tree))].load(Ordering::Relaxed) {
            return Ok(0);
        }
        Ok(self.tree(tree).get(key)?.map_or(0, |stored| Head::parse(&stored).map_or(0, Head::chunks)))
    }

    fn replace_chunks(&self, write: IndexWrite<'_>) -> sled::Result<()> {
        let old = self.chunks_under(write.tree, write.key)?;
        let new = write.value.filter(|value| value.len() > INLINE).map_or(0, |value| chunks(value.len()));
        let mut key = ChunkKey::new(write.tree, write.key);
        for number in new..old {
            self.overflow.remove(key.number(number))?;
        }
        if new > 0 {
            self.chunked[usize::from(u8::from(write.tree))].store(true, Ordering::Relaxed);
            let value = write.value.unwrap_or_default();
            for (number, part) in (0..).zip(value.chunks(INLINE)) {
                self.overflow.insert(key.number(number), part)?;
            }
        }
        Ok(())
    }

    /// About how large a new index of the same records would be. Reads all that is in sled, while commits go on.
    pub(super) fn fresh_bytes(&self) -> sled::Result<u64> {
        let mut records = self.trees.iter().chain([&self.overflow]).flat_map(sled::Tree::iter);
        records.try_fold(self.numbered.fresh_bytes(), |bytes, found| {
            found.map(|(key, stored)| bytes + fresh_bytes(key.len() + stored.len()))
        })
    }

    /// The last commit since the index was opened of which those who have read may have seen something.
    pub(super) fn begun(&self) -> Revision {
        Revision(self.begun.load(Ordering::Relaxed))
    }

    /// Says that this index has the layout of this release.
    pub(super) fn set_format(&self) -> sled::Result<()> {
        self.engine.insert(KEY_FORMAT, &FORMAT.to_be_bytes())?;
        Ok(())
    }

    /// Whether the index has the layout of this release.
    pub(super) fn has_format(&self) -> Result<bool, String> {
        let format = self.engine.get(KEY_FORMAT).map_err(|e| e.to_string())?;
        Ok(format.is_some_and(|format| format == FORMAT.to_be_bytes()))
    }

    /// Makes it look like another release's.
    #[cfg(test)]
    pub(super) fn forget_format(&self) {
        self.engine.remove(KEY_FORMAT).unwrap();
    }

    /// Where its files are.
    pub(super) fn dir(&self) -> &Path {
        &self.dir
    }

    /// Says that readers of this index, or of one that it takes the place of, may have seen `revision`.
    pub(super) fn set_begun(&self, revision: Revision) {
        self.begun.fetch_max(revision.0, Ordering::Relaxed);
    }

    /// Closes the index and leaves its files at `dir`; on disk when this returns. Returns their checksum.
    pub(super) fn close(self, dir: &Path) -> Result<u32, String> {
        self.db.flush().map_err(|e| e.to_string())?;
        let now_at = self.dir.clone();
        // First let go, so that nothing is written after the sync.
        drop(self);
        index_files::place(&now_at, dir)
            .and_then(|()| index_files::sync(dir))
            .and_then(|()| index_files::checksum(dir))
            .map_err(|e| e.to_string())
    }

    /// Writes out what sled holds in memory.
    #[cfg(test)]
    pub(super) fn flush(&self) -> sled::Result<()> {
        self.db.flush().map(drop)
    }

    /// How many chunks there are, of all records.
    #[cfg(test)]
    pub(super) fn chunk_count(&self) -> usize {
        self.overflow.len()
    }
}

/// Whether a tree may have a key that begins so.
fn has_prefix(tree: &sled::Tree, prefix: &[u8]) -> bool {
    // An error is no proof of absence, and will show itself where the answer matters.
    tree.scan_prefix(prefix).next().is_some()
}

fn unreadable(error: sled::Error) -> Error {
    match error {
        sled::Error::Corruption { .. } => Error::Damaged(format!("index: {error}")),
        other => Error::Unavailable(format!("index: {other}")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn write(value: Option<&[u8]>) -> IndexWrite<'_> {
        IndexWrite { tree: Tree::Values, key: b"k", value, revision: Revision(1) }
    }

    #[test]
    fn a_value_takes_the_chunks_of_the_one_before_with_it() {
        let dir = tempfile::tempdir().unwrap();
        let index = Index::open(dir.path(), 8 << 20).unwrap();
        let value = vec![7; 20_000];
        let values = [None, Some(&value[..10]), Some(&value[..9000]), Some(&value[..])];
        for before in values {
            for after in values {
                index.load(&[write(before)]).unwrap();
                index.load(&[write(after)]).unwrap();
                let expected = after.filter(|v| v.len() > INLINE).map_or(0, |v| chunks(v.len()));
                assert_eq!(
                    index.chunk_count(),
                    expected as usize,
                    "{:?}",
                    [before, after].map(|v| v.map(<[u8]>::len))
                );
                let found = index.get(Tree::Values, b"k").unwrap().map(|record| record.value);
                assert_eq!(found.as_deref(), after);
            }
        }
    }
}
