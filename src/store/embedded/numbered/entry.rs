//! An entry of the file of numbered records.
//!
//! ```text
//! 0  4  CRC-32C of what follows, without the padding   (little-endian, as all numbers here)
//! 4  4  length of the value; all ones: nothing stands under the key
//! 8  8  revision
//! 16 4  number of the tree
//! 20 4  length of the key
//! 24 …  key, value
//! ```

use super::UNIT;
use super::slots::{Place, place};
use crate::store::embedded::index::IndexWrite;
use crate::store::{Error, Revision, Tree};

/// Bytes in front of the key.
pub(super) const HEADER: usize = 24;
const DELETED: u32 = u32::MAX;

/// What stands in the file.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Entry<'f> {
    tree: Option<Tree>,
    pub(super) key: &'f [u8],
    pub(super) revision: Revision,
    /// `None` where it says that the one before it under the key is gone.
    pub(super) value: Option<&'f [u8]>,
}

impl Entry<'_> {
    /// Where it belongs.
    pub(super) fn place(&self) -> Option<Place<'_>> {
        place(self.tree?, self.key)
    }

    /// What it takes in the file.
    pub(super) fn size(&self) -> usize {
        padded(HEADER + self.key.len() + self.value.map_or(0, <[u8]>::len))
    }
}

/// Writes an entry behind what `into` has, which begins at a multiple of [`UNIT`].
pub(super) fn encode(write: &IndexWrite<'_>, into: &mut Vec<u8>) {
    let IndexWrite { tree, key, value, revision } = *write;
    let length = |bytes: &[u8]| u32::try_from(bytes.len()).expect("a commit is at most 512 MiB");
    let from = into.len();
    into.extend_from_slice(&[0; 4]);
    into.extend_from_slice(&value.map_or(DELETED, length).to_le_bytes());
    into.extend_from_slice(&revision.0.to_le_bytes());
    into.extend_from_slice(&u32::from(u8::from(tree)).to_le_bytes());
    into.extend_from_slice(&length(key).to_le_bytes());
    into.extend_from_slice(key);
    into.extend_from_slice(value.unwrap_or_default());
    let crc = crc32c::crc32c(&into[from + 4..]);
    into[from..from + 4].copy_from_slice(&crc.to_le_bytes());
    into.resize(from + padded(into.len() - from), 0);
}

/// How long an entry is whose first [`HEADER`] bytes are these, without its padding. Nothing says yet that
/// they hold.
pub(super) fn length(header: &[u8]) -> Result<usize, Error> {
    let value = number(header, 4)?;
    let value = if value == DELETED { 0 } else { value as usize };
    Ok(HEADER + number(header, 20)? as usize + value)
}

/// The entry in `bytes`, which are as many as [`length`] says.
pub(super) fn decode(bytes: &[u8]) -> Result<Entry<'_>, Error> {
    let (crc, rest) = bytes.split_first_chunk::<4>().ok_or_else(damaged)?;
    if crc32c::crc32c(rest) != u32::from_le_bytes(*crc) || length(bytes)? != bytes.len() {
        return Err(damaged());
    }
    let revision = bytes[8..].first_chunk().ok_or_else(damaged)?;
    let (key, value) = bytes[HEADER..].split_at_checked(number(bytes, 20)? as usize).ok_or_else(damaged)?;
    let value = (number(bytes, 4)? != DELETED).then_some(value);
    let tree = u8::try_from(number(bytes, 16)?).ok().and_then(|number| Tree::try_from(number).ok());
    Ok(Entry { tree, key, revision: Revision(u64::from_le_bytes(*revision)), value })
}

pub(super) fn damaged() -> Error {
    Error::Damaged("index: a numbered record does not hold".into())
}

fn number(bytes: &[u8], at: usize) -> Result<u32, Error> {
    let number = bytes.get(at..).and_then(<[u8]>::first_chunk).ok_or_else(damaged)?;
    Ok(u32::from_le_bytes(*number))
}

fn padded(len: usize) -> usize {
    len.next_multiple_of(UNIT)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_entry_reads_back_and_no_bit_of_it_changes_unnoticed() {
        for value in [Some(b"value".as_slice()), Some(b""), None] {
            let mut bytes = Vec::new();
            let (tree, revision) = (Tree::Audit, Revision(7));
            encode(&IndexWrite { tree, key: b"key", value, revision }, &mut bytes);
            let len = length(&bytes).unwrap();
            let entry = decode(&bytes[..len]).unwrap();
            assert_eq!(entry, Entry { tree: Some(tree), key: b"key", revision, value });
            assert_eq!((entry.size(), bytes.len() % UNIT), (bytes.len(), 0));
            for bit in 0..len * 8 {
                let mut spoilt = bytes.clone();
                spoilt[bit / 8] ^= 1 << (bit % 8);
                let len = length(&spoilt).unwrap();
                assert!(spoilt.get(..len).is_none_or(|spoilt| decode(spoilt).is_err()), "bit {bit}");
            }
        }
        assert!(decode(&[0; HEADER]).is_err(), "zeros are no entry");
    }
}
