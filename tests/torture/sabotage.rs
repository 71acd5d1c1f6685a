//! Faults of this programme's own making: what is done here breaks a promise, and a check that does not say so proves
//! nothing. Each is done to what a check looks at (a copy of the store, a log, a trail), never to coffer.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::time::Duration;

use crate::disk::{Cut, Disk};
use crate::interposer::{Control, Fault, class};
use crate::log::{Log, Record};
use crate::random::Random;
use crate::report::Run;
use crate::support::{Client, Config, Finished, Server, Store, finish};
use crate::traffic::{Measure, Traffic};
use crate::trail::{Asked, Entry, Outcome};
use crate::{checkup, damage};

pub(crate) fn run(run: &mut Run) {
    let mut random = Random::new(run.seed);
    let server = Server::start();
    let mut traffic = Traffic::new(&server, 4, 4);
    let server = work(&mut traffic, server, 150, &mut random);
    entries(run, &mut traffic, &server);
    let store = server.stop();
    let older = Disk::load(store.root());
    let server = work(&mut traffic, store.serve(), 100, &mut random);
    traffic.check(&server);
    findings(run, server.store());
    let now = Disk::load(server.stop().root());
    stores(run, &store, &traffic, (&older, &now));
    now.materialise(Cut::Kill, &mut random);
    lies(run, &store, &traffic, &mut random);
    now.materialise(Cut::Kill, &mut random);
    syncs(run, &store, &traffic, &mut random);
    names(run);
    refusals(run);
}

fn work(traffic: &mut Traffic, server: Server, least: u64, random: &mut Random) -> Server {
    let measure = Measure { least, longest: Duration::from_secs(60), bytes: 300 };
    let server = traffic.burst(server, &measure, random, |server| server).0;
    traffic.settle();
    server
}

type Tell = fn(&mut Vec<Entry>, &mut Vec<Vec<Asked>>);

/// Where there are an entry and a later one of changes to the same value. One of a reveal may stand before or after.
fn two_of_one(entries: &[Entry]) -> (usize, usize) {
    let is_set =
        |entry: &Entry| matches!(entry.event.as_str(), "variable_value.set" | "variable_value.updated");
    let is_later = |entry: &Entry| entry.event == "variable_value.updated";
    let later = entries.iter().rposition(is_later).expect("a value was set twice");
    let same = |entry: &Entry| is_set(entry) && entry.entity == entries[later].entity;
    (entries[..later].iter().rposition(same).expect("the one before"), later)
}

fn renumber(entries: &mut [Entry]) {
    let first = entries.iter().map(|entry| entry.number).min().unwrap_or(0);
    for (number, entry) in (first..).zip(entries) {
        entry.number = number;
    }
}

const TELLINGS: [(&str, Tell); 9] = [
    ("an entry that is missing", |entries, _| drop(entries.remove(two_of_one(entries).0))),
    ("an entry that is missing, and the numbers closed", |entries, _| {
        entries.remove(two_of_one(entries).1);
        renumber(entries);
    }),
    ("two entries swapped", |entries, _| {
        let (one, other) = two_of_one(entries);
        entries.swap(one, other);
    }),
    ("two entries swapped, and their numbers", |entries, _| {
        let (one, other) = two_of_one(entries);
        entries.swap(one, other);
        renumber(entries);
    }),
    ("an entry twice", |entries, _| {
        let at = two_of_one(entries).1;
        entries.insert(at, entries[at].clone());
        renumber(entries);
    }),
    ("an entry of another act", |entries, _| {
        let at = two_of_one(entries).1;
        entries[at].event = "variable_value.deleted".into();
    }),
    ("an entry of a request that was refused", |entries, clients| {
        let request = entries[two_of_one(entries).1].request.clone().expect("an id");
        let asked = clients.iter_mut().flatten().find(|asked| asked.request == request);
        asked.expect("it was asked").outcome = Outcome::Refused;
    }),
    ("an entry of a request that nobody made", |entries, clients| {
        let request = entries[two_of_one(entries).1].request.clone().expect("an id");
        clients.iter_mut().for_each(|client| client.retain(|asked| asked.request != request));
    }),
    ("the end of the trail cut off", |entries, _| entries.truncate(entries.len() / 2)),
];

