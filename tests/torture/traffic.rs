//! Clients that write, delete and read until their server is gone, and keep account of what they were promised.

use std::collections::HashMap;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::promises::{Promises, State};
use crate::random::Random;
use crate::support::{Client, Connection, Response, Server};

/// All clients of a store, and what they were promised.
pub(crate) struct Traffic {
    pub(crate) definitions: Vec<String>,
    pub(crate) promises: Vec<Promises>,
    /// Names of definitions, and the requests that made them.
    names: Vec<(String, String)>,
    /// Made by requests that were not acknowledged.
    maybe: Vec<String>,
    /// Texts that were read, and the requests that read them.
    seen: Mutex<Vec<(String, String)>>,
    turn: u64,
}

impl Clone for Traffic {
    fn clone(&self) -> Traffic {
        Traffic {
            definitions: self.definitions.clone(),
            promises: self.promises.clone(),
            names: self.names.clone(),
            maybe: self.maybe.clone(),
            seen: Mutex::new(self.seen.lock().expect("whole").clone()),
            turn: self.turn,
        }
    }
}

/// When a burst is over, and how large its values are.
pub(crate) struct Measure {
    pub(crate) least: u64,
    pub(crate) longest: Duration,
    pub(crate) bytes: usize,
}

/// What goes on during a burst.
struct Going {
    stop: AtomicBool,
    acknowledged: AtomicU64,
}

impl Traffic {
    /// Writers on a store that has nothing of theirs yet; every other definition is encrypted.
    pub(crate) fn new(server: &Server, writers: usize, definitions: usize) -> Traffic {
        let define = |index| {
            server.test().define(&json!({
                "name": format!("V{index}"), "scope": "linked_account", "encrypted": index % 2 == 1
            }))
        };
        let definitions: Vec<String> = (0..definitions).map(define).collect();
        let promises =
            (0..writers).map(|index| Promises::new(&format!("user_{index}"), &definitions)).collect();
        let (names, maybe, seen) = (Vec::new(), Vec::new(), Mutex::default());
        Traffic { definitions, promises, names, maybe, seen, turn: 0 }
    }

    /// All clients at work; `end` is called once the measure is full, and must end the server or leave it. Also how many requests were acknowledged.
    pub(crate) fn burst<T>(
        &mut self,
        server: Server,
        measure: &Measure,
        random: &mut Random,
        end: impl FnOnce(Server) -> T,
    ) -> (T, u64) {
        self.turn += 1;
        let (api, address, turn) = (server.test(), server.address(), self.turn);
        let going = Going { stop: AtomicBool::new(false), acknowledged: AtomicU64::new(0) };
        let seeds: Vec<Random> = (0..self.promises.len() + 2).map(|_| Random::new(random.next())).collect();
        let Traffic { promises, names, maybe, seen, definitions, .. } = self;
        let accounts: Vec<String> = promises.iter().map(|promises| promises.account.clone()).collect();
        let ended = std::thread::scope(|scope| {
            for (promises, random) in promises.iter_mut().zip(&seeds) {
                let (api, going, random) = (&api, &going, random.clone());
                scope.spawn(move || write(promises, api, address, going, measure.bytes, random));
            }
            scope.spawn(|| create(turn, names, maybe, &api, address, &going));
            let reader = seeds.last().expect("more than there are writers").clone();
            scope.spawn(|| read(seen, &accounts, definitions, &api, address, &going, reader));
            let start = Instant::now();
            while going.acknowledged.load(Ordering::Relaxed) < measure.least
                && start.elapsed() < measure.longest
            {
                std::thread::sleep(Duration::from_millis(2));
            }
            let ended = end(server);
            going.stop.store(true, Ordering::Relaxed);
            ended
        });
        (ended, going.acknowledged.into_inner())
    }

    /// Goes back to what had been promised at the place `cut` of the server's log.
    pub(crate) fn rewind(&mut self, cut: usize, answers: &HashMap<String, usize>) {
        let moments = |request: &str| answers.get(request).copied();
        let mut seen = HashMap::new();
        for (text, request) in self.seen.get_mut().expect("whole").drain(..) {
            if let Some(moment) = moments(&request) {
                let first = seen.entry(text).or_insert(moment);
                *first = moment.min(*first);
            }
        }
        for promises in &mut self.promises {
            promises.rewind(cut, &moments, &seen);
        }
        let promised = |request: &str| request.is_empty() || moments(request).is_some_and(|at| at <= cut);
        for (name, request) in std::mem::take(&mut self.names) {
            if promised(&request) {
                self.names.push((name, String::new()));
            } else {
                self.maybe.push(name);
            }
        }
    }

