//! Decides a group of batches: which are accepted, and what exactly each of them writes.
//!
//! Batches of one group see each other in order, as if each had been committed alone.

use std::collections::HashMap;
use std::ops::ControlFlow;

use super::index::Index;
use super::logged::{Bytes, Logged};
use crate::store::chain::{Heads, Linked};
use crate::store::{self, Batch, Error, Record, Requirement, Revision, Tree, Write};

/// The decision on a group. It borrows the batches: no key or value is copied.
#[derive(Debug, Default)]
pub(super) struct Decision<'g> {
    /// What is written, in order of revisions.
    pub(super) accepted: Vec<Accepted<'g>>,
    /// The answer to each batch, once the group is durable.
    pub(super) answers: Vec<Result<Revision, Error>>,
    /// The newest records of the chains that grow.
    pub(super) heads: Heads,
}

/// The writes of one accepted batch.
#[derive(Debug)]
pub(super) struct Accepted<'g> {
    /// Its number.
    pub(super) revision: Revision,
    /// Whether the feed tells of it.
    pub(super) is_announced: bool,
    writes: Vec<Resolved<'g>>,
    /// What was appended to chains; no other write may have the same key.
    linked: Vec<Linked>,
}

impl Accepted<'_> {
    /// The writes, in order.
    pub(super) fn writes(&self) -> impl ExactSizeIterator<Item = Logged<'_>> {
        let own = self.writes.len();
        (0..own + self.linked.len()).map(move |place| match self.writes.get(place) {
            Some(write) => write.logged(),
            None => {
                let new = &self.linked[place - own];
                Logged::Put(new.tree, Bytes(&new.key), Bytes(&new.value))
            }
        })
    }
}

/// A write whose outcome no longer depends on what is there.
#[derive(Debug, Clone, Copy)]
struct Resolved<'g> {
    tree: Tree,
    key: &'g [u8],
    value: Option<Value<'g>>,
}

impl Resolved<'_> {
    fn logged(&self) -> Logged<'_> {
        match &self.value {
            Some(value) => Logged::Put(self.tree, Bytes(self.key), Bytes(value.bytes())),
            None => Logged::Delete(self.tree, Bytes(self.key)),
        }
    }
}

#[derive(Debug, Clone, Copy)]
enum Value<'g> {
    Bytes(&'g [u8]),
    Counter([u8; 8]),
}

impl Value<'_> {
    fn bytes(&self) -> &[u8] {
        match self {
            Value::Bytes(bytes) => bytes,
            Value::Counter(total) => total,
        }
    }
}

type Key<'g> = (Tree, &'g [u8]);
/// What a key holds, and since which commit.
type Standing<'g> = (Revision, Option<Value<'g>>);

/// Decides `batches`, the first of which becomes the commit after `last`. `Err` entries of `refused`
/// stand already; `heads` are the newest records of chains, as far as they are known.
pub(super) fn decide<'g>(
    index: &Index,
    last: Revision,
    heads: &Heads,
    batches: impl ExactSizeIterator<Item = Result<&'g Batch, Error>>,
) -> Decision<'g> {
    let alone = batches.len() == 1;
    let mut group =
        Group { index, overlay: HashMap::new(), heads: Heads::default(), known: heads, last, alone };
    let mut decision = Decision::default();
    decision.accepted.reserve(batches.len());
    decision.answers.reserve(batches.len());
    for batch in batches {
        let answer = batch.and_then(|batch| group.accept(batch));
        decision.answers.push(match answer {
            Ok(accepted) => {
                let revision = accepted.revision;
                decision.accepted.push(accepted);
                Ok(revision)
            }
            Err(e) => Err(e),
        });
    }
    decision.heads = group.heads;
    decision
}

struct Group<'g, 'i> {
    index: &'i Index,
    /// What the accepted batches of this group leave behind.
    overlay: HashMap<Key<'g>, Standing<'g>>,
    /// The newest records of the chains to which they appended.
    heads: Heads,
    /// Those from before the group, as far as they are known.
    known: &'i Heads,
    last: Revision,
    /// Whether nobody will ask for the overlay.
    alone: bool,
}

