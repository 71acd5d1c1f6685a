//! Chains: ranges that grow by one record at a time, each bound to all before it.
//!
//! Whoever appends knows neither the number that its entry will have nor the one that comes before: the
//! engine gives both out while it decides a batch, so that appends of concurrent batches never conflict. What
//! is committed are plain records. They are keyed by the chain and the inverted number, so that an ascending
//! scan gives the newest first, and the newest is the first of its range.
//!
//! A *view* is a range that numbers some of a chain's entries by themselves: those of one account, say. What
//! stands next to each other in the chain is one record of it, a *run*: where most entries are in a view, it
//! costs next to nothing.

use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;

use super::{Error, Record, Tree};

/// What binds an entry to all entries before it.
pub type Tag = [u8; 32];

/// The tag before a chain's first entry.
pub const NO_TAG: Tag = [0; 32];

/// Computes tags, with a key that the store does not know.
pub trait Linker: Send + Sync + fmt::Debug + 'static {
    /// The tag of `entry`, which has this number in `chain` and comes after the entry with the tag `before`.
    fn link(&self, chain: &[u8], number: u64, before: &Tag, entry: &[u8]) -> Tag;
}

/// An entry to append.
#[derive(Debug, Clone)]
pub struct Append {
    /// The tree that the chain is in.
    pub tree: Tree,
    /// What the chain's keys begin with.
    pub chain: Vec<u8>,
    /// What is to be kept; its tag is added to it.
    pub entry: Vec<u8>,
    /// What the keys of the views begin with that the entry is in.
    pub views: Vec<Vec<u8>>,
    /// Who computes its tag.
    pub linker: Arc<dyn Linker>,
}

/// The newest entry of a chain.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Head {
    /// Its number: 1 for the first that there ever was, then one more for each.
    pub number: u64,
    /// Its tag.
    pub tag: Tag,
}

/// Entries of a view that stand next to each other in the chain.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Run {
    /// The first one's place in the view: 1 for the first that there ever was.
    pub place: u64,
    /// Its number in the chain.
    pub number: u64,
    /// How many they are.
    pub count: u64,
}

/// A record that an append became.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Linked {
    pub(super) tree: Tree,
    pub(super) key: Vec<u8>,
    pub(super) value: Vec<u8>,
}

/// The newest records as far as they are known, by chain or view.
#[derive(Debug, Default)]
pub(super) struct Heads {
    chains: HashMap<(Tree, Vec<u8>), Head>,
    runs: HashMap<(Tree, Vec<u8>), Run>,
}

/// The first record of a range.
type First<'a> = dyn FnMut(Tree, &[u8]) -> Result<Option<Record>, Error> + 'a;

/// The key of the record with this number in the chain or view `range`.
#[must_use]
pub fn key(range: &[u8], number: u64) -> Vec<u8> {
    let mut key = Vec::with_capacity(range.len() + DIGITS);
    key.extend_from_slice(range);
    let inverted = u64::MAX - number;
    key.extend((0..DIGITS).map(|digit| b"0123456789abcdef"[(inverted >> (60 - 4 * digit) & 15) as usize]));
    key
}

const DIGITS: usize = 16;

/// The number in a key that [`key`] made.
///
/// # Errors
/// [`Error::Damaged`] where it is not such a key.
pub fn number(key: &[u8]) -> Result<u64, Error> {
    let digits = key.last_chunk::<DIGITS>().and_then(|digits| std::str::from_utf8(digits).ok());
    let inverted = digits.and_then(|digits| u64::from_str_radix(digits, 16).ok());
    inverted.map(|inverted| u64::MAX - inverted).ok_or_else(|| damaged("a key of a chain"))
}

/// What a key that [`key`] made begins with: its chain or view.
///
/// # Errors
/// [`Error::Damaged`] where it is not such a key.
pub fn range(key: &[u8]) -> Result<&[u8], Error> {
    number(key)?;
    Ok(&key[..key.len() - DIGITS])
}

/// Entry and tag in the record of a chain.
///
/// # Errors
/// [`Error::Damaged`] where it is too short for a tag.
pub fn split(value: &[u8]) -> Result<(&[u8], &Tag), Error> {
    value.split_last_chunk().ok_or_else(|| damaged("a record of a chain"))
}

fn damaged(what: &str) -> Error {
    Error::Damaged(format!("{what} is not of its form"))
}

impl Head {
    /// What stands before a chain's first record.
    pub const NONE: Head = Head { number: 0, tag: NO_TAG };

    /// The head whose record is `first`, the first of its range.
    ///
    /// # Errors
    /// [`Error::Damaged`] where it is not one of a chain: nothing must be bound to that.
    pub fn of(first: Option<&Record>) -> Result<Head, Error> {
        let Some(first) = first else { return Ok(Head::NONE) };
        let (_, tag) = split(&first.value)?;
        Ok(Head { number: number(&first.key)?, tag: *tag })
    }
}

impl Run {
    /// The run in a view's record.
    ///
    /// # Errors
    /// [`Error::Damaged`] where it is none.
    pub fn of(record: &Record) -> Result<Run, Error> {
        Run::read(&record.key, &record.value)
    }

