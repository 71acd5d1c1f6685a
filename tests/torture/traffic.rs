//! Clients that write, delete and read until their server is gone, and keep account of what they were promised.

use std::collections::HashMap;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use serde_json::json;

use crate::checkup;
use crate::clients::{Going, create, read, write};
use crate::promises::{Moments, Promises, State};
use crate::random::Random;
use crate::support::{Client, Server};
use crate::trail::{Asked, Entry, Ledger, Trail};

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
    /// What of definitions and of reads must be in the audit trail.
    others: [Ledger; 2],
    /// The trail as of when it was last certain, and since.
    trail: Trail,
    judged: Option<(Trail, String)>,
    /// A key that sees all of the trail.
    auditor: String,
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
            others: self.others.clone(),
            trail: self.trail.clone(),
            judged: self.judged.clone(),
            auditor: self.auditor.clone(),
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
        let auditor = server.store().create_key(&["--environment", "all", "--permissions", "admin"]);
        let trail = Trail::begin(&server.test(), &server.test().key(&auditor));
        let (names, maybe, seen, others) = (Vec::new(), Vec::new(), Mutex::default(), Default::default());
        Traffic { definitions, promises, names, maybe, seen, others, trail, judged: None, auditor, turn: 0 }
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
        let Traffic { promises, names, maybe, seen, definitions, others, .. } = self;
        let [making, reading] = others;
        let accounts: Vec<String> = promises.iter().map(|promises| promises.account.clone()).collect();
        let ended = std::thread::scope(|scope| {
            for (promises, random) in promises.iter_mut().zip(&seeds) {
                let (api, going, random) = (&api, &going, random.clone());
                scope.spawn(move || write(promises, api, address, going, measure.bytes, random));
            }
            scope.spawn(|| create(turn, (names, maybe), making, &api, address, &going));
            let reader = seeds.last().expect("more than there are writers").clone();
            scope.spawn(|| read((seen, reading), &accounts, definitions, &api, address, &going, reader));
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
        self.rewind_each(cut, &moments, &seen);
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
        self.rewind_each(usize::MAX, &|_| Some(0), &seen);
    }

    fn rewind_each(&mut self, cut: usize, moments: Moments<'_>, seen: &HashMap<String, usize>) {
        let judged = self.judged.take().filter(|(_, request)| moments(request).is_some_and(|at| at <= cut));
        let is_judged = judged.is_some();
        if let Some((trail, _)) = judged {
            self.trail = trail;
        }
        for promises in &mut self.promises {
            promises.rewind(cut, moments, seen, is_judged);
        }
        for ledger in &mut self.others {
            ledger.rewind(cut, moments, is_judged);
        }
    }

    /// Checks everything that was promised: values, lists, totals, ids, former versions and the audit trail.
    pub(crate) fn check(&mut self, server: &Server) {
        let api = server.test();
        self.check_by(&api, Promises::check);
        self.check_ids(&api);
        self.check_trail(&api);
        checkup::check(server.store());
        assert!(!server.stderr().contains("panicked"), "{}", server.stderr());
    }

    /// The trail as it was certain last, what it has since, and what the clients know of that.
    pub(crate) fn told(&mut self, api: &Client) -> (Trail, Vec<Entry>, Vec<Vec<Asked>>) {
        let entries = self.trail.read(&api.key(&self.auditor), "");
        let promises = self.promises.iter_mut().map(|promises| &mut promises.ledger);
        let clients = promises.chain(&mut self.others).map(|ledger| ledger.judge().to_vec()).collect();
        (self.trail.clone(), entries, clients)
    }

    /// Checks that the trail has what it must, and that values and versions are what it tells.
    fn check_trail(&mut self, api: &Client) {
        let request = self.promises[0].request();
        let entries = self.trail.read(&api.key(&self.auditor), &request);
        let promises = self.promises.iter_mut().map(|promises| &mut promises.ledger);
        let clients: Vec<&[Asked]> = promises.chain(&mut self.others).map(|ledger| ledger.judge()).collect();
        let judged = self.trail.after(&entries, &clients);
        let trail = judged.unwrap_or_else(|lost| panic!("LOST: in the audit trail: {lost}"));
        trail.check_view(api);
        self.promises.iter().for_each(|promises| promises.agree(&trail));
        self.judged = Some((trail, request));
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
    fn check_ids(&mut self, api: &Client) {
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
