//! What a store has promised its clients, as of any moment, and the check that it was kept.
//!
//! One client alone changes a key, one request after the other. So what a key may hold is a small set of states:
//! the last acknowledged one, and those that requests without an acknowledgement since then would make. An
//! acknowledgement, and likewise anything that was read, narrows the set; a cut back to an earlier moment
//! takes that away again.

use std::collections::{BTreeMap, HashMap};

use serde_json::{Value, json};

use crate::support::{Client, check_id};
use crate::trail::{Act, KEPT, Ledger, Outcome, Trail, fingerprint};

/// What a key holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct State {
    /// 0 where there is no value.
    pub(crate) version: u64,
    pub(crate) text: String,
    /// Where it is known.
    pub(crate) id: Option<String>,
}

impl State {
    const ABSENT: State = State { version: 0, text: String::new(), id: None };
}

/// A request, or a look, and what the key might hold around it.
#[derive(Debug, Clone)]
struct Step {
    request: String,
    /// From the moment on that it was sent.
    sent: Vec<State>,
    /// From the moment on that it was answered.
    answered: Option<Vec<State>>,
    /// What it set, which others may have read before it was answered.
    set: Option<String>,
}

/// One value of one account.
#[derive(Debug, Clone)]
pub(crate) struct Entry {
    states: Vec<State>,
    steps: Vec<Step>,
    /// The versions that were found last, newest first, with the fingerprints of their texts.
    versions: Vec<(u64, u64)>,
}

impl Default for Entry {
    fn default() -> Entry {
        Entry { states: vec![State::ABSENT], steps: Vec::new(), versions: Vec::new() }
    }
}

/// At which moment an answer was promised, by the request's id; `None` where it was not.
pub(crate) type Moments<'m> = &'m dyn Fn(&str) -> Option<usize>;

impl Entry {
    /// The state, where there is only one that it can be.
    pub(crate) fn certain(&self) -> Option<&State> {
        match self.states.as_slice() {
            [state] => Some(state),
            _ => None,
        }
    }

    pub(crate) fn begin_set(&mut self, request: &str, text: &str) {
        let after =
            |state: &State| State { version: state.version + 1, text: text.to_owned(), id: state.id.clone() };
        let made: Vec<State> = self.states.iter().map(after).collect();
        self.begin(request, made, Some(text.to_owned()));
    }

    pub(crate) fn begin_deletion(&mut self, request: &str) {
        self.begin(request, vec![State::ABSENT], None);
    }

    fn begin(&mut self, request: &str, made: Vec<State>, set: Option<String>) {
        let mut sent = self.states.clone();
        for state in made {
            if !sent.contains(&state) {
                sent.push(state);
            }
        }
        self.states.clone_from(&sent);
        self.steps.push(Step { request: request.to_owned(), sent, answered: None, set });
    }

    /// The last request was done, and this is what it says.
    pub(crate) fn acknowledge(&mut self, found: State) {
        let step = self.steps.last_mut().expect("it was begun");
        let fits = step.sent.iter().any(|state| state.version == found.version && state.text == found.text);
        assert!(fits, "answered {found:?}, where there could be {:?}", step.sent);
        self.states = vec![found];
        step.answered = Some(self.states.clone());
    }

    /// The last request was refused, and so changed nothing.
    pub(crate) fn refuse(&mut self) {
        self.steps.pop().expect("it was begun");
        let before = self.steps.last();
        let before = before.map(|step| step.answered.clone().unwrap_or_else(|| step.sent.clone()));
        // Without a step before, what is left of the states is a superset, which promises less.
        if let Some(before) = before {
            self.states = before;
        }
    }

    /// Narrows the states to what was found; panics where that cannot be.
    fn found(&mut self, key: &str, request: &str, found: State) {
        let fits = |state: &State| {
            let same_id = state.id.is_none() || found.version == 0 || state.id == found.id;
            let same_text = found.text == "[REDACTED]" || state.text == found.text;
            state.version == found.version && same_text && same_id
        };
        assert!(
            self.states.iter().any(fits),
            "LOST: {key} holds {}, where there can be {:?}",
            shown(&found),
            self.states.iter().map(shown).collect::<Vec<_>>()
        );
        let sent = self.states.clone();
        self.states = vec![found];
        let answered = Some(self.states.clone());
        self.steps.push(Step { request: request.to_owned(), sent, answered, set: None });
    }

