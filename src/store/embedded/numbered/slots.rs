//! Where numbered records are: four bytes for each.

use std::collections::{BTreeMap, VecDeque};
use std::num::NonZeroU32;
use std::ops::Bound;

use crate::store::key::{self, AuditPlace};
use crate::store::{Tree, chain};

/// Where a record begins in the file, in [`UNIT`](super::UNIT)s.
pub(in crate::store::embedded) type Slot = NonZeroU32;

/// What a record is numbered in, and its number there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::store::embedded) struct Place<'k> {
    tree: Tree,
    /// What the keys of the chain, or of the value's versions, begin with.
    range: &'k [u8],
    number: u64,
}

/// Whether a tree may have numbered records.
pub(in crate::store::embedded) fn covers(tree: Tree) -> bool {
    segments(tree).is_some()
}

/// How many segments the ranges of a tree have that has numbered records. As all have as many, none is inside of
/// another: a walk takes one after the other.
fn segments(tree: Tree) -> Option<usize> {
    match tree {
        Tree::Audit => Some(1),
        Tree::ValueVersions => Some(2),
        _ => None,
    }
}

/// Where a key belongs that is a numbered record's; `None` for one that belongs into sled.
pub(in crate::store::embedded) fn place(tree: Tree, key: &[u8]) -> Option<Place<'_>> {
    let segments = segments(tree)?;
    let range = chain::range(key).ok()?;
    let has_segments =
        range.ends_with(b"/") && range.iter().filter(|byte| **byte == b'/').count() == segments;
    let is_entry = || tree != Tree::Audit || matches!(key::audit_place(key), Ok(AuditPlace::Chain(_)));
    let number = whole(&key[range.len()..])?;
    (has_segments && is_entry()).then_some(Place { tree, range, number })
}

/// The number that these digits are; `None` also for another spelling of it, which would not come back.
fn whole(text: &[u8]) -> Option<u64> {
    chain::number(text).ok().filter(|number| digits(*number) == text)
}

/// What a key ends with.
fn digits(number: u64) -> [u8; DIGITS] {
    chain::key(&[], number).try_into().expect("a key of no range is its number")
}

const DIGITS: usize = 16;

/// All slots.
#[derive(Debug, Default)]
pub(super) struct Slots {
    entries: Ranges,
    versions: Ranges,
    /// How many records there are.
    len: u64,
}

type Ranges = BTreeMap<Box<[u8]>, Numbers>;

/// The slots of a range, in pages with their numbers in order: they come in any order, and old ones go.
#[derive(Debug, Default)]
struct Numbers(VecDeque<(u64, Box<Page>)>);

const PAGE: usize = 16;

type Page = [Option<Slot>; PAGE];

impl Slots {
    fn of(&self, tree: Tree) -> &Ranges {
        if tree == Tree::Audit { &self.entries } else { &self.versions }
    }

    fn of_mut(&mut self, tree: Tree) -> &mut Ranges {
        if tree == Tree::Audit { &mut self.entries } else { &mut self.versions }
    }

    /// Says where a record is.
    pub(super) fn put(&mut self, place: Place<'_>, slot: Slot) {
        let ranges = self.of_mut(place.tree);
        let before = match ranges.get_mut(place.range) {
            Some(numbers) => numbers.put(place.number, slot),
            None => ranges.entry(place.range.into()).or_default().put(place.number, slot),
        };
        self.len += u64::from(before.is_none());
    }

    /// Says that there is none.
    pub(super) fn clear(&mut self, place: Place<'_>) {
        let ranges = self.of_mut(place.tree);
        let Some(numbers) = ranges.get_mut(place.range) else { return };
        let before = numbers.clear(place.number);
        if numbers.0.is_empty() {
            ranges.remove(place.range);
        }
        self.len -= u64::from(before.is_some());
    }

    pub(super) fn len(&self) -> u64 {
        self.len
    }

    pub(super) fn get(&self, place: Place<'_>) -> Option<Slot> {
        let (page, at) = split(place.number);
        let numbers = self.of(place.tree).get(place.range)?;
        numbers.0[numbers.page(page).ok()?].1[at]
    }

