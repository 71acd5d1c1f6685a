//! What a test has been promised, and the check that the promise was kept.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use crate::support::{Client, Server, check_id};

/// One value of one account: what was acknowledged last, and what was only asked for since.
#[derive(Default, Clone)]
pub(super) struct Entry {
    /// The version and id of the last acknowledged set; none after an acknowledged deletion.
    acknowledged: Option<(u64, String)>,
    /// The texts that may stand there, by version.
    texts: BTreeMap<u64, String>,
    /// Whether a set or deletion was begun and never answered.
    unanswered: bool,
}

/// The values of one account, by definition.
#[derive(Default, Clone)]
pub(super) struct Ledger {
    account: String,
    entries: BTreeMap<String, Entry>,
    /// A number that makes every text another.
    next: u64,
}

impl Ledger {
    /// An account of which nothing is known to the store.
    pub(super) fn new(account: &str) -> Ledger {
        Ledger { account: account.to_owned(), ..Ledger::default() }
    }

    /// The body of the next set of `definition`, noted as begun.
    pub(super) fn begin_set(&mut self, definition: &str) -> Value {
        self.next += 1;
        let text = format!("{} {} {}", self.account, self.next, "payload ".repeat((self.next % 50) as usize));
        let entry = self.entries.entry(definition.to_owned()).or_default();
        let version = entry.acknowledged.as_ref().map_or(1, |(version, _)| version + 1);
        entry.texts.insert(version, text.clone());
        entry.unanswered = true;
        json!({ "variable_definition_id": definition, "value": text, "linked_account_id": self.account })
    }

    /// Notes that the last set of `definition` was acknowledged.
    pub(super) fn acknowledge_set(&mut self, definition: &str, answer: &Value) {
        let entry = self.entries.get_mut(definition).expect("it was begun");
        let version = answer["version"].as_u64().expect("a version");
        assert!(entry.texts.contains_key(&version), "the version that comes next: {answer}");
        entry.acknowledged = Some((version, check_id(&answer["_id"])));
        entry.unanswered = false;
    }

    /// The id to delete, noted as begun, where there is a value.
    pub(super) fn begin_deletion(&mut self, definition: &str) -> Option<String> {
        let entry = self.entries.get_mut(definition)?;
        let (_, id) = entry.acknowledged.clone()?;
        entry.unanswered = true;
        Some(id)
    }

    /// Notes that the deletion of `definition`'s value was acknowledged.
    pub(super) fn acknowledge_deletion(&mut self, definition: &str) {
        self.entries.insert(definition.to_owned(), Entry::default());
    }

    /// Checks resolve, list and totals against the promises, and takes over what an unanswered request did.
    pub(super) fn check(&mut self, api: &Client) {
        let mut there = 0;
        let list = api
            .get("/env/values/linked_account")
            .query("linked_account_id", &self.account)
            .query("limit", "1000")
            .send()
            .ok();
        let docs = list["docs"].as_array().expect("docs");
        for (definition, entry) in &mut self.entries {
            let resolved = api
                .resolve(definition)
                .query("linked_account_id", &self.account)
                .query("reveal", "true")
                .send();
            let doc = docs.iter().find(|doc| doc["variable_definition_id"]["_id"] == **definition);
            if resolved.status == 404 {
                assert!(
                    entry.acknowledged.is_none() || entry.unanswered,
                    "{} lost version {:?} of {definition}",
                    self.account,
                    entry.acknowledged
                );
                assert!(doc.is_none(), "half a value: it is listed and does not resolve");
                *entry = Entry::default();
                continue;
            }
            there += 1;
            let resolved = resolved.ok();
            let doc =
                doc.unwrap_or_else(|| panic!("half a value: it resolves and is not listed: {resolved}"));
            let version = resolved["version"].as_u64().expect("a version");
            assert_eq!(
                Some(resolved["value"].as_str().unwrap()),
                entry.texts.get(&version).map(String::as_str)
            );
            assert_eq!(doc["version"], version);
            match &entry.acknowledged {
                Some((acknowledged, id)) => {
                    assert_eq!(doc["_id"], **id, "the same value");
                    assert!(
                        version == *acknowledged || (entry.unanswered && version == acknowledged + 1),
                        "acknowledged {acknowledged}, found {version}"
                    );
                }
                None => assert!(entry.unanswered, "a value that nobody set: {resolved}"),
            }
            entry.acknowledged = Some((version, check_id(&doc["_id"])));
            entry.unanswered = false;
        }
        assert_eq!(docs.len(), there, "nothing else is listed");
        assert_eq!(list["totalDocs"], there, "the total is the number of what is there");
    }

    /// Deletes one value by its id and checks that it is gone: the index from id to value is whole.
    pub(super) fn check_ids(&mut self, api: &Client) {
        let Some(definition) =
            self.entries.iter().find(|(_, entry)| entry.acknowledged.is_some()).map(|(id, _)| id.clone())
        else {
            return;
        };
        let id = self.begin_deletion(&definition).expect("it is there");
        api.delete(&format!("/env/values/{id}")).send().ok();
        self.acknowledge_deletion(&definition);
        self.check(api);
    }
}

/// Definitions for linked accounts, every other one encrypted.
pub(super) fn define(server: &Server, count: usize) -> Vec<String> {
    let define = |index| {
        server.test().define(&json!({
            "name": format!("V{index}"), "scope": "linked_account", "encrypted": index % 2 == 1
        }))
    };
    (0..count).map(define).collect()
}