    /// What the key might hold at the moment `cut`: answers count where they were promised by then.
    fn rewind(&mut self, cut: usize, moments: Moments<'_>, seen: &HashMap<String, usize>) {
        let by_then = |moment: Option<usize>| moment.is_some_and(|moment| moment <= cut);
        for step in std::mem::take(&mut self.steps) {
            let shown = step.set.as_ref().and_then(|text| seen.get(text)).copied();
            match step.answered {
                Some(answered) if by_then(moments(&step.request)) => self.states = answered,
                answered if by_then(shown) => {
                    let set = step.set.expect("it was shown");
                    self.states = step.sent.into_iter().filter(|state| state.text == set).collect();
                    if answered.is_some() {
                        return;
                    }
                }
                answered => {
                    self.states = step.sent;
                    if answered.is_some() {
                        // What came after it was not sent yet.
                        return;
                    }
                }
            }
        }
    }
}

fn shown(state: &State) -> String {
    format!("version {} `{}`", state.version, state.text.chars().take(40).collect::<String>())
}

/// The values of one account, by definition, and the requests of the client that changes them.
#[derive(Clone)]
pub(crate) struct Promises {
    pub(crate) account: String,
    pub(crate) entries: BTreeMap<String, Entry>,
    /// What of this must be in the audit trail.
    pub(crate) ledger: Ledger,
    next: u64,
}

impl Promises {
    /// An account of which nothing is known to the store.
    pub(crate) fn new(account: &str, definitions: &[String]) -> Promises {
        let entries = definitions.iter().map(|id| (id.clone(), Entry::default())).collect();
        Promises { account: account.to_owned(), entries, ledger: Ledger::default(), next: 0 }
    }

    /// An id for the next request.
    pub(crate) fn request(&mut self) -> String {
        self.next += 1;
        format!("{}.{}", self.account, self.next)
    }

    /// A text that no other request sets.
    pub(crate) fn text(&mut self, bytes: usize) -> String {
        self.next += 1;
        let name = format!("{} {} ", self.account, self.next);
        let filling = "0123456789abcdef".chars().cycle().take(bytes.saturating_sub(name.len()));
        name.chars().chain(filling).collect()
    }

    /// The body that sets `definition`.
    pub(crate) fn body(&self, definition: &str, text: &str) -> Value {
        json!({ "variable_definition_id": definition, "value": text, "linked_account_id": self.account })
    }

    /// What the trail calls one of these values.
    pub(crate) fn key(&self, definition: &str) -> String {
        format!("{}/{definition}", self.account)
    }

    /// Goes back to what was promised at the moment `cut`, and forgets the moments.
    pub(crate) fn rewind(
        &mut self,
        cut: usize,
        moments: Moments<'_>,
        seen: &HashMap<String, usize>,
        is_judged: bool,
    ) {
        for entry in self.entries.values_mut() {
            entry.rewind(cut, moments, seen);
        }
        self.ledger.rewind(cut, moments, is_judged);
    }

    /// Checks that values, list and total agree with each other and with what was promised; of versions, that
    /// there are as many as are kept.
    pub(crate) fn check(&mut self, api: &Client) {
        self.check_as(api, true);
    }

    /// [`Promises::check`] where nothing can be written, and so nothing encrypted be revealed.
    pub(crate) fn check_unrevealed(&mut self, api: &Client) {
        self.check_as(api, false);
    }