    /// Goes to what was promised by the end: the server was killed, and nothing else happened.
    pub(crate) fn settle(&mut self) {
        let mut seen = HashMap::new();
        for (text, _) in self.seen.get_mut().expect("whole").drain(..) {
            seen.insert(text, 0);
        }
        for promises in &mut self.promises {
            promises.rewind(usize::MAX, &|_| Some(0), &seen);
        }
    }

    /// Checks everything that was promised.
    pub(crate) fn check(&mut self, api: &Client) {
        self.check_by(api, Promises::check);
    }

    /// [`Traffic::check`] where nothing can be written, and so nothing encrypted be revealed. Says nothing of
    /// texts that are encrypted, and is the last that these promises are good for.
    pub(crate) fn check_unrevealed(mut self, api: &Client) {
        self.check_by(api, Promises::check_unrevealed);
    }

    fn check_by(&mut self, api: &Client, check: fn(&mut Promises, &Client)) {
        let threads = 4;
        let part = self.promises.len().div_ceil(threads);
        std::thread::scope(|scope| {
            let checks: Vec<_> = self
                .promises
                .chunks_mut(part)
                .map(|part| scope.spawn(|| part.iter_mut().for_each(|promises| check(promises, api))))
                .collect();
            for check in checks {
                if let Err(panic) = check.join() {
                    std::panic::resume_unwind(panic);
                }
            }
        });
        self.check_definitions(api);
        self.check_accounts(api);
    }

    /// Deletes by id for one in eight of the accounts, another eighth each time.
    pub(crate) fn check_ids(&mut self, api: &Client) {
        let turn = usize::try_from(self.turn).expect("few");
        for promises in self.promises.iter_mut().skip(turn % 8).step_by(8) {
            promises.check_ids(api);
        }
    }

    /// All acknowledged definitions are listed, once, with a total that agrees.
    fn check_definitions(&mut self, api: &Client) {
        let listed = all(api, "/env/definitions", "name");
        let mut expected = self.definitions.len();
        for (name, _) in &self.names {
            assert!(listed.contains(name), "LOST: the definition {name}");
            expected += 1;
        }
        for name in std::mem::take(&mut self.maybe) {
            if listed.contains(&name) {
                expected += 1;
                self.names.push((name, String::new()));
            }
        }
        assert_eq!(listed.len(), expected, "LOST: definitions are listed that nobody made, or twice");
    }

    /// Every account with a value is registered.
    fn check_accounts(&self, api: &Client) {
        let listed = all(api, "/linked-account", "account_id");
        for promises in &self.promises {
            let holds = |state: &State| state.version > 0;
            if promises.entries.values().any(|entry| entry.certain().is_some_and(holds)) {
                assert!(listed.contains(&promises.account), "LOST: the account {}", promises.account);
            }
        }
    }
}

/// A field of every entry of a list, which must have as many as it says.
fn all(api: &Client, path: &str, field: &str) -> Vec<String> {
    let (mut found, mut total) = (Vec::new(), 0);
    for page in 1.. {
        let list = api.get(path).query("limit", "1000").query("page", &page.to_string()).send().ok();
        let docs = list["docs"].as_array().expect("docs");
        total = list["totalDocs"].as_u64().expect("a total");
        found.extend(docs.iter().map(|doc| doc[field].as_str().expect("text").to_owned()));
        if list["hasNextPage"] != true {
            break;
        }
    }
    assert_eq!(found.len() as u64, total, "LOST: the total of {path} is wrong");
    found
}

fn write(
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
        let request = promises.request();
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
        } else {
            entry.begin_set(&request, &text);
        }
        let Ok(answer) = connection.exchange(&asked.header("x-request-id", &request)) else { break };
        if is_failure(&answer) {
            if answer.status == 507 {
                entry.refuse();
            }
            continue;
        }
        let answer = answer.ok();
        entry.acknowledge(if deletes {
            State { version: 0, text: String::new(), id: None }
        } else {
            set(&answer, text)
        });
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
fn create(
    turn: u64,
    names: &mut Vec<(String, String)>,
    maybe: &mut Vec<String>,
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
        let asked = api
            .post("/env/definitions", &json!({ "name": name, "scope": "workflow" }))
            .header("x-request-id", &name);
        match connection.exchange(&asked) {
            Ok(answer) if answer.status == 201 => names.push((name.clone(), name)),
            Ok(answer) if is_failure(&answer) => maybe.push(name),
            Ok(answer) => panic!("{}: {}", answer.status, answer.text()),
            Err(_) => return maybe.push(name),
        }
    }
}

/// Reads values of the others: what was seen must not be taken back.
fn read(
    seen: &Mutex<Vec<(String, String)>>,
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
        let Ok(answer) = connection.exchange(&asked) else { return };
        if answer.status == 200 {
            let text = answer.ok()["value"].as_str().expect("text").to_owned();
            seen.lock().expect("whole").push((text, request));
        }
    }
}
