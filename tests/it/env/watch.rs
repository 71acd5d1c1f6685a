//! `GET /env/watch`: what changes, as server-sent events.

use std::io::{BufRead, BufReader, Write};
use std::net::TcpStream;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::support::{Client, Server};

/// One who watches.
struct Watcher(BufReader<TcpStream>);

#[derive(Debug, PartialEq)]
struct Event {
    id: Option<u64>,
    event: String,
    data: Value,
}

impl Watcher {
    fn open(api: &Client, server: &Server, query: &str, last: Option<u64>) -> Watcher {
        let mut request = api.at("GET", &format!("/api/v2/public/env/watch{query}"));
        if let Some(last) = last {
            request = request.header("last-event-id", last.to_string());
        }
        let mut stream = TcpStream::connect(server.address()).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
        stream.write_all(&request.encode()).unwrap();
        let mut watcher = Watcher(BufReader::new(stream));
        let head = watcher.line();
        assert!(head.starts_with("HTTP/1.1 200"), "{head}");
        // Up to the first comment, which says that it has begun.
        while watcher.line() != ":" {}
        watcher
    }

    fn line(&mut self) -> String {
        self.try_line().expect("a line")
    }

    /// A line of the body or the head; `None` where the stream has ended.
    fn try_line(&mut self) -> Option<String> {
        let mut line = String::new();
        (self.0.read_line(&mut line).unwrap() > 0).then(|| line.trim_end().to_owned())
    }

    fn event(&mut self) -> Event {
        let mut event = Event { id: None, event: String::new(), data: Value::Null };
        loop {
            let line = self.line();
            if let Some(id) = line.strip_prefix("id: ") {
                event.id = Some(id.parse().unwrap());
            } else if let Some(name) = line.strip_prefix("event: ") {
                event.event = name.into();
            } else if let Some(data) = line.strip_prefix("data: ") {
                event.data = serde_json::from_str(data).unwrap();
            } else if line.is_empty() && !event.event.is_empty() {
                return event;
            }
        }
    }

    fn check(&mut self, event: &str, data: Value) -> u64 {
        let found = self.event();
        assert_eq!((found.event.as_str(), &found.data), (event, &data));
        found.id.unwrap()
    }

    /// Waits for the end of the stream, and says how long that took.
    fn ends(mut self) -> Duration {
        let begun = Instant::now();
        // The last chunk of a body is empty.
        while self.try_line().is_some_and(|line| line != "0") {}
        begun.elapsed()
    }
}

#[test]
fn every_kind_of_change_is_told_with_ids_and_names_and_never_a_value() {
    let server = Server::start();
    let api = server.test();
    let mut watcher = Watcher::open(&server.permitted("read"), &server, "", None);
    let definition = api.define_encrypted("SECRET", "linked_account");
    let of_definition =
        json!({ "variable_definition_id": definition, "name": "SECRET", "scope": "linked_account" });
    let first = watcher.check("definition.created", of_definition);
    let value = api.set_for(&definition, "linked_account_id", "mark", "planted-secret");
    let of_value = |name: &str| {
        json!({ "variable_definition_id": definition, "name": name, "scope": "linked_account",
            "environment": "test", "linked_account_id": "mark" })
    };
    let second = watcher.check("value.set", of_value("SECRET"));
    assert!(second > first);
    api.patch(&format!("/env/definitions/{definition}"), &json!({ "name": "RENAMED" })).send().ok();
    watcher.check(
        "definition.changed",
        json!({ "variable_definition_id": definition, "name": "RENAMED", "scope": "linked_account" }),
    );
    api.delete(&format!("/env/values/{}", value["_id"].as_str().unwrap())).send().ok();
    watcher.check("value.deleted", of_value("RENAMED"));
    api.delete("/linked-account/mark").send().ok();
    watcher.check("account.deleted", json!({ "environment": "test", "linked_account_id": "mark" }));
    api.delete(&format!("/env/definitions/{definition}")).send().ok();
    watcher.check(
        "definition.deleted",
        json!({ "variable_definition_id": definition, "name": "RENAMED", "scope": "linked_account" }),
    );

    // From the beginning, by another one; and from nowhere.
    let mut again = Watcher::open(&api, &server, "", Some(first));
    assert_eq!(again.event().id, Some(second));
    for unknown in [0, 1_000_000] {
        let mut lost = Watcher::open(&api, &server, "", Some(unknown));
        let found = lost.event();
        if unknown > 0 {
            assert_eq!((found.event.as_str(), found.data), ("reset", json!({})));
        }
    }
}

