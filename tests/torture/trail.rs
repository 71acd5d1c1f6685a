//! What the audit trail has to say of the requests that were made, and whether it says just that.
//!
//! An entry bears the id of its request. So the trail alone tells which requests took effect, and in which
//! order: every acknowledged one must be there once, none that was refused, and none that nobody made. What a value
//! holds, and held before, then follows from it.

use std::collections::hash_map::DefaultHasher;
use std::collections::{BTreeMap, HashMap, HashSet};
use std::hash::{Hash, Hasher};

use serde_json::Value;

use crate::promises::Moments;
use crate::support::Client;

/// How many versions of a value are kept.
pub(crate) const KEPT: usize = 10;

/// What a request does, where it takes effect.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Act {
    /// Sets the value of a key to a text with this fingerprint.
    Set(String, u64),
    /// Deletes the value of a key.
    Delete(String),
    /// Hands out the plaintext of something encrypted.
    Reveal,
    /// Makes a definition.
    Define,
}

/// What a request's client knows of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// It was acknowledged.
    Done,
    /// It was refused.
    Refused,
    /// No answer says.
    Open,
}

#[derive(Debug, Clone)]
pub(crate) struct Asked {
    pub(crate) request: String,
    pub(crate) act: Act,
    pub(crate) outcome: Outcome,
    /// Acknowledged before a cut, and so whatever is cut later.
    kept: bool,
}

/// The requests of one client that may have left an entry, in their order.
#[derive(Debug, Clone, Default)]
pub(crate) struct Ledger {
    asked: Vec<Asked>,
    /// How many of them the trail was asked about.
    judged: usize,
}

impl Ledger {
    /// A request is about to be sent.
    pub(crate) fn ask(&mut self, request: &str, act: Act) {
        let request = request.to_owned();
        self.asked.push(Asked { request, act, outcome: Outcome::Open, kept: false });
    }

    /// The last one was answered so.
    pub(crate) fn answered(&mut self, outcome: Outcome) {
        self.asked.last_mut().expect("it was asked").outcome = outcome;
    }

    /// Goes back to what was acknowledged at the moment `cut`. `is_judged` where the trail's answer was, too.
    pub(crate) fn rewind(&mut self, cut: usize, moments: Moments<'_>, is_judged: bool) {
        if is_judged {
            self.asked.drain(..self.judged);
        }
        self.judged = 0;
        for asked in self.asked.iter_mut().filter(|asked| asked.outcome == Outcome::Done && !asked.kept) {
            asked.kept = moments(&asked.request).is_some_and(|moment| moment <= cut);
            if !asked.kept {
                asked.outcome = Outcome::Open;
            }
        }
    }

    /// All of them; from now on they are judged.
    pub(crate) fn judge(&mut self) -> &[Asked] {
        self.judged = self.asked.len();
        &self.asked
    }
}

/// A text in short.
pub(crate) fn fingerprint(text: &str) -> u64 {
    let mut hasher = DefaultHasher::new();
    text.hash(&mut hasher);
    hasher.finish()
}

/// What of an entry is looked at.
#[derive(Debug, Clone)]
pub(crate) struct Entry {
    pub(crate) number: u64,
    pub(crate) hash: String,
    pub(crate) event: String,
    pub(crate) entity: String,
    pub(crate) request: Option<String>,
    /// The account that it concerns.
    account: String,
    /// Whether the key of the environment may see it.
    pub(crate) is_in_view: bool,
}

impl Entry {
    fn of(entry: &Value) -> Entry {
        let text = |value: &Value| value.as_str().map(ToOwned::to_owned);
        let environment = &entry["environment"];
        Entry {
            number: entry["seq"].as_u64().expect("a number"),
            hash: text(&entry["hash"]).expect("a hash"),
            event: text(&entry["event"]).expect("an event"),
            entity: text(&entry["entity"]["id"]).unwrap_or_default(),
            request: text(&entry["request_id"]),
            account: text(&entry["linked_account_id"]).unwrap_or_default(),
            is_in_view: environment == "test"
                || environment.is_null() && entry["entity"]["type"] != "api_key",
        }
    }
}

/// A value as the trail tells it.
#[derive(Debug, Clone, Default)]
pub(crate) struct History {
    pub(crate) id: String,
    /// The fingerprints of its texts, by version from 1 on; none where there is no value.
    pub(crate) texts: Vec<u64>,
}

/// The trail of an organization up to an entry, and what it tells.
#[derive(Debug, Clone, Default)]
pub(crate) struct Trail {
    number: u64,
    hash: String,
    in_view: u64,
    pub(crate) values: BTreeMap<String, History>,
}

impl Trail {
    /// The trail as it is, of which nothing is asked.
    pub(crate) fn begin(api: &Client, all: &Client) -> Trail {
        let newest = page(all, 1, 1, "");
        let entry = Entry::of(&newest["docs"][0]);
        let in_view = page(api, 1, 1, "")["totalDocs"].as_u64().expect("a total");
        Trail { number: entry.number, hash: entry.hash, in_view, values: BTreeMap::new() }
    }

