//! Whether a history of concurrent operations is one that a single value could have had.
//!
//! Linearizability is hard to decide in general, and easy here, since the answers say in which order the writes took
//! effect: a set answers with the value's id and version, ids sort by creation, and a deletion ends its id. So the
//! states that the value went through are numbered: 0 is its first absence, then come the versions of the
//! first id, the absence that its deletion made, and so on. A read belongs to the state whose (unique)
//! text it returned. Let `index` be that number. Then the history is linearizable if and only if, for all
//! operations a that ended before another, b, began, index(a) ≤ index(b), and index(a) < index(b) where b is a write:
//! if it holds, the order by index, each write before its reads and those by their start, respects real
//! time and is a history of one value; if not, either order of the two contradicts one of them. What only says
//! what the state was not (404, 412) needs one fitting state among those that the others leave possible.
//! It is given the first such one at or after what came before, which constrains later ones least. So one
//! pass in order of the starts decides.

use std::collections::{BTreeMap, HashMap};
use std::time::Duration;

/// One operation, from its request to its answer.
#[derive(Debug, Clone)]
pub(super) struct Operation {
    pub(super) start: Duration,
    pub(super) end: Duration,
    pub(super) did: Did,
}

/// What the answer says.
#[derive(Debug, Clone)]
pub(super) enum Did {
    /// `over` is the version that it required, or none at all.
    Set {
        id: String,
        version: u64,
        text: String,
        over: Option<Option<u64>>,
    },
    Delete {
        id: String,
    },
    Read {
        text: String,
        version: u64,
    },
    Saw(Known),
}

/// What the state was at some moment.
#[derive(Debug, Clone)]
pub(super) enum Known {
    Absent,
    Present,
    NotVersion(u64),
    NotThis(String),
}

/// A state of the value: id and version, or absence.
type State = Option<(String, u64)>;

impl Known {
    fn fits(&self, state: &State) -> bool {
        match (self, state) {
            (Known::Absent, state) => state.is_none(),
            (Known::Present, state) => state.is_some(),
            (Known::NotVersion(version), Some((_, found))) => version != found,
            (Known::NotThis(id), Some((found, _))) => id != found,
            (Known::NotVersion(_) | Known::NotThis(_), None) => true,
        }
    }
}

/// Checks the history of one value that began absent; says what contradicts it.
pub(super) fn check(mut operations: Vec<Operation>) -> Result<(), String> {
    operations.sort_by_key(|operation| operation.start);
    let states = states(&operations)?;
    let place: HashMap<&(String, u64), usize> =
        states.iter().enumerate().filter_map(|(index, state)| Some((state.as_ref()?, index))).collect();
    let mut texts = HashMap::new();
    for operation in &operations {
        if let Did::Set { id, version, text, .. } = &operation.did {
            texts.insert(text.as_str(), place[&(id.clone(), *version)]);
        }
    }
    let mut indexes: Vec<Option<usize>> = Vec::new();
    for operation in &operations {
        indexes.push(match &operation.did {
            Did::Set { id, version, over, .. } => {
                let index = place[&(id.clone(), *version)];
                let before = states[index - 1].as_ref().map(|(_, version)| *version);
                if over.is_some_and(|over| over != before) {
                    return Err(format!("{operation:?} was made over {before:?}"));
                }
                Some(index)
            }
            Did::Delete { id } => {
                let last = states.iter().rposition(|state| state.as_ref().is_some_and(|(of, _)| of == id));
                Some(last.ok_or_else(|| format!("{operation:?} of what nobody made"))? + 1)
            }
            Did::Read { text, version } => {
                let index =
                    *texts.get(text.as_str()).ok_or_else(|| format!("{operation:?} was never set"))?;
                if states[index].as_ref().is_none_or(|(_, of)| of != version) {
                    return Err(format!("{operation:?} has the version of another"));
                }
                Some(index)
            }
            Did::Saw(_) => None,
        });
    }
    in_order(&operations, &indexes, &states)
}

/// All states in their order, from what the writes answered.
fn states(operations: &[Operation]) -> Result<Vec<State>, String> {
    let mut versions: BTreeMap<&String, Vec<u64>> = BTreeMap::new();
    let mut deleted: HashMap<&String, usize> = HashMap::new();
    for operation in operations {
        match &operation.did {
            Did::Set { id, version, .. } => versions.entry(id).or_default().push(*version),
            Did::Delete { id } => *deleted.entry(id).or_default() += 1,
            Did::Read { .. } | Did::Saw(_) => {}
        }
    }
    if let Some((id, _)) = deleted.iter().find(|(_, times)| **times > 1) {
        return Err(format!("{id} was deleted twice"));
    }
    let mut states = vec![None];
    let count = versions.len();
    for (index, (id, mut found)) in versions.into_iter().enumerate() {
        found.sort_unstable();
        if !found.iter().copied().eq(1..=found.len() as u64) {
            return Err(format!("the versions of {id} are {found:?}"));
        }
        states.extend(found.into_iter().map(|version| Some((id.clone(), version))));
        if deleted.contains_key(id) {
            states.push(None);
        } else if index + 1 < count {
            return Err(format!("{id} ended, and nobody deleted it"));
        }
    }
    Ok(states)
}

