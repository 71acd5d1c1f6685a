//! Where the trail's entries are: for each chain, four bytes for each number.

use std::collections::BTreeMap;
use std::num::NonZeroU32;
use std::ops::Bound;

use crate::store::key::{self, AuditPlace};
use crate::store::{Tree, chain};

/// Where an entry begins in the file, in [`UNIT`](super::UNIT)s.
pub(in crate::store::embedded) type Slot = NonZeroU32;

/// An entry's chain and its number there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::store::embedded) struct Place<'k> {
    chain: &'k [u8],
    number: u64,
}

/// Where a key belongs that is an entry's; `None` for one that belongs into sled.
///
/// A chain's name has one segment, as all have that audit entries are in. So no chain's keys are among those
/// of another, and a walk takes one after the other.
pub(in crate::store::embedded) fn place(tree: Tree, key: &[u8]) -> Option<Place<'_>> {
    if tree != Tree::Audit {
        return None;
    }
    let Ok(AuditPlace::Chain(chain)) = key::audit_place(key) else { return None };
    let is_one_segment = chain.iter().position(|byte| *byte == b'/').is_some_and(|at| at + 1 == chain.len());
    let number = whole(&key[chain.len()..])?;
    is_one_segment.then_some(Place { chain, number })
}

/// The number that these digits are; `None` also for another spelling of it, which would not come back.
fn whole(text: &[u8]) -> Option<u64> {
    chain::number(text).ok().filter(|number| digits(*number) == text)
}

/// What a key ends with.
fn digits(number: u64) -> [u8; DIGITS] {
    chain::key(&[], number).try_into().expect("a key of no chain is its number")
}

const DIGITS: usize = 16;

/// All entries' slots.
#[derive(Debug, Default)]
pub(super) struct Slots(BTreeMap<Vec<u8>, Chain>);

/// A chain's slots in pages, as numbers come in any order and old ones go.
#[derive(Debug, Default)]
struct Chain(BTreeMap<u64, Box<Page>>);

const PAGE: usize = 128;

type Page = [Option<Slot>; PAGE];

impl Slots {
    /// Says where an entry is.
    pub(super) fn put(&mut self, place: Place<'_>, slot: Slot) {
        match self.0.get_mut(place.chain) {
            Some(chain) => chain.put(place.number, slot),
            None => self.0.entry(place.chain.to_vec()).or_default().put(place.number, slot),
        }
    }

    /// Says that there is none.
    pub(super) fn clear(&mut self, place: Place<'_>) {
        if let Some(chain) = self.0.get_mut(place.chain) {
            chain.clear(place.number);
            if chain.0.is_empty() {
                self.0.remove(place.chain);
            }
        }
    }

    pub(super) fn get(&self, place: Place<'_>) -> Option<Slot> {
        let (page, at) = split(place.number);
        self.0.get(place.chain)?.0.get(&page)?[at]
    }

    /// The first entry, in the order of keys, that is not before `from`.
    pub(super) fn first(&self, from: Bound<&[u8]>) -> Option<(Vec<u8>, Slot)> {
        let (from_key, is_excluded) = match from {
            Bound::Included(key) => (key, false),
            Bound::Excluded(key) => (key, true),
            Bound::Unbounded => (&[] as &[u8], false),
        };
        // The only chain that the key can be inside of: none has a name that begins with another's.
        let around = self.0.range::<[u8], _>((Bound::Unbounded, Bound::Included(from_key))).next_back();
        if let Some((name, chain)) = around
            && let Some(rest) = from_key.strip_prefix(name.as_slice())
        {
            let highest = match whole(rest) {
                Some(number) => number.checked_sub(u64::from(is_excluded)),
                None => largest(|number| digits(number).as_slice() > rest),
            };
            if let Some((number, slot)) = highest.and_then(|highest| chain.last(highest)) {
                return Some((chain::key(name, number), slot));
            }
        }
        let behind = self.0.range::<[u8], _>((Bound::Excluded(from_key), Bound::Unbounded)).next();
        let (name, chain) = behind?;
        chain.last(u64::MAX).map(|(number, slot)| (chain::key(name, number), slot))
    }
}

impl Chain {
    fn put(&mut self, number: u64, slot: Slot) {
        let (page, at) = split(number);
        self.0.entry(page).or_insert_with(|| Box::new([None; PAGE]))[at] = Some(slot);
    }

    fn clear(&mut self, number: u64) {
        let (number, at) = split(number);
        if let Some(page) = self.0.get_mut(&number) {
            page[at] = None;
            if page.iter().all(Option::is_none) {
                self.0.remove(&number);
            }
        }
    }