/// The trail, told otherwise.
fn entries(run: &mut Run, traffic: &mut Traffic, server: &Server) {
    traffic.check(server);
    let (trail, entries, clients) = traffic.told(&server.test());
    let judge = |entries: &[Entry], clients: &[Vec<Asked>]| {
        let clients: Vec<&[Asked]> = clients.iter().map(Vec::as_slice).collect();
        trail.after(entries, &clients).unwrap_or_else(|lost| panic!("{lost}"))
    };
    let told = judge(&entries, &clients);
    for (what, tell) in TELLINGS {
        let (mut entries, mut clients) = (entries.clone(), clients.clone());
        tell(&mut entries, &mut clients);
        run.sabotage(what, |_| drop(judge(&entries, &clients)));
    }
    // What the values are checked against.
    let with_history = |trail: &crate::trail::Trail| {
        let found = trail.values.iter().find(|(_, history)| history.texts.len() > 2);
        found.map(|(key, _)| key.clone()).expect("a value was set three times")
    };
    let key = with_history(&told);
    for (what, spoil) in [
        ("a version that is lost", (|texts| texts.truncate(texts.len() - 1)) as fn(&mut Vec<u64>)),
        ("two former versions swapped", |texts| {
            let last = texts.len() - 1;
            texts.swap(last - 1, last - 2);
        }),
        ("a former version of another text", |texts| {
            let last = texts.len() - 1;
            texts[last - 1] += 1;
        }),
    ] {
        let mut trail = told.clone();
        spoil(&mut trail.values.get_mut(&key).expect("it is there").texts);
        run.sabotage(what, |_| traffic.promises.iter().for_each(|promises| promises.agree(&trail)));
    }
}

/// What `doctor` may say, and what it may leave out.
fn findings(run: &mut Run, store: &Store) {
    let finished = store.coffer(["doctor", "--json"]);
    assert_eq!(checkup::judge(&finished), Ok(()));
    let mut findings: Vec<serde_json::Value> = serde_json::from_str(&finished.stdout).expect("JSON");
    let judge = |findings: &[serde_json::Value]| {
        let stdout = serde_json::to_string(findings).expect("JSON");
        checkup::judge(&Finished { stdout, ..finished.clone() }).unwrap_or_else(|lost| panic!("{lost}"));
    };
    let at = findings.iter().position(|finding| finding["check"] == "audit").expect("it was looked at");
    findings[at]["status"] = "bad".into();
    run.sabotage("a trail that doctor calls bad", |_| judge(&findings));
    findings.remove(at);
    run.sabotage("a trail that doctor does not look at", |_| judge(&findings));
}

type Meddle = fn(&Client, &Traffic);

/// What somebody else does to a store behind the backs of those who keep account of it.
const MEDDLERS: [(&str, Meddle); 5] = [
    ("a value that somebody else set", |api, traffic| {
        api.set_for(&traffic.definitions[0], "linked_account_id", "user_0", "of somebody else");
    }),
    ("a value that was lost", |api, traffic| {
        let states = traffic.promises[0].entries.values().filter_map(|entry| entry.certain());
        let id = states.filter_map(|state| state.id.clone()).next().expect("a value");
        api.delete(&format!("/env/values/{id}")).send().ok();
    }),
    ("a value that was there meanwhile", |api, traffic| {
        let absent = |promises: &&crate::promises::Promises| {
            promises.entries.values().any(|entry| entry.certain().is_some_and(|state| state.version == 0))
        };
        // One without a value, or else a new version, is told by the trail alone, or by values too.
        let promises = traffic.promises.iter().find(absent).unwrap_or(&traffic.promises[0]);
        let free = promises
            .entries
            .iter()
            .find(|(_, entry)| entry.certain().is_some_and(|state| state.version == 0));
        let definition = free.map_or(&traffic.definitions[0], |(definition, _)| definition);
        let set = api.set_for(definition, "linked_account_id", &promises.account, "for a moment");
        api.delete(&format!("/env/values/{}", set["_id"].as_str().expect("an id"))).send().ok();
    }),
    ("a definition that somebody else made", |api, _| drop(api.define_string("ANOTHER", "org"))),
    ("an account that was lost", |api, _| {
        api.delete("/linked-account/user_0").send().ok();
    }),
];

/// Stores that are whole, and not what they must be.
fn stores(run: &mut Run, store: &Arc<Store>, traffic: &Traffic, (older, now): (&Disk, &Disk)) {
    older.materialise(Cut::Kill, &mut Random::new(0));
    let server = store.serve();
    run.sabotage("an older copy of the store", |_| traffic.clone().check(&server));
    drop(server);
    now.materialise(Cut::Kill, &mut Random::new(0));
    store.configure(&Config::new().set("history", "keep_versions", "2"));
    let server = store.serve();
    run.sabotage("a store that has lost former versions", |_| traffic.clone().check(&server));
    drop(server);
    for (what, meddle) in MEDDLERS {
        now.materialise(Cut::Kill, &mut Random::new(0));
        let server = store.serve();
        meddle(&server.test(), traffic);
        run.sabotage(what, |_| traffic.clone().check(&server));
    }
}

/// A disk that says that it wrote what it did not.
fn lies(run: &mut Run, store: &Arc<Store>, traffic: &Traffic, random: &mut Random) {
    let mut traffic = traffic.clone();
    let control = Control::new(store.root());
    let mut command = store.command(["serve"]);
    control.attach(&mut command);
    let server = Server::spawn(store, command);
    control.arm(Fault::Lie, class::WRITES, 1, u64::MAX);
    work(&mut traffic, server, 50, random).kill();
    let started = store.try_serve();
    run.sabotage("writes that were never made", |_| traffic.check(up(&started)));
}

/// A server that came up; that one does not is noticed as well.
fn up(started: &Result<Server, Finished>) -> &Server {
    started.as_ref().unwrap_or_else(|finished| panic!("it does not start: {finished:?}"))
}