    fn check_as(&mut self, api: &Client, reveal: bool) {
        let list = api
            .get("/env/values/linked_account")
            .query("linked_account_id", &self.account)
            .query("limit", "1000")
            .send()
            .ok();
        let docs = list["docs"].as_array().expect("docs").clone();
        let mut there = 0;
        let mut entries = std::mem::take(&mut self.entries);
        for (definition, entry) in &mut entries {
            let key = self.key(definition);
            let request = self.request();
            if reveal {
                self.ledger.ask(&request, Act::Reveal);
            }
            let resolved = api
                .resolve(definition)
                .query("linked_account_id", &self.account)
                .query("reveal", if reveal { "true" } else { "false" })
                .header("x-request-id", &request)
                .send();
            let doc = docs.iter().find(|doc| doc["variable_definition_id"]["_id"] == **definition);
            if resolved.status == 404 {
                if reveal {
                    self.ledger.answered(Outcome::Refused);
                }
                assert!(doc.is_none(), "LOST: {key} is listed and does not resolve");
                entry.found(&key, &request, State::ABSENT);
                entry.versions.clear();
                continue;
            }
            there += 1;
            let resolved = resolved.ok();
            let doc = doc.unwrap_or_else(|| panic!("LOST: {key} resolves and is not listed"));
            assert_eq!(doc["version"], resolved["version"], "LOST: list and value of {key} differ");
            let found = State {
                version: resolved["version"].as_u64().expect("a version"),
                text: resolved["value"].as_str().expect("text").to_owned(),
                id: Some(check_id(&doc["_id"])),
            };
            // Only what is encrypted is revealed.
            let outcome = if resolved["encrypted"] == true { Outcome::Done } else { Outcome::Refused };
            if reveal {
                self.ledger.answered(outcome);
                entry.versions = self.versions(api, &found, outcome);
            }
            entry.found(&key, &request, found);
        }
        self.entries = entries;
        assert_eq!(docs.len(), there, "LOST: {} has values that nobody set", self.account);
        assert_eq!(list["totalDocs"], there, "LOST: the total of {} is wrong", self.account);
    }

    /// The versions of a value, newest first.
    fn versions(&mut self, api: &Client, value: &State, outcome: Outcome) -> Vec<(u64, u64)> {
        let request = self.request();
        self.ledger.ask(&request, Act::Reveal);
        let id = value.id.as_deref().expect("it was listed");
        let page = api
            .get(&format!("/env/values/{id}/versions"))
            .query("reveal", "true")
            .query("limit", "1000")
            .header("x-request-id", &request)
            .send()
            .ok();
        self.ledger.answered(outcome);
        let version = |doc: &Value| {
            let text = doc["value"].as_str().expect("text");
            (doc["version"].as_u64().expect("a version"), fingerprint(text))
        };
        let docs = page["docs"].as_array().expect("docs");
        assert_eq!(page["totalDocs"], docs.len(), "LOST: the total of versions of {id} is wrong");
        docs.iter().map(version).collect()
    }

    /// Checks that what was found last is what the trail tells, former versions too.
    pub(crate) fn agree(&self, trail: &Trail) {
        for (definition, entry) in &self.entries {
            let key = self.key(definition);
            let state = entry.certain().expect("it was checked");
            let told = trail.values.get(&key).cloned().unwrap_or_default();
            let last = told.texts.len() as u64;
            assert_eq!(state.version, last, "LOST: {key} has another version than the trail tells");
            let kept = told.texts.iter().enumerate().rev().take(KEPT);
            let kept: Vec<(u64, u64)> = kept.map(|(at, text)| (at as u64 + 1, *text)).collect();
            assert_eq!(entry.versions, kept, "LOST: versions of {key}");
            if last > 0 {
                assert_eq!(state.id, Some(told.id), "LOST: the id of {key}");
                assert_eq!(kept[0].1, fingerprint(&state.text), "LOST: {key} is not its newest version");
            }
        }
    }

    /// Deletes a value by its id and checks that it is gone: the index from id to value is whole.
    pub(crate) fn check_ids(&mut self, api: &Client) {
        let held = |(_, entry): &(&String, &Entry)| entry.certain().is_some_and(|state| state.version > 0);
        let Some(definition) = self.entries.iter().find(held).map(|(definition, _)| definition.clone())
        else {
            return;
        };
        let request = self.request();
        let entry = self.entries.get_mut(&definition).expect("it was found");
        let id = entry.certain().and_then(|state| state.id.clone()).expect("it was checked");
        entry.begin_deletion(&request);
        self.ledger.ask(&request, Act::Delete(self.key(&definition)));
        api.delete(&format!("/env/values/{id}")).header("x-request-id", &request).send().ok();
        self.ledger.answered(Outcome::Done);
        self.entries.get_mut(&definition).expect("it was found").acknowledge(State::ABSENT);
        self.check(api);
    }
}
