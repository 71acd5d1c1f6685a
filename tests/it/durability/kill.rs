//! `kill -9` in the middle of many writers.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use serde_json::json;

use super::ledger::{Ledger, define};
use crate::support::{Client, Connection, Server, check_page, eventually};

const WRITERS: usize = 64;
const CYCLES: usize = 20;

/// Sets and deletes until the server is gone; every promise goes into the ledger.
fn write(
    ledger: &mut Ledger,
    api: &Client,
    address: std::net::SocketAddr,
    definitions: &[String],
    stop: &AtomicBool,
    acknowledged: &AtomicU64,
) {
    let Ok(mut connection) = Connection::open(address) else { return };
    for turn in 0.. {
        if stop.load(Ordering::Relaxed) {
            break;
        }
        let definition = &definitions[turn % definitions.len()];
        if turn % 7 == 6 {
            let Some(id) = ledger.begin_deletion(definition) else { continue };
            let Ok(answer) = connection.exchange(&api.delete(&format!("/env/values/{id}"))) else { break };
            answer.ok();
            ledger.acknowledge_deletion(definition);
        } else {
            let body = ledger.begin_set(definition);
            let Ok(answer) = connection.exchange(&api.post("/env/values", &body)) else { break };
            ledger.acknowledge_set(definition, &answer.ok());
        }
        acknowledged.fetch_add(1, Ordering::Relaxed);
    }
}

/// Creates definitions until the server is gone; returns the names that were acknowledged.
fn create(prefix: &str, api: &Client, address: std::net::SocketAddr) -> Vec<String> {
    let Ok(mut connection) = Connection::open(address) else { return Vec::new() };
    let mut created = Vec::new();
    loop {
        let name = format!("{prefix}_{}", created.len());
        let request = api.post("/env/definitions", &json!({ "name": name, "scope": "workflow" }));
        let Ok(answer) = connection.exchange(&request) else { return created };
        answer.created();
        created.push(name);
    }
}

#[test]
fn every_acknowledged_write_is_there_after_twenty_kills_among_64_writers() {
    let mut server = Server::start();
    let definitions = define(&server, 8);
    let mut ledgers: Vec<Ledger> = (0..WRITERS).map(|index| Ledger::new(&format!("user_{index}"))).collect();
    let mut names: Vec<String> = Vec::new();
    for cycle in 0..CYCLES {
        let (api, address) = (server.test(), server.address());
        let (stop, acknowledged) = (AtomicBool::new(false), AtomicU64::new(0));
        let store = std::thread::scope(|scope| {
            for ledger in &mut ledgers {
                let (api, definitions, stop, acknowledged) = (&api, &definitions, &stop, &acknowledged);
                scope.spawn(move || write(ledger, api, address, definitions, stop, acknowledged));
            }
            let creator = scope.spawn(|| create(&format!("CYCLE_{cycle}"), &api, address));
            // Killed at another moment of the writers' lives each time, early ones included.
            let enough = (cycle as u64 * 37) % 150 * 2;
            eventually(Duration::from_secs(60), "the writers are in the middle of it", || {
                (acknowledged.load(Ordering::Relaxed) >= enough).then_some(())
            });
            let store = server.kill();
            names.extend(creator.join().expect("no panic"));
            store
        });

        server = store.serve();
        let api = server.test();
        std::thread::scope(|scope| {
            for part in ledgers.chunks_mut(WRITERS / 4) {
                let api = &api;
                scope.spawn(move || {
                    for (index, ledger) in part.iter_mut().enumerate() {
                        ledger.check(api);
                        if index % 8 == cycle % 8 {
                            ledger.check_ids(api);
                        }
                    }
                });
            }
        });
        names = check_definitions(&api, names);
    }
}

/// Checks that all acknowledged definitions are listed, once, with a total that agrees; returns what is there.
fn check_definitions(api: &Client, acknowledged: Vec<String>) -> Vec<String> {
    let mut found = Vec::new();
    for page in 1.. {
        let request = api.get("/env/definitions").query("scope", "workflow").query("limit", "1000");
        let body = request.query("page", &page.to_string()).send().ok();
        let total = body["totalDocs"].as_u64().expect("a total");
        for doc in check_page(&body, page, 1000, total) {
            found.push(doc["name"].as_str().expect("a name").to_owned());
        }
        if body["hasNextPage"] == false {
            assert_eq!(found.len() as u64, total);
            break;
        }
    }
    for name in &acknowledged {
        assert!(found.contains(name), "{name} was acknowledged");
    }
    // The index by name agrees with the list.
    if let Some(last) = found.last() {
        let body = json!({ "name": last, "scope": "workflow" });
        api.post("/env/definitions", &body).send().error(409, "DUPLICATE_DEFINITION");
    }
    found
}

#[test]
fn a_kill_during_start_up_does_no_harm() {
    let server = Server::start();
    let definitions = define(&server, 4);
    let mut ledger = Ledger::new("user");
    let api = server.test();
    for turn in 0..40 {
        let definition = &definitions[turn % 4];
        let body = ledger.begin_set(definition);
        ledger.acknowledge_set(definition, &api.post("/env/values", &body).send().ok());
    }
    let store = server.kill();
    for delay in [0, 1, 2, 4, 6, 8, 10, 12, 15, 20, 25, 30, 40, 60, 80] {
        let mut child = store.command(["serve"]).spawn().unwrap();
        std::thread::sleep(Duration::from_millis(delay));
        child.kill().unwrap();
        child.wait().unwrap();
    }
    let server = store.serve();
    ledger.check(&server.test());
}

#[test]
fn a_kill_during_shutdown_does_no_harm() {
    let mut server = Server::start();
    let definitions = define(&server, 4);
    let mut ledger = Ledger::new("user");
    for delay in [0, 1, 2, 3, 5, 8, 12, 20, 40] {
        let api = server.test();
        for definition in &definitions {
            let body = ledger.begin_set(definition);
            ledger.acknowledge_set(definition, &api.post("/env/values", &body).send().ok());
        }
        server.signal("TERM");
        std::thread::sleep(Duration::from_millis(delay));
        server = server.kill().serve();
        ledger.check(&server.test());
    }
}

#[test]
fn many_clean_restarts_keep_everything() {
    let mut server = Server::start();
    let definitions = define(&server, 4);
    let mut ledger = Ledger::new("user");
    for _ in 0..5 {
        let api = server.test();
        for definition in &definitions {
            let body = ledger.begin_set(definition);
            ledger.acknowledge_set(definition, &api.post("/env/values", &body).send().ok());
        }
        server = server.stop().serve();
        ledger.check(&server.test());
    }
}