fn in_order(operations: &[Operation], indexes: &[Option<usize>], states: &[State]) -> Result<(), String> {
    // The highest state that what is still to come leaves possible, by the moment from which on.
    let mut bounds: Vec<(Duration, usize)> = Vec::new();
    let mut least = states.len() - 1;
    for (operation, index) in operations.iter().zip(indexes).rev() {
        if let Some(index) = index {
            least = least.min(if operation.is_write() { index - 1 } else { *index });
        }
        bounds.push((operation.start, least));
    }
    bounds.reverse();
    // The index of each operation that has begun, and when it ended.
    let mut begun: Vec<(Duration, usize)> = Vec::new();
    for (operation, index) in operations.iter().zip(indexes) {
        let ended = begun.iter().filter(|(end, _)| *end < operation.start);
        let from = ended.map(|(_, index)| *index).max().unwrap_or(0);
        let index = match (&operation.did, index) {
            (_, Some(index)) => {
                if *index < from || operation.is_write() && *index == from {
                    return Err(format!("state {index} after state {from} was there: {operation:?}"));
                }
                *index
            }
            (Did::Saw(known), None) => {
                let later = bounds.partition_point(|(start, _)| *start <= operation.end);
                let to = bounds.get(later).map_or(states.len() - 1, |(_, least)| *least);
                let fitting = (from..=to).find(|index| known.fits(&states[*index]));
                fitting.ok_or_else(|| format!("none of the states {from} to {to} fits {operation:?}"))?
            }
            (_, None) => unreachable!("only what was seen has no index of its own"),
        };
        begun.push((operation.end, index));
    }
    Ok(())
}

impl Operation {
    fn is_write(&self) -> bool {
        matches!(self.did, Did::Set { .. } | Did::Delete { .. })
    }
}

/// A check that accepts everything proves nothing: histories that no value could have had.
pub(super) fn check_the_check() {
    let at = |start: u64, end: u64, did: Did| Operation {
        start: Duration::from_millis(start),
        end: Duration::from_millis(end),
        did,
    };
    let set = |id: &str, version: u64, over: Option<Option<u64>>| Did::Set {
        id: id.into(),
        version,
        text: format!("{id}{version}"),
        over,
    };
    let read = |id: &str, version: u64| Did::Read { text: format!("{id}{version}"), version };
    let delete = |id: &str| Did::Delete { id: id.into() };
    let one = || at(1, 2, set("a", 1, None));
    let two = || at(3, 6, set("a", 2, None));
    let wrong = [
        ("a read of what was replaced", vec![one(), two(), at(7, 8, read("a", 1))]),
        (
            "back again",
            vec![one(), two(), at(4, 5, read("a", 2)), at(5, 6, read("a", 1))]
                .into_iter()
                .map(|mut o| {
                    if o.start == Duration::from_millis(5) {
                        o.start = Duration::from_micros(5500)
                    }
                    o
                })
                .collect(),
        ),
        ("a read before its set", vec![one(), at(3, 4, read("a", 2)), at(5, 6, set("a", 2, None))]),
        ("one version twice", vec![one(), at(3, 4, set("a", 1, None))]),
        ("a version lost", vec![one(), at(3, 4, set("a", 3, None))]),
        ("absent while present", vec![one(), at(3, 4, Did::Saw(Known::Absent))]),
        ("present while absent", vec![at(1, 2, Did::Saw(Known::Present)), at(3, 4, set("a", 1, None))]),
        ("deleted twice", vec![one(), at(3, 4, delete("a")), at(5, 6, delete("a"))]),
        ("read after its deletion", vec![one(), at(3, 4, delete("a")), at(5, 6, read("a", 1))]),
        ("over another version", vec![one(), two(), at(7, 8, set("a", 3, Some(Some(1))))]),
        ("new where there was one", vec![one(), at(3, 4, set("a", 2, Some(None)))]),
        ("refused over its version", vec![one(), at(3, 4, Did::Saw(Known::NotVersion(1)))]),
        ("another id without a deletion", vec![one(), at(3, 4, set("b", 1, None))]),
        ("a text that nobody set", vec![one(), at(3, 4, read("b", 1))]),
    ];
    for (what, history) in wrong {
        assert!(check(history).is_err(), "the check accepts {what}");
    }
    let right = vec![
        one(),
        two(),
        at(4, 5, read("a", 2)),
        at(4, 9, read("a", 1)),
        at(7, 9, delete("a")),
        at(8, 20, Did::Saw(Known::Absent)),
        at(10, 11, set("b", 1, Some(None))),
        at(12, 13, Did::Saw(Known::NotThis("a".into()))),
    ];
    check(right).expect("a history of one value");
}