impl<'g> Group<'g, '_> {
    fn accept(&mut self, batch: &'g Batch) -> Result<Accepted<'g>, Error> {
        for requirement in batch.requirements() {
            self.check(requirement)?;
        }
        let writes = self.resolve(batch)?;
        // The last that may fail: heads move with batches that are accepted only.
        let linked = self.append(batch)?;
        self.last.0 += 1;
        let revision = self.last;
        if !self.alone {
            self.overlay.extend(writes.iter().map(|w| ((w.tree, w.key), (revision, w.value))));
        }
        Ok(Accepted { revision, is_announced: batch.is_announced(), writes, linked })
    }

    fn append(&mut self, batch: &'g Batch) -> Result<Vec<Linked>, Error> {
        let (mut moved, mut linked) = (Heads::default(), Vec::new());
        let known = [self.known, &self.heads];
        let mut first = |tree, range: &[u8]| self.first(tree, range);
        for write in batch.writes() {
            if let Write::Append(append) = write {
                append.resolve(&mut moved, &known, &mut first, &mut linked)?;
            }
        }
        self.heads.update(moved);
        Ok(linked)
    }

    /// The first record of a range, of those from before the group.
    fn first(&self, tree: Tree, range: &[u8]) -> Result<Option<Record>, Error> {
        let mut first = None;
        self.index.walk(tree, range, None, |record| {
            first = Some(record);
            ControlFlow::Break(())
        })?;
        Ok(first)
    }

    fn check(&self, requirement: &'g Requirement) -> Result<(), Error> {
        let holds = match requirement {
            Requirement::Absent(tree, key) => self.revision((*tree, key))?.is_none(),
            Requirement::Version(tree, key, seen) => self.revision((*tree, key))? == Some(*seen),
        };
        if holds { Ok(()) } else { Err(Error::Conflict) }
    }

    fn revision(&self, key: Key<'g>) -> Result<Option<Revision>, Error> {
        match self.overlay.get(&key) {
            Some((revision, value)) => Ok(value.map(|_| *revision)),
            None => self.index.revision(key.0, key.1),
        }
    }

    fn resolve(&self, batch: &'g Batch) -> Result<Vec<Resolved<'g>>, Error> {
        let mut resolved: Vec<Resolved<'g>> = Vec::with_capacity(batch.writes().len());
        // Only an addition looks at what its own batch wrote before it.
        let mut own: HashMap<Key<'g>, Option<Value<'g>>> = HashMap::new();
        let adds = batch.writes().iter().any(|w| matches!(w, Write::Add(..)));
        for write in batch.writes() {
            let (tree, key, value) = match write {
                Write::Put(tree, key, value) => (*tree, key, Some(Value::Bytes(value))),
                Write::Delete(tree, key) => (*tree, key, None),
                Write::Append(_) => continue,
                Write::Add(tree, key, amount) => {
                    let before = match own.get(&(*tree, key.as_slice())) {
                        Some(value) => total(value.as_ref())?,
                        None => self.total((*tree, key))?,
                    };
                    (*tree, key, Some(Value::Counter(store::encode_counter(sum(before, *amount)?))))
                }
            };
            if adds {
                own.insert((tree, key), value);
            }
            resolved.push(Resolved { tree, key, value });
        }
        Ok(resolved)
    }

    /// The total of a counter before this batch.
    fn total(&self, key: Key<'g>) -> Result<i64, Error> {
        match self.overlay.get(&key) {
            Some((_, value)) => total(value.as_ref()),
            None => match self.index.get(key.0, key.1)? {
                Some(record) => store::decode_counter(&record.value),
                None => Ok(0),
            },
        }
    }
}

fn total(value: Option<&Value<'_>>) -> Result<i64, Error> {
    value.map_or(Ok(0), |value| store::decode_counter(value.bytes()))
}

fn sum(before: i64, amount: i64) -> Result<i64, Error> {
    before.checked_add(amount).ok_or_else(|| Error::Damaged("a counter has left its range".into()))
}