    /// The last entry whose number is not above `highest`.
    fn last(&self, highest: u64) -> Option<(u64, Slot)> {
        let (last, end) = split(highest);
        self.0.range(..=last).rev().find_map(|(number, page)| {
            let end = if *number == last { end } else { PAGE - 1 };
            let at = page[..=end].iter().rposition(Option::is_some)?;
            Some((number * PAGE as u64 + at as u64, page[at]?))
        })
    }
}

/// The page of a number, and its place there.
fn split(number: u64) -> (u64, usize) {
    (number / PAGE as u64, (number % PAGE as u64) as usize)
}

/// The largest number for which it holds, where it holds for all below that too.
fn largest(holds: impl Fn(u64) -> bool) -> Option<u64> {
    if !holds(0) {
        return None;
    }
    let (mut yes, mut no) = (0, u64::MAX);
    if holds(no) {
        return Some(no);
    }
    while no - yes > 1 {
        let middle = yes + (no - yes) / 2;
        if holds(middle) { yes = middle } else { no = middle }
    }
    Some(yes)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn slot(number: usize) -> Slot {
        Slot::new(u32::try_from(number + 1).unwrap()).unwrap()
    }

    fn keys() -> Vec<Vec<u8>> {
        let numbers = [0, 1, 5, 127, 128, 129, 1000, 1 << 40, u64::MAX - 1, u64::MAX];
        let chains: [&[u8]; 5] = [b"a/", b"a-b/", b"ab/", b"b/", b"\xff/"];
        chains.iter().flat_map(|chain| numbers.map(|number| chain::key(chain, number))).collect()
    }

    /// Places from which a walk may begin: before, at, inside of and behind keys.
    fn starts() -> Vec<Vec<u8>> {
        let mut starts = vec![b"".to_vec(), b"a/g".to_vec(), b"zzz".to_vec(), b"\xff\xff".to_vec()];
        for key in keys() {
            starts.extend((1..=key.len()).map(|len| key[..len].to_vec()));
            starts.push([key.as_slice(), b"x"].concat());
            starts.push(chain::key(&key[..key.len() - DIGITS], 100));
        }
        starts
    }

    #[test]
    fn the_first_from_anywhere_on_is_the_one_that_an_ordered_map_has() {
        let (mut slots, mut model) = (Slots::default(), BTreeMap::new());
        let check = |slots: &Slots, model: &BTreeMap<Vec<u8>, Slot>| {
            for start in starts() {
                for from in [Bound::Included(start.as_slice()), Bound::Excluded(start.as_slice())] {
                    let expected = model.range::<[u8], _>((from, Bound::Unbounded)).next();
                    let expected = expected.map(|(key, slot)| (key.clone(), *slot));
                    assert_eq!(slots.first(from), expected, "{from:?}");
                }
            }
        };
        // Neither in order nor against it.
        let mut keys = keys();
        keys.sort_by_key(|key| crc32c::crc32c(key));
        for (number, key) in keys.iter().enumerate() {
            slots.put(place(Tree::Audit, key).unwrap(), slot(number));
            model.insert(key.clone(), slot(number));
            assert_eq!(slots.get(place(Tree::Audit, key).unwrap()), Some(slot(number)));
        }
        check(&slots, &model);
        for key in keys.iter().step_by(2).chain(&keys[..20]) {
            slots.clear(place(Tree::Audit, key).unwrap());
            model.remove(key);
            assert_eq!(slots.get(place(Tree::Audit, key).unwrap()), None);
        }
        check(&slots, &model);
        for key in &keys {
            slots.clear(place(Tree::Audit, key).unwrap());
        }
        assert!(slots.0.is_empty(), "what is gone takes no memory");
    }

    #[test]
    fn only_entries_of_chains_have_a_place() {
        let (org, environment) = (crate::model::Id::from_bytes([7; 12]), crate::model::Environment::test());
        for org in [None, Some(org)] {
            let chain = key::audit_chain(org);
            let entry = chain::key(&chain, 9);
            assert_eq!(place(Tree::Audit, &entry), Some(Place { chain: &chain, number: 9 }));
            assert_eq!(place(Tree::Values, &entry), None);
            assert_eq!(place(Tree::Audit, &key::audit_checkpoint(org)), None);
        }
        let view = chain::key(&key::audit_environment(org, &environment), 9);
        for other in
            [view.as_slice(), b"", b"c/", b"c/+000000000000001", b"c/FFFFFFFFFFFFFFFE", b"0123456789abcdef"]
        {
            assert_eq!(place(Tree::Audit, other), None, "{other:?}");
        }
        assert_eq!(place(Tree::Audit, &chain::key(b"c/d", 9)), None);
        assert_eq!(place(Tree::Audit, &chain::key(b"c/d/", 9)), None);
    }
}