#[test]
fn nobody_is_told_of_what_it_may_not_read() {
    let server = Server::start();
    let api = server.test();
    let org = api.define_string("ORG", "org");
    let linked = api.define_string("LINKED", "linked_account");
    for account in ["mark", "eve"] {
        api.register(account);
    }
    let other_org = server.store().create_org("another");
    let stranger = server.anonymous().key(&server.store().create_key(&[
        "--environment",
        "test",
        "--org",
        &other_org,
        "--permissions",
        "read",
    ]));
    let holder = server.anonymous().bearer(&api.token("mark"));
    let mut watchers = [
        (Watcher::open(&stranger, &server, "", None), vec![]),
        (Watcher::open(&server.production(), &server, "", None), vec![]),
        (Watcher::open(&holder, &server, "", None), vec!["LINKED mark"]),
        (Watcher::open(&api, &server, "?linked_account_id=eve", None), vec!["ORG ", "LINKED eve"]),
        (Watcher::open(&api, &server, "", None), vec!["ORG ", "LINKED mark", "LINKED eve"]),
    ];
    api.set(&org, "1");
    for account in ["mark", "eve"] {
        api.set_for(&linked, "linked_account_id", account, "1");
    }
    // What everyone is told ends the test, each in his own room.
    api.define_string("END", "linked_account");
    let manager = server.anonymous().key(&server.store().create_key(&[
        "--environment",
        "test",
        "--org",
        &other_org,
        "--permissions",
        "manage",
    ]));
    manager.define_string("END", "linked_account");
    for (watcher, expected) in &mut watchers {
        let mut told = Vec::new();
        loop {
            let Event { event, data, .. } = watcher.event();
            let name = data["name"].as_str().unwrap().to_owned();
            if name == "END" {
                break;
            }
            assert_eq!(event, "value.set");
            told.push(format!("{name} {}", data["linked_account_id"].as_str().unwrap_or_default()));
        }
        assert_eq!(told, *expected);
    }
    server.permitted("write").get("/env/watch").send().error(403, "FORBIDDEN");
}

#[test]
fn a_watch_goes_on_after_a_restart_and_a_kill() {
    let server = Server::start();
    let definition = server.test().define_string("V", "org");
    let mut watcher = Watcher::open(&server.test(), &server, "", None);
    server.test().set(&definition, "1");
    let seen = watcher.event().id.unwrap();
    server.test().set(&definition, "2");
    let server = server.kill().serve();
    server.test().set(&definition, "3");
    let mut watcher = Watcher::open(&server.test(), &server, "", Some(seen));
    let ids = [watcher.event().id.unwrap(), watcher.event().id.unwrap()];
    assert!(seen < ids[0] && ids[0] < ids[1]);
}

#[test]
fn a_stop_ends_it_at_once_and_the_end_of_the_credential_soon() {
    let server = Server::start();
    let made = server.store().coffer(["keys", "create", "--environment", "test", "--json"]).json();
    let api = server.anonymous().key(made["key"].as_str().unwrap());
    let ending = Watcher::open(&api, &server, "", None);
    let going_on = Watcher::open(&server.test(), &server, "", None);
    server.store().coffer(["keys", "revoke", made["_id"].as_str().unwrap()]).ok();
    assert!(ending.ends() < Duration::from_secs(17));
    let begun = Instant::now();
    server.stop();
    assert!(begun.elapsed() < Duration::from_secs(10), "{:?}", begun.elapsed());
    going_on.ends();
}
