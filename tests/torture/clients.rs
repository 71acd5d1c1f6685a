//! The clients of a burst: some write and delete, one makes definitions, one reads.

use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use serde_json::{Value, json};

use crate::promises::{Promises, State};
use crate::random::Random;
use crate::support::{Client, Connection, Response};
use crate::trail::{Act, Ledger, Outcome, fingerprint};

/// What goes on during a burst.
pub(crate) struct Going {
    pub(crate) stop: AtomicBool,
    pub(crate) acknowledged: AtomicU64,
}

/// Sets and deletes values.
pub(crate) fn write(
    promises: &mut Promises,
    api: &Client,
    address: std::net::SocketAddr,
    going: &Going,
    bytes: usize,
    mut random: Random,
) {
    let Ok(mut connection) = Connection::open(address) else { return };
    let definitions: Vec<String> = promises.entries.keys().cloned().collect();
    while !going.stop.load(Ordering::Relaxed) {
        let definition = random.pick(&definitions);
        let (request, key) = (promises.request(), promises.key(definition));
        let (text, body) = {
            let text = promises.text(usize::try_from(random.below(bytes as u64 + 1)).expect("short"));
            let body = promises.body(definition, &text);
            (text, body)
        };
        let entry = promises.entries.get_mut(definition).expect("one of its own");
        let held = entry.certain().and_then(|state| state.id.clone()).filter(|_| random.chance(140));
        let (asked, deletes) = match held {
            Some(id) => (api.delete(&format!("/env/values/{id}")), true),
            None => (api.post("/env/values", &body), false),
        };
        if deletes {
            entry.begin_deletion(&request);
            promises.ledger.ask(&request, Act::Delete(key));
        } else {
            entry.begin_set(&request, &text);
            promises.ledger.ask(&request, Act::Set(key, fingerprint(&text)));
        }
        let Ok(answer) = connection.exchange(&asked.header("x-request-id", &request)) else { break };
        if is_failure(&answer) {
            if answer.status == 507 {
                entry.refuse();
                promises.ledger.answered(Outcome::Refused);
            }
            continue;
        }
        let answer = answer.ok();
        entry.acknowledge(if deletes {
            State { version: 0, text: String::new(), id: None }
        } else {
            set(&answer, text)
        });
        promises.ledger.answered(Outcome::Done);
        going.acknowledged.fetch_add(1, Ordering::Relaxed);
    }
}

fn set(answer: &Value, text: String) -> State {
    let id = answer["_id"].as_str().expect("an id").to_owned();
    State { version: answer["version"].as_u64().expect("a version"), text, id: Some(id) }
}

/// Whether the store could not do it: its outcome is not known, unless it says that it was full.
fn is_failure(answer: &Response) -> bool {
    let failed = matches!(answer.status, 500 | 503 | 507);
    if failed {
        std::thread::sleep(Duration::from_millis(2));
    }
    failed
}

/// Creates definitions.
pub(crate) fn create(
    turn: u64,
    (names, maybe): (&mut Vec<(String, String)>, &mut Vec<String>),
    ledger: &mut Ledger,
    api: &Client,
    address: std::net::SocketAddr,
    going: &Going,
) {
    let Ok(mut connection) = Connection::open(address) else { return };
    for index in 0.. {
        if going.stop.load(Ordering::Relaxed) {
            return;
        }
        let name = format!("T{turn}_{index}");
        let request = format!("define.{name}");
        let asked = api
            .post("/env/definitions", &json!({ "name": name, "scope": "workflow" }))
            .header("x-request-id", &request);
        ledger.ask(&request, Act::Define);
        match connection.exchange(&asked) {
            Ok(answer) if answer.status == 201 => {
                names.push((name, request));
                ledger.answered(Outcome::Done);
            }
            Ok(answer) if is_failure(&answer) => maybe.push(name),
            Ok(answer) => panic!("{}: {}", answer.status, answer.text()),
            Err(_) => return maybe.push(name),
        }
    }
}

/// Reads values of the others: what was seen must not be taken back, and what was revealed is in the trail.
pub(crate) fn read(
    (seen, ledger): (&Mutex<Vec<(String, String)>>, &mut Ledger),
    accounts: &[String],
    definitions: &[String],
    api: &Client,
    address: std::net::SocketAddr,
    going: &Going,
    mut random: Random,
) {
    let Ok(mut connection) = Connection::open(address) else { return };
    let turn = random.next();
    for index in 0.. {
        if going.stop.load(Ordering::Relaxed) {
            return;
        }
        let request = format!("read.{turn}.{index}");
        let asked = api
            .resolve(random.pick(definitions).as_str())
            .query("linked_account_id", random.pick(accounts).as_str())
            .query("reveal", "true")
            .header("x-request-id", &request);
        ledger.ask(&request, Act::Reveal);
        let Ok(answer) = connection.exchange(&asked) else { return };
        if answer.status == 200 {
            let answer = answer.ok();
            let is_revealed = answer["encrypted"] == true;
            ledger.answered(if is_revealed { Outcome::Done } else { Outcome::Refused });
            let text = answer["value"].as_str().expect("text").to_owned();
            seen.lock().expect("whole").push((text, request));
        }
    }
}