    /// The entries after this trail's last, oldest first; checks that that one is still there, and the total.
    pub(crate) fn read(&self, all: &Client, request: &str) -> Vec<Entry> {
        let mut found: Vec<Entry> = Vec::new();
        for number in 1.. {
            let page = page(all, number, 1000, request);
            let docs = page["docs"].as_array().expect("docs");
            found.extend(docs.iter().map(Entry::of));
            let newest = found.first().map_or(0, |entry| entry.number);
            assert_eq!(page["totalDocs"], newest, "LOST: the total of the trail is wrong");
            if docs.is_empty() || found.last().is_some_and(|entry| entry.number <= self.number) {
                break;
            }
        }
        let at = found.iter().find(|entry| entry.number == self.number);
        let hash = at.map(|entry| entry.hash.as_str());
        assert_eq!(hash, Some(self.hash.as_str()), "LOST: entry {} of the trail", self.number);
        found.retain(|entry| entry.number > self.number);
        found.reverse();
        found
    }

    /// Checks that the environment's key is shown as many entries as it may see.
    pub(crate) fn check_view(&self, api: &Client) {
        let total = page(api, 1, 1, "")["totalDocs"].as_u64().expect("a total");
        assert_eq!(total, self.in_view, "LOST: entries in the view of the environment");
    }

    /// What this trail becomes by `entries`, where they are just those that clients who asked this must find.
    ///
    /// # Errors
    /// What is lost, or too much.
    pub(crate) fn after(&self, entries: &[Entry], clients: &[&[Asked]]) -> Result<Trail, String> {
        let mut asked = HashMap::new();
        for (client, all) in clients.iter().enumerate() {
            asked.extend(
                all.iter().enumerate().map(|(place, one)| (one.request.as_str(), (client, place, one))),
            );
        }
        let mut trail = self.clone();
        let (mut seen, mut last) = (HashSet::new(), HashMap::new());
        for entry in entries {
            if entry.number != trail.number + 1 {
                return Err(format!("entry {} stands where {} must", entry.number, trail.number + 1));
            }
            trail.number = entry.number;
            trail.hash.clone_from(&entry.hash);
            trail.in_view += u64::from(entry.is_in_view);
            let Some(request) = entry.request.as_deref() else { continue };
            let Some((client, place, asked)) = asked.get(request) else {
                let is_ours = is_ours(request) || entry.account.starts_with("user_");
                match is_ours {
                    true => return Err(format!("{entry:?} is of a request that leaves none")),
                    false => continue,
                }
            };
            if asked.outcome == Outcome::Refused {
                return Err(format!("{entry:?} is of a request that was refused"));
            }
            // The first value of an account registers it.
            if entry.event == "linked_account.created" && matches!(asked.act, Act::Set(..)) {
                continue;
            }
            if !seen.insert(request) {
                return Err(format!("{entry:?} is the second of its request"));
            }
            if last.insert(client, place).is_some_and(|last| last > place) {
                return Err(format!("{entry:?} is out of order"));
            }
            trail.apply(&asked.act, entry)?;
        }
        let missing =
            |asked: &&Asked| asked.outcome == Outcome::Done && !seen.contains(asked.request.as_str());
        match clients.iter().copied().flatten().find(missing) {
            Some(missing) => Err(format!("{missing:?} was acknowledged, and has no entry")),
            None => Ok(trail),
        }
    }

    fn apply(&mut self, act: &Act, entry: &Entry) -> Result<(), String> {
        let history = match act {
            Act::Set(key, _) | Act::Delete(key) => self.values.entry(key.clone()).or_default(),
            Act::Reveal if entry.event == "variable_value.revealed" => return Ok(()),
            Act::Define if entry.event == "variable_definition.created" => return Ok(()),
            _ => return Err(format!("{entry:?} of {act:?}")),
        };
        let is_there = !history.texts.is_empty();
        match (act, entry.event.as_str()) {
            (Act::Set(_, text), "variable_value.set") if !is_there => {
                history.id.clone_from(&entry.entity);
                history.texts.push(*text);
            }
            (Act::Set(_, text), "variable_value.updated") if is_there && history.id == entry.entity => {
                history.texts.push(*text);
            }
            (Act::Delete(_), "variable_value.deleted") if is_there && history.id == entry.entity => {
                history.texts.clear();
            }
            _ => {
                return Err(format!(
                    "{entry:?} of {act:?}, where there were {} versions",
                    history.texts.len()
                ));
            }
        }
        Ok(())
    }
}

/// Whether a request's id is of this programme's making, rather than the server's.
fn is_ours(request: &str) -> bool {
    request.starts_with("user_") || request.starts_with("read.") || request.starts_with("define.")
}

fn page(api: &Client, page: usize, limit: usize, request: &str) -> Value {
    let asked = api.get("/audit/audit-trails").query("page", &page.to_string());
    let asked = asked.query("limit", &limit.to_string());
    let asked = if request.is_empty() { asked } else { asked.header("x-request-id", request) };
    asked.send().ok()
}
