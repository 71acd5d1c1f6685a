//! A write as the journal keeps it: final values only, so that applying it twice changes nothing.

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::store::Tree;

/// One write. The order of the variants and their fields is the journal's format.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum Logged<'a> {
    /// The key holds these bytes afterwards.
    Put(Tree, #[serde(borrow)] Bytes<'a>, #[serde(borrow)] Bytes<'a>),
    /// Nothing stands under the key afterwards.
    Delete(Tree, #[serde(borrow)] Bytes<'a>),
}

impl<'a> Logged<'a> {
    /// The key that changes.
    pub(super) fn key(&self) -> (Tree, &'a [u8]) {
        match *self {
            Logged::Put(tree, key, _) | Logged::Delete(tree, key) => (tree, key.0),
        }
    }

    /// The key that changes, and whether it holds something afterwards.
    pub(super) fn change(&self) -> (Tree, &'a [u8], bool) {
        let (tree, key) = self.key();
        (tree, key, matches!(self, Logged::Put(..)))
    }

    /// What the key holds afterwards.
    pub(super) fn value(&self) -> Option<&'a [u8]> {
        match *self {
            Logged::Put(_, _, value) => Some(value.0),
            Logged::Delete(..) => None,
        }
    }
}

/// Bytes that serde moves in one piece rather than one by one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Bytes<'a>(pub(super) &'a [u8]);

impl Serialize for Bytes<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_bytes(self.0)
    }
}

impl<'de: 'a, 'a> Deserialize<'de> for Bytes<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Bytes<'a>, D::Error> {
        <&'a [u8]>::deserialize(deserializer).map(Bytes)
    }
}
