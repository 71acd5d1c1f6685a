//! Many clients on few values at once, and whether one value after the other could have given these answers.

mod history;

use std::net::SocketAddr;
use std::time::Instant;

use serde_json::json;

use crate::random::Random;
use crate::report::Run;
use crate::support::{Client, Connection, Server};
use history::{Did, Known, Operation, check};

const CLIENTS: usize = 8;
const VALUES: usize = 3;

pub(crate) fn run(run: &mut Run) {
    run.case(u64::MAX, "histories that are none", |_| history::check_the_check());
    let server = Server::start();
    let mut operations = 0;
    for case in run.cases(4, 100) {
        run.case(case, "many clients on few values", |random| operations += one(&server, case, random));
    }
    run.note(format!("{operations} operations"));
}

fn one(server: &Server, case: u64, random: &mut Random) -> usize {
    let api = server.test();
    let definitions: Vec<String> = (0..VALUES)
        .map(|index| {
            let encrypted = index % 2 == 1;
            api.define(&json!({ "name": format!("M{case}_{index}"), "scope": "org", "encrypted": encrypted }))
        })
        .collect();
    let begun = Instant::now();
    let (api, definitions) = (&api, &definitions);
    let clients: Vec<Random> = (0..CLIENTS).map(|_| Random::new(random.next())).collect();
    let done: Vec<Vec<(usize, Operation)>> = std::thread::scope(|scope| {
        let running: Vec<_> = clients
            .into_iter()
            .enumerate()
            .map(|(number, random)| {
                scope.spawn(move || {
                    let mut worker = Worker::new(api, server.address(), definitions, number, random);
                    (0..150).filter_map(|turn| worker.step(turn, begun)).collect()
                })
            })
            .collect();
        running.into_iter().map(|client| client.join().expect("a client went on")).collect()
    });
    let all: Vec<(usize, Operation)> = done.into_iter().flatten().collect();
    for (index, definition) in definitions.iter().enumerate() {
        let of_one = all.iter().filter(|(value, _)| *value == index).map(|(_, operation)| operation.clone());
        if let Err(why) = check(of_one.collect()) {
            panic!("LOST: {definition} is not one value: {why}");
        }
    }
    all.len()
}

/// One client, and what it knows of each value.
struct Worker<'w> {
    api: &'w Client,
    connection: Connection,
    definitions: &'w [String],
    name: usize,
    random: Random,
    ids: Vec<Option<String>>,
    versions: Vec<u64>,
}

impl<'w> Worker<'w> {
    fn new(
        api: &'w Client,
        address: SocketAddr,
        definitions: &'w [String],
        name: usize,
        random: Random,
    ) -> Worker<'w> {
        let connection = Connection::open(address).expect("a connection");
        let (ids, versions) = (vec![None; definitions.len()], vec![0; definitions.len()]);
        Worker { api, connection, definitions, name, random, ids, versions }
    }

    /// One operation on one value, and when it began and ended.
    fn step(&mut self, turn: usize, epoch: Instant) -> Option<(usize, Operation)> {
        let value = self.random.index(self.definitions.len());
        let definition = &self.definitions[value];
        let text = format!("{} {turn}", self.name);
        let version = self.versions[value];
        let set = self.api.setting(definition, &text);
        let (request, kind) = match self.random.below(10) {
            0 | 1 => (set, Kind::Set),
            2 | 3 if version > 0 => {
                (set.header("if-match", format!("\"{version}\"")), Kind::SetOver(version))
            }
            2..=4 => (set.header("if-none-match", "*"), Kind::SetNew),
            5 => {
                let id = self.ids[value].clone()?;
                (self.api.delete(&format!("/env/values/{id}")), Kind::Delete(id))
            }
            _ => (self.api.resolve(definition).query("reveal", "true"), Kind::Read),
        };
        let start = epoch.elapsed();
        let answer = self.connection.exchange(&request).expect("an answer");
        let end = epoch.elapsed();
        let did = match (kind, answer.status) {
            (Kind::Read, 404) => Did::Saw(Known::Absent),
            (Kind::Read, _) => {
                let body = answer.ok();
                self.versions[value] = body["version"].as_u64().expect("a version");
                let text = body["value"].as_str().expect("text").to_owned();
                Did::Read { text, version: self.versions[value] }
            }
            (Kind::Delete(id), 404) => Did::Saw(Known::NotThis(id)),
            (Kind::Delete(id), _) => {
                answer.ok();
                self.versions[value] = 0;
                Did::Delete { id }
            }
            (Kind::SetOver(version), 412) => Did::Saw(Known::NotVersion(version)),
            (Kind::SetNew, 412) => Did::Saw(Known::Present),
            (kind, _) => {
                let body = answer.ok();
                let id = body["_id"].as_str().expect("an id").to_owned();
                self.versions[value] = body["version"].as_u64().expect("a version");
                self.ids[value] = Some(id.clone());
                let over = match kind {
                    Kind::SetOver(version) => Some(Some(version)),
                    Kind::SetNew => Some(None),
                    _ => None,
                };
                Did::Set { id, version: self.versions[value], text, over }
            }
        };
        Some((value, Operation { start, end, did }))
    }
}

enum Kind {
    Set,
    SetOver(u64),
    SetNew,
    Delete(String),
    Read,
}