    /// The first record of a tree, in the order of keys, that is not before `from`.
    pub(super) fn first(&self, tree: Tree, from: Bound<&[u8]>) -> Option<(Vec<u8>, Slot)> {
        let (from_key, is_excluded) = match from {
            Bound::Included(key) => (key, false),
            Bound::Excluded(key) => (key, true),
            Bound::Unbounded => (&[] as &[u8], false),
        };
        let ranges = self.of(tree);
        // The only range that the key can be inside of: none begins with another.
        let around = ranges.range::<[u8], _>((Bound::Unbounded, Bound::Included(from_key))).next_back();
        if let Some((range, numbers)) = around
            && let Some(rest) = from_key.strip_prefix(&**range)
        {
            let highest = match whole(rest) {
                Some(number) => number.checked_sub(u64::from(is_excluded)),
                None => largest(|number| digits(number).as_slice() > rest),
            };
            if let Some((number, slot)) = highest.and_then(|highest| numbers.last(highest)) {
                return Some((chain::key(range, number), slot));
            }
        }
        let (range, numbers) =
            ranges.range::<[u8], _>((Bound::Excluded(from_key), Bound::Unbounded)).next()?;
        numbers.last(u64::MAX).map(|(number, slot)| (chain::key(range, number), slot))
    }
}

impl Numbers {
    /// Where a page is, or would be.
    fn page(&self, page: u64) -> Result<usize, usize> {
        self.0.binary_search_by_key(&page, |(page, _)| *page)
    }

    /// Returns what stood there before, as [`Numbers::clear`] does.
    fn put(&mut self, number: u64, slot: Slot) -> Option<Slot> {
        let (page, at) = split(number);
        let place = self.page(page).unwrap_or_else(|place| {
            self.0.insert(place, (page, Box::new([None; PAGE])));
            place
        });
        self.0[place].1[at].replace(slot)
    }

    fn clear(&mut self, number: u64) -> Option<Slot> {
        let (page, at) = split(number);
        let place = self.page(page).ok()?;
        let page = &mut self.0[place].1;
        let before = page[at].take();
        if page.iter().all(Option::is_none) {
            self.0.remove(place);
        }
        before
    }

    /// The last record whose number is not above `highest`.
    fn last(&self, highest: u64) -> Option<(u64, Slot)> {
        let (last, end) = split(highest);
        let pages = match self.page(last) {
            Ok(place) => place + 1,
            Err(place) => place,
        };
        self.0.range(..pages).rev().find_map(|(page, slots)| {
            let end = if *page == last { end } else { PAGE - 1 };
            let at = slots[..=end].iter().rposition(Option::is_some)?;
            Some((page * PAGE as u64 + at as u64, slots[at]?))
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
                    assert_eq!(slots.first(Tree::Audit, from), expected, "{from:?}");
                }
            }
            assert_eq!(slots.len(), model.len() as u64);
        };
        // Neither in order nor against it.
        let mut keys = keys();
        keys.sort_by_key(|key| crc32c::crc32c(key));
        for (number, key) in keys.iter().enumerate() {
            // The first one is replaced.
            slots.put(place(Tree::Audit, key).unwrap(), slot(0));
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
        assert!(slots.entries.is_empty(), "what is gone takes no memory");
        assert_eq!(slots.len(), 0);
    }

    #[test]
    fn only_entries_of_chains_and_versions_have_a_place() {
        let (id, environment) = (crate::model::Id::from_bytes([7; 12]), crate::model::Environment::test());
        for org in [None, Some(id)] {
            let chain = key::audit_chain(org);
            let entry = chain::key(&chain, 9);
            assert_eq!(
                place(Tree::Audit, &entry),
                Some(Place { tree: Tree::Audit, range: &chain, number: 9 })
            );
            assert_eq!(place(Tree::Values, &entry), None);
            assert_eq!(place(Tree::Audit, &key::audit_checkpoint(org)), None);
        }
        let view = chain::key(&key::audit_environment(id, &environment), 9);
        for other in
            [view.as_slice(), b"", b"c/", b"c/+000000000000001", b"c/FFFFFFFFFFFFFFFE", b"0123456789abcdef"]
        {
            assert_eq!(place(Tree::Audit, other), None, "{other:?}");
        }
        let version = key::value_version(id, id, 3);
        let range = &version[..version.len() - DIGITS];
        let tree = Tree::ValueVersions;
        assert_eq!(place(tree, &version), Some(Place { tree, range, number: 3 }));
        assert_eq!(place(tree, &chain::key(b"c/", 9)), None);
        assert_eq!(place(Tree::Audit, &version), None);
        assert_eq!(place(Tree::Audit, &chain::key(b"c/d", 9)), None);
        assert_eq!(place(Tree::Audit, &chain::key(b"c/d/", 9)), None);
    }
}
