//! How a record stands in sled.
//!
//! A record stands in the sled tree of its [`Tree`], under its key:
//! ```text
//! 0 8  revision, big-endian
//! 8 1  0: the value follows
//!      1: the value is in chunks; its length (u32, big-endian) and CRC-32C (the same) follow
//! ```
//! Chunk `n` of a record stands in the tree `overflow`, under the tree's number, the record's key and `n`
//! (u32, big-endian). sled splits leaves by count, not by size, and moves a large leaf into a blob file
//! that it never syncs: with chunks no leaf comes near that. As a chunk's key follows from the record's,
//! writing a record twice writes the same chunks.

use crate::store::{Error, Revision, Tree};

/// The largest value that a leaf takes; also the size of a chunk. Sixteen of them, and their keys, stay
/// below the 128 KiB at which sled makes a blob.
pub(super) const INLINE: usize = 4096;
/// Bytes in front of a value that is not in chunks.
pub(super) const HEAD: usize = 9;
const TAG_INLINE: u8 = 0;
const TAG_CHUNKED: u8 = 1;

/// What stands in front of a stored value.
pub(super) enum Head<'a> {
    Inline(Revision, &'a [u8]),
    Chunked { revision: Revision, len: usize, crc: u32 },
}

impl Head<'_> {
    pub(super) fn parse(stored: &[u8]) -> Result<Head<'_>, Error> {
        let malformed = || Error::Damaged("index: a record is not what this release writes".into());
        let (revision, rest) = stored.split_first_chunk().ok_or_else(malformed)?;
        let revision = Revision(u64::from_be_bytes(*revision));
        match rest {
            [TAG_INLINE, value @ ..] => Ok(Head::Inline(revision, value)),
            [TAG_CHUNKED, a, b, c, d, e, f, g, h] => Ok(Head::Chunked {
                revision,
                len: u32::from_be_bytes([*a, *b, *c, *d]) as usize,
                crc: u32::from_be_bytes([*e, *f, *g, *h]),
            }),
            _ => Err(malformed()),
        }
    }

    pub(super) fn revision(&self) -> Revision {
        match self {
            Head::Inline(revision, _) | Head::Chunked { revision, .. } => *revision,
        }
    }

    pub(super) fn chunks(self) -> u32 {
        match self {
            Head::Inline(..) => 0,
            Head::Chunked { len, .. } => chunks(len),
        }
    }
}

/// What sled takes in a new index for a record, or chunk, whose key and value have so many bytes. Measured with values of
/// 0 to 60,000 bytes: no index was larger, and none smaller by more than a fifth.
pub(super) fn fresh_bytes(key_and_value: usize) -> u64 {
    256 + 2 * key_and_value as u64
}

/// Writes what sled holds of a record, but for its chunks, over what `into` held.
pub(super) fn encode(revision: Revision, value: &[u8], into: &mut Vec<u8>) {
    into.clear();
    into.extend_from_slice(&revision.0.to_be_bytes());
    if value.len() <= INLINE {
        into.push(TAG_INLINE);
        into.extend_from_slice(value);
    } else {
        let len = u32::try_from(value.len()).expect("a commit is at most 512 MiB");
        into.push(TAG_CHUNKED);
        into.extend_from_slice(&len.to_be_bytes());
        into.extend_from_slice(&crc32c::crc32c(value).to_be_bytes());
    }
}

/// How many chunks a value of `len` bytes has.
pub(super) fn chunks(len: usize) -> u32 {
    u32::try_from(len.div_ceil(INLINE)).expect("a value's length fits 32 bits: see `encode`")
}

/// The keys of one record's chunks.
pub(super) struct ChunkKey(Vec<u8>);

impl ChunkKey {
    pub(super) fn new(tree: Tree, key: &[u8]) -> ChunkKey {
        let mut bytes = Vec::with_capacity(key.len() + 5);
        bytes.push(u8::from(tree));
        bytes.extend_from_slice(key);
        bytes.extend_from_slice(&[0; 4]);
        ChunkKey(bytes)
    }

    pub(super) fn number(&mut self, number: u32) -> &[u8] {
        let at = self.0.len() - 4;
        self.0[at..].copy_from_slice(&number.to_be_bytes());
        &self.0
    }
}