/// Logs in which syncs are left out, as if coffer had not made them.
fn syncs(run: &mut Run, store: &Arc<Store>, traffic: &Traffic, random: &mut Random) {
    let load = || Disk::load(store.root());
    let mut traffic = traffic.clone();
    // What was promised before this log is not in it.
    traffic.settle();
    let disks = [load(), load(), load()];
    let control = Control::new(store.root());
    control.pretend_syncs(1000);
    let mut command = store.command(["serve"]);
    control.attach_logged(&mut command);
    let measure = Measure { least: 150, longest: Duration::from_secs(60), bytes: 300 };
    traffic.burst(Server::spawn(store, command), &measure, random, Server::kill);
    let log = control.log();
    let answers = log.answers();
    let end = log.records.len();
    let (left_out, next) = one_group(&log);
    let start = |mut disk: Disk, end: usize, is_made: &dyn Fn(usize, &Record) -> bool| {
        for (place, record) in log.records[..end].iter().enumerate() {
            if is_made(place, record) {
                disk.apply(place, record.clone());
            }
        }
        disk.materialise(Cut::Nothing, &mut Random::new(0));
        let mut traffic = traffic.clone();
        traffic.rewind(end - 1, &answers);
        (traffic, store.try_serve())
    };
    let [whole, one, all] = disks;
    let (mut traffic_then, started) = start(whole, next, &|_, _| true);
    // Otherwise what follows proves nothing.
    traffic_then.check(up(&started));
    drop(started);
    let (mut traffic_then, started) = start(one, next, &|place, _| place != left_out);
    run.sabotage("one sync that was left out", |_| traffic_then.check(up(&started)));
    drop(started);
    let (mut traffic_then, started) = start(all, end, &|_, record| !matches!(record, Record::Sync { .. }));
    run.sabotage("no syncs", |_| traffic_then.check(up(&started)));
}

/// The last sync of the journal that an answered writer needed, and the next.
fn one_group(log: &Log) -> (usize, usize) {
    let mut often: HashMap<u64, usize> = HashMap::new();
    for record in &log.records {
        if let Record::Sync { inode, .. } = record {
            *often.entry(*inode).or_default() += 1;
        }
    }
    let journal = often.into_iter().max_by_key(|(_, count)| *count).expect("there are syncs").0;
    let is_sync =
        |place: &usize| matches!(log.records[*place], Record::Sync { inode, .. } if inode == journal);
    let syncs: Vec<usize> = (0..log.records.len()).filter(is_sync).collect();
    let answered = |from: usize, to: usize| -> HashSet<&str> {
        let requests = log.records[from..to].iter().filter_map(|record| match record {
            Record::Answer { request } => Some(request.as_str()),
            _ => None,
        });
        let accounts = requests.filter_map(|request| request.split_once('.')).map(|(account, _)| account);
        accounts.filter(|account| account.starts_with("user_")).collect()
    };
    // What a writer asks after an answer is written after it, and so is not in the sync before: one answered on
    // both sides of a sync needed that sync. An answer on one side alone may be a late one of the sync before.
    let needed = syncs
        .windows(3)
        .rev()
        .find(|sync| !answered(sync[0], sync[1]).is_disjoint(&answered(sync[1], sync[2])));
    let needed = needed.expect("a writer was answered twice");
    (needed[1], needed[2])
}

/// A creation without a sync of its directories.
fn names(run: &mut Run) {
    let store = Store::uninitialized(&Config::new());
    let mut disk = Disk::load(store.root());
    let control = Control::new(store.root());
    let mut command = store.command(["init"]);
    control.attach_logged(&mut command);
    finish(&mut command).ok();
    let records = control.log().records;
    let made = records.iter().filter_map(|record| match record {
        Record::Made { inode, is_dir: true, .. } => Some(*inode),
        _ => None,
    });
    let root = std::os::unix::fs::MetadataExt::ino(&std::fs::metadata(store.root()).expect("readable"));
    let dirs: HashSet<u64> = made.chain([root]).collect();
    for (place, record) in records.into_iter().enumerate() {
        if !matches!(record, Record::Sync { inode, .. } if dirs.contains(&inode)) {
            disk.apply(place, record);
        }
    }
    run.sabotage("no syncs of directories", |random| {
        disk.materialise(Cut::Nothing, random);
        store.coffer(["orgs", "list"]).ok();
    });
}

/// Refusals that help nobody.
fn refusals(run: &mut Run) {
    let victims = ["journal/00000000000000000001.journal".to_owned()];
    for (what, code, stderr) in [
        ("a refusal that names another file", 1, "error: data/keyring is damaged"),
        ("a refusal without a word", 1, ""),
        ("a refusal by a panic", 101, "thread 'main' panicked at journal/00000000000000000001.journal"),
    ] {
        let finished = Finished { code: Some(code), stdout: String::new(), stderr: stderr.into() };
        run.sabotage(what, |_| damage::check_refusal(&finished, &victims, what));
    }
}