    /// The run in the record of a view with this key and value.
    ///
    /// # Errors
    /// [`Error::Damaged`] where it is none.
    pub fn read(key: &[u8], value: &[u8]) -> Result<Run, Error> {
        let halves =
            value.split_first_chunk().and_then(|(number, rest)| Some((number, rest.try_into().ok()?)));
        let (number, count) = halves.ok_or_else(|| damaged("a record of a view"))?;
        let (number, count) = (u64::from_be_bytes(*number), u64::from_be_bytes(count));
        let place = self::number(key)?;
        // Whoever reckons with it relies on both.
        let is_one = count > 0 && place.checked_add(count).is_some() && number.checked_add(count).is_some();
        if is_one { Ok(Run { place, number, count }) } else { Err(damaged("a record of a view")) }
    }

    /// The place of its last entry.
    #[must_use]
    pub fn end(&self) -> u64 {
        self.place + self.count - 1
    }

    /// The view's newest run once the entry with this number is in it.
    fn followed_by(newest: Option<Run>, number: u64) -> Run {
        match newest {
            Some(run) if run.number + run.count == number => Run { count: run.count + 1, ..run },
            Some(run) => Run { place: run.end() + 1, number, count: 1 },
            None => Run { place: 1, number, count: 1 },
        }
    }

    fn bytes(self) -> Vec<u8> {
        [self.number.to_be_bytes(), self.count.to_be_bytes()].concat()
    }
}

impl Heads {
    /// The head of a chain: known here, or there, or the first of its range.
    fn head(&self, known: &[&Heads], at: &(Tree, Vec<u8>), first: &mut First<'_>) -> Result<Head, Error> {
        let known = known.iter().rev().find_map(|known| known.chains.get(at));
        match self.chains.get(at).or(known) {
            Some(head) => Ok(*head),
            None => Head::of(first(at.0, &at.1)?.as_ref()),
        }
    }

    fn run(
        &self,
        known: &[&Heads],
        at: &(Tree, Vec<u8>),
        first: &mut First<'_>,
    ) -> Result<Option<Run>, Error> {
        let known = known.iter().rev().find_map(|known| known.runs.get(at));
        match self.runs.get(at).or(known) {
            Some(run) => Ok(Some(*run)),
            None => first(at.0, &at.1)?.as_ref().map(Run::of).transpose(),
        }
    }

    /// Takes over what is newer. So that it stays small, all of the old is forgotten now and then.
    pub(super) fn update(&mut self, newer: Heads) {
        if self.chains.len() + self.runs.len() > MAX_KNOWN {
            *self = Heads::default();
        }
        self.chains.extend(newer.chains);
        self.runs.extend(newer.runs);
    }
}

/// How many newest records are remembered.
const MAX_KNOWN: usize = 16_384;

impl Append {
    /// The records that it becomes. The newest ones before it are among `own`, which its own batch has moved
    /// and which are told what it moves; else among `known`, the last first; else the first of their ranges.
    pub(super) fn resolve(
        &self,
        own: &mut Heads,
        known: &[&Heads],
        first: &mut First<'_>,
        linked: &mut Vec<Linked>,
    ) -> Result<(), Error> {
        let at = (self.tree, self.chain.clone());
        let before = own.head(known, &at, first)?;
        let number = before.number.checked_add(1).ok_or_else(|| damaged("a key of a chain"))?;
        let tag = self.linker.link(&self.chain, number, &before.tag, &self.entry);
        let value = [self.entry.as_slice(), &tag].concat();
        linked.push(Linked { tree: self.tree, key: key(&self.chain, number), value });
        own.chains.insert(at, Head { number, tag });
        for view in &self.views {
            let at = (self.tree, view.clone());
            let run = Run::followed_by(own.run(known, &at, first)?, number);
            linked.push(Linked { tree: self.tree, key: key(view, run.place), value: run.bytes() });
            own.runs.insert(at, run);
        }
        Ok(())
    }

    /// An upper bound of the bytes of its records.
    pub(super) fn weight(&self, framing: usize) -> usize {
        let record = |range: &[u8], value: usize| range.len() + DIGITS + value + framing;
        let views: usize = self.views.iter().map(|view| record(view, 2 * size_of::<u64>())).sum();
        record(&self.chain, self.entry.len() + size_of::<Tag>()) + views
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::Revision;

    #[test]
    fn newer_records_come_first_and_numbers_come_back() {
        let mut keys: Vec<_> = [1, 2, 9, 10, 255, 256, u64::MAX].map(|number| key(b"c/", number)).into();
        assert_eq!(
            keys.iter().map(|key| number(key).unwrap()).collect::<Vec<_>>(),
            [1, 2, 9, 10, 255, 256, u64::MAX]
        );
        keys.reverse();
        assert!(keys.is_sorted());
        let short = Record { key: key(b"c/", 1), value: b"no tag".to_vec(), revision: Revision(1) };
        assert!(matches!(Head::of(Some(&short)), Err(Error::Damaged(_))));
        let run = |place, number: u64, count: u64| {
            Run::read(&key(b"v/", place), &[number.to_be_bytes(), count.to_be_bytes()].concat())
        };
        assert_eq!(run(3, 5, 2).unwrap().end(), 4);
        for (place, number, count) in
            [(1, 1, 0), (0, 0, 0), (2, 1, u64::MAX), (1, u64::MAX, 1), (u64::MAX, 1, 1)]
        {
            assert!(matches!(run(place, number, count), Err(Error::Damaged(_))), "{place} {number} {count}");
        }
        assert!(number(b"c/zz").is_err() && number(&[b"c/".as_slice(), &[b'x'; 16]].concat()).is_err());
    }
}
