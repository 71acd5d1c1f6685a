//! Healing: an index, or a base, that turned out to be broken is made anew from what is whole. What was found
//! stays noted in the file `healed`: the time, then what it was, a line each.

use std::path::Path;

use parking_lot::Mutex;

use super::files;
use crate::model::Timestamp;

const NAME: &str = "healed";

/// The last time that something broken was made anew.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Healing {
    /// When.
    pub at: String,
    /// What was found.
    pub found: String,
}

/// Notes what was found and is whole again.
pub(super) fn note(dir: &Path, found: &str) {
    let text = format!("{}\n{}\n", Timestamp::now(), found.replace('\n', " "));
    if let Err(e) = files::replace(dir, NAME, text.as_bytes()) {
        tracing::warn!("what was healed could not be noted: {e}");
    }
}

/// What was noted last; nothing where the note cannot be read.
pub(super) fn last(dir: &Path) -> Option<Healing> {
    let text = std::fs::read_to_string(dir.join(NAME)).ok()?;
    let (at, found) = text.trim_end().split_once('\n')?;
    Some(Healing { at: at.into(), found: found.into() })
}

/// Whether the index in use is broken, as far as anybody met it.
#[derive(Debug, Default)]
pub(super) struct Suspicion(Mutex<Suspected>);

#[derive(Debug, Default)]
enum Suspected {
    #[default]
    Nothing,
    Broken(String),
    /// It could not be made anew: the next start has to.
    GivenUp,
}

impl Suspicion {
    /// Says that a read met something broken. True when nobody had before.
    pub(super) fn raise(&self, why: &str) -> bool {
        let mut suspected = self.0.lock();
        let first = matches!(*suspected, Suspected::Nothing);
        if first {
            *suspected = Suspected::Broken(why.into());
        }
        first
    }

    /// What was met, if anything was that could be healed.
    pub(super) fn broken(&self) -> Option<String> {
        match &*self.0.lock() {
            Suspected::Broken(why) => Some(why.clone()),
            Suspected::Nothing | Suspected::GivenUp => None,
        }
    }

    /// Whether something was met that is not healed.
    pub(super) fn stands(&self) -> bool {
        !matches!(*self.0.lock(), Suspected::Nothing)
    }

    /// Ends it: the index was made anew, or could not be.
    pub(super) fn settle(&self, healed: bool) {
        *self.0.lock() = if healed { Suspected::Nothing } else { Suspected::GivenUp };
    }
}
