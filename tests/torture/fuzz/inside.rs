//! Parsers of the library that are public: each takes anything, and what it takes it can write again.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use coffer::crypto::SealedValue;
use coffer::dotenv;
use coffer::model::{
    Account, AccountId, ApiKey, AuditCheckpoint, AuditEntry, Definition, Environment, Id, Name, Org,
    Permission, Scope, Session, Subject, Timestamp, Value,
};
use coffer::store::embedded::Embedded;
use coffer::store::record::{Stored, decode, encode};
use coffer::store::{Engine, Tree, key};
use coffer::vault::Tags;

use super::mutation::{mutate, mutate_text};
use super::{Target, shown};
use crate::prepared::{Ended, Prepared};
use crate::random::Random;

/// Inputs in one batch.
const INPUTS: u64 = 2000;

pub(super) fn targets() -> Vec<Box<dyn Target>> {
    let records = Records::new();
    vec![
        Box::new(Texts { name: "dotenv", samples: DOTENV, parse: read_dotenv }),
        Box::new(Texts {
            name: "entity tags",
            samples: TAGS,
            parse: |text| drop(Tags::parse("If-Match", text)),
        }),
        Box::new(Texts { name: "words", samples: WORDS, parse: read_words }),
        Box::new(records),
    ]
}

/// A parser that must be found out.
pub(super) fn careless() -> impl Target {
    let parse = |text: &str| assert!(!text.contains('}'), "a brace");
    Texts { name: "careless", samples: DOTENV, parse }
}

const DOTENV: &[&str] = &[
    "A=1\nexport B='two words'\nC=\"a\\nb\\\"c\\\\\" # said\nD=`x`\n\n# nothing\nE=\n",
    "X=\"several\nlines\"\r\nY='it is'\nZ=a#b\nW=$HOME\n",
];
const TAGS: &[&str] = &["\"3\"", "*", "W/\"3\", \"4\"", " \"a\" ,, \"\" ", "\"1\",\"2\",\t\"3\""];
const WORDS: &[&str] = &[
    "0123456789abcdef01234567",
    "linked_account:user_12345",
    "workflow:a:b",
    "2026-06-16T13:09:26.023Z",
    "API_BASE_URL",
    "production",
    "15m",
    "36500d",
    "127.0.0.1:8080",
    "[::1]:443",
    "mark@acme.com",
];

/// A parser of text.
struct Texts {
    name: &'static str,
    samples: &'static [&'static str],
    parse: fn(&str),
}

impl Target for Texts {
    fn name(&self) -> &'static str {
        self.name
    }

    fn batch(&mut self, random: &mut Random) -> u64 {
        for _ in 0..INPUTS {
            let text = mutate_text(self.samples, random);
            guarded(text.as_bytes(), || (self.parse)(&text));
        }
        INPUTS
    }
}

/// Says with which input a parser panicked.
pub(super) fn guarded(input: &[u8], parse: impl FnOnce()) {
    if catch_unwind(AssertUnwindSafe(parse)).is_err() {
        panic!("FOUND: `{}`", shown(input));
    }
}

fn read_dotenv(text: &str) {
    let Ok(found) = dotenv::read(text) else { return };
    let entries = found.iter().map(|(name, value)| (name.as_str(), dotenv::Entry::Value(value.as_str())));
    // Names that become one are refused.
    let Ok(written) = dotenv::write(entries) else { return };
    let again = dotenv::read(&written).expect("what was written can be read");
    let values = |found: &[(String, zeroize::Zeroizing<String>)]| -> Vec<String> {
        found.iter().map(|(_, value)| value.to_string()).collect()
    };
    assert_eq!(values(&again), values(&found), "what was read is written as it was");
}

fn read_words(text: &str) {
    let same = |written: String| assert_eq!(written, text, "it is written as it was read");
    if let Ok(id) = text.parse::<Id>() {
        same(id.to_string());
    }
    if let Ok(name) = text.parse::<Name>() {
        same(name.to_string());
    }
    if let Ok(environment) = text.parse::<Environment>() {
        same(environment.to_string());
    }
    if let Ok(scope) = text.parse::<Scope>() {
        same(scope.to_string());
    }
    if let Ok(subject) = text.parse::<Subject>() {
        same(subject.to_string());
    }
    if let Ok(account) = text.parse::<AccountId>() {
        same(account.to_string());
    }
    let _ = (text.parse::<Permission>(), text.parse::<Timestamp>());
    let _ = coffer::config::parse_duration(text);
    let _ = text.parse::<coffer::config::ListenAddress>();
}

/// Stored records and keys: those of a real store, changed.
struct Records {
    samples: Vec<Vec<u8>>,
    // Holds the directory.
    _prepared: Prepared,
}

impl Records {
    fn new() -> Records {
        let prepared = Prepared::new(2, Ended::Stopped, &mut Random::new(1));
        let engine = Arc::new(Embedded::open(&prepared.store.data()).expect("a store"));
        let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
        let mut samples = Vec::new();
        for tree in Tree::ALL {
            let records = runtime.block_on(engine.scan(tree, b"", None, 12)).expect("readable");
            samples.extend(
                records
                    .into_iter()
                    .flat_map(|record| [record.key, record.value])
                    .filter(|bytes| bytes.len() < 2000),
            );
        }
        engine.close().expect("closed");
        assert!(samples.len() > 30, "a store has records");
        Records { samples, _prepared: prepared }
    }
}

impl Target for Records {
    fn name(&self) -> &'static str {
        "records"
    }

    fn batch(&mut self, random: &mut Random) -> u64 {
        for _ in 0..INPUTS {
            let bytes = mutate(&self.samples, random);
            guarded(&bytes, || {
                read_record::<Org>(&bytes);
                read_record::<ApiKey>(&bytes);
                read_record::<Definition>(&bytes);
                read_record::<Value>(&bytes);
                read_record::<Account>(&bytes);
                read_record::<Session>(&bytes);
                read_record::<AuditEntry>(&bytes);
                read_record::<AuditCheckpoint>(&bytes);
                let _ = SealedValue::parse(bytes.clone());
                let _ = (key::parse_value(&bytes), key::parse_definition(&bytes), key::parse_session(&bytes));
                let _ = (key::parse_definition_name(&bytes), key::parse_definition_value(&bytes));
            });
        }
        INPUTS
    }
}

fn read_record<T: Stored>(bytes: &[u8]) {
    if let Ok(noun) = decode::<T>(bytes) {
        let written = encode(&noun).expect("what was read can be written");
        assert!(decode::<T>(&written).is_ok(), "and read again");
    }
}
