//! The order of system calls: written, synced, visible, acknowledged.

use std::path::{Path, PathBuf};
use std::time::Duration;

use super::ledger::{Ledger, define};
use crate::support::interpose::{self, Event, Interposed};
use crate::support::{Config, Store, check_page, eventually, finish};

/// The sync calls that make data stable.
const SYNCS: [&str; 2] = ["fdatasync", "fsync"];

fn is_sync(event: &Event, moment: &str) -> bool {
    SYNCS.iter().any(|call| event.is_on_journal(&format!("{call}-{moment}")))
}

/// Checks that between the last write into the journal and the first answer thereafter lies a whole sync.
#[track_caller]
fn check_order(events: &[Event]) {
    let answer = events.iter().position(is_answer).expect("an answer was sent");
    let before = &events[..answer];
    let written =
        before.iter().rposition(|event| event.is_on_journal("write")).expect("the journal was written");
    let begun = before.iter().skip(written).position(|event| is_sync(event, "begin"));
    let begun = written + begun.unwrap_or_else(|| panic!("no sync after the write: {events:#?}"));
    let ended = before.iter().skip(begun).any(|event| is_sync(event, "end"));
    assert!(ended, "the sync has not ended before the answer: {events:#?}");
}

fn is_answer(event: &Event) -> bool {
    event.call == "send"
        && event.path.starts_with("socket:")
        && event.rest.last().is_some_and(|head| head.starts_with("HTTP/1.1_20"))
}

#[test]
fn a_sync_of_the_journal_lies_between_a_write_and_its_answer() {
    let store = Store::new();
    let Interposed { server, control } = interpose::serve(&store);
    let api = server.test();
    let mut seen = control.events().len();
    let mut check = |what: &str| {
        let events = control.events();
        check_order(&events[seen..]);
        assert!(events.len() > seen, "{what}");
        seen = events.len();
    };
    let plain = api.define_string("PLAIN", "org");
    check("creating a definition");
    let value = api.set(&plain, "v")["_id"].as_str().unwrap().to_owned();
    check("creating a value");
    api.set(&plain, "w");
    check("replacing a value");
    api.patch(&format!("/env/definitions/{plain}"), &serde_json::json!({ "encrypted": true })).send().ok();
    check("sealing");
    api.delete(&format!("/env/values/{value}")).send().ok();
    check("deleting a value");
    api.delete(&format!("/env/definitions/{plain}")).send().ok();
    check("deleting a definition");
    let body = serde_json::json!({ "environment": "test", "permissions": ["read"] });
    let made = api.post("/admin/keys", &body).send();
    check("creating a key");
    api.delete(&format!("/admin/keys/{}", made.json()["_id"].as_str().unwrap())).send().ok();
    check("revoking a key");
}

#[test]
fn a_read_syncs_nothing() {
    let store = Store::new();
    let Interposed { server, control } = interpose::serve(&store);
    let api = server.test();
    let definition = api.define_string("V", "org");
    api.set(&definition, "v");
    let seen = control.events().len();
    for _ in 0..50 {
        api.resolve(&definition).send().ok();
        api.get("/env/values/org").send().ok();
    }
    let events = control.events();
    let touched = events[seen..].iter().filter(|event| event.path.ends_with(".journal")).count();
    assert_eq!(touched, 0);
}

#[test]
fn nobody_sees_a_write_before_it_is_stable() {
    let store = Store::new();
    let Interposed { server, control } = interpose::serve(&store);
    let api = server.test();
    let definition = api.define_string("V", "org");
    let existing = api.define_string("W", "org");
    api.set(&existing, "old");
    let seen = control.events().len();
    control.turn_on("freeze", "");
    let writers: Vec<_> = [api.setting(&definition, "new"), api.setting(&existing, "new")]
        .into_iter()
        .map(|request| std::thread::spawn(move || request.send()))
        .collect();
    eventually(Duration::from_secs(10), "the write reaches the journal", || {
        control.events()[seen..].iter().any(|event| is_sync(event, "begin")).then_some(())
    });
    std::thread::sleep(Duration::from_millis(300));
    assert!(writers.iter().all(|writer| !writer.is_finished()), "not answered");
    api.resolve(&definition).send().error(404, "RESOURCE_NOT_FOUND");
    let resolved = api.resolve(&existing).send().ok();
    assert_eq!((&resolved["value"], &resolved["version"]), (&"old".into(), &1.into()));
    check_page(&api.get("/env/values/org").send().ok(), 1, 10, 1);
    assert_eq!(server.anonymous().at("GET", "/healthz").send().status, 200);
    assert!(!control.events()[seen..].iter().any(|event| is_sync(event, "end")));

    control.turn_off("freeze");
    for writer in writers {
        writer.join().unwrap().ok();
    }
    assert_eq!(api.resolve(&definition).send().ok()["value"], "new");
    assert_eq!(api.resolve(&existing).send().ok()["value"], "new");
    check_page(&api.get("/env/values/org").send().ok(), 1, 10, 2);
}

#[test]
fn one_sync_serves_many_writers() {
    let store = Store::new();
    let Interposed { server, control } = interpose::serve(&store);
    let api = server.test();
    let definition = api.define_encrypted("V", "linked_account");
    let syncs = |moment| control.events().iter().filter(|event| is_sync(event, moment)).count();
    let (begun, ended) = (syncs("begin"), syncs("end"));
    control.turn_on("freeze", "");
    let write = |index| {
        let (api, definition) = (api.clone(), definition.clone());
        std::thread::spawn(move || {
            api.set_for(&definition, "linked_account_id", &format!("user_{index}"), "v")
        })
    };
    let mut writers = vec![write(0)];
    eventually(Duration::from_secs(30), "the first write is being synced", || {
        (syncs("begin") > begun).then_some(())
    });
    writers.extend((1..64).map(write));
    eventually(Duration::from_secs(30), "the others wait", || {
        let metrics = server.anonymous().at("GET", "/metrics").send();
        let metrics = String::from_utf8_lossy(&metrics.body).into_owned();
        metrics.lines().any(|line| line == "coffer_store_queue_depth 63").then_some(())
    });
    assert!(writers.iter().all(|writer| !writer.is_finished()));
    control.turn_off("freeze");
    for writer in writers {
        assert_eq!(writer.join().unwrap()["version"], 1);
    }
    assert_eq!(syncs("end") - ended, 2, "one for the first, one for the 63 that came meanwhile");
}

#[track_caller]
fn check_unavailable(response: &crate::support::Response) {
    response.error(503, "STORE_UNAVAILABLE");
    let seconds = response.header("retry-after").expect("Retry-After");
    assert!(seconds.parse::<u64>().is_ok_and(|seconds| seconds > 0), "{seconds}");
}

#[track_caller]
fn check_failure(switch: &str, errno: &str) {
    let store = Store::new();
    let Interposed { server, control } = interpose::serve(&store);
    let api = server.test();
    let definitions = define(&server, 4);
    let mut ledger = Ledger::new("user");
    for definition in &definitions[..3] {
        let body = ledger.begin_set(definition);
        ledger.acknowledge_set(definition, &api.post("/env/values", &body).send().ok());
    }
    control.turn_on(switch, errno);
    let body = ledger.begin_set(&definitions[0]);
    check_unavailable(&api.post("/env/values", &body).send());
    control.turn_off(switch);

    // What failed once is never tried again in place: after a failed sync nobody knows what is on the disk.
    let refused = ledger.begin_set(&definitions[1]);
    check_unavailable(&api.post("/env/values", &refused).send());
    check_unavailable(
        &api.post("/env/definitions", &serde_json::json!({ "name": "X", "scope": "org" })).send(),
    );
    server.anonymous().at("GET", "/readyz").send().error(503, "STORE_UNAVAILABLE");
    let url = format!("http://{}", server.address());
    let unready = store.coffer(["health", "--url", &url]).failed();
    assert_eq!(unready, format!("error: {url} is not ready: 503: the store cannot write"));
    store.coffer(["health", "--live", "--url", &url]).ok();
    assert_eq!(server.anonymous().at("GET", "/healthz").send().status, 200);
    api.resolve(&definitions[2]).query("linked_account_id", "user").send().ok();
    api.get("/env/values/linked_account").query("linked_account_id", "user").send().ok();
    api.get("/env/definitions").send().ok();

    let server = server.kill().serve();
    assert_eq!(server.anonymous().at("GET", "/readyz").send().status, 200);
    ledger.check(&server.test());
    let body = ledger.begin_set(&definitions[3]);
    ledger.acknowledge_set(&definitions[3], &server.test().post("/env/values", &body).send().ok());
    ledger.check(&server.test());
}

#[test]
fn a_failed_sync_is_final_until_the_store_is_opened_again() {
    check_failure("fail-sync", "5");
}

#[test]
fn a_failed_write_is_final_until_the_store_is_opened_again() {
    check_failure("fail-write", "5");
    check_failure("fail-write", "28");
}

#[test]
fn a_server_whose_store_failed_still_stops_when_told() {
    let store = Store::new();
    let Interposed { server, control } = interpose::serve(&store);
    let definition = server.test().define_string("V", "org");
    server.test().set(&definition, "kept");
    control.turn_on("fail-sync", "5");
    check_unavailable(&server.test().setting(&definition, "lost").send());
    server.signal("TERM");
    server.ended();
    let server = store.serve();
    let value = server.test().resolve(&definition).send().ok()["value"].clone();
    assert!(value == "kept" || value == "lost", "{value}");
}

#[test]
fn what_init_made_is_stable_before_it_says_so() {
    let store = Store::uninitialized(&Config::new());
    let (mut command, control) = interpose::prepare(store.command(["init", "--json"]));
    finish(&mut command).ok();
    let events = control.events();
    let data = store.data().canonicalize().unwrap();
    let data = data.to_str().unwrap();
    let mut written: Vec<&str> = events
        .iter()
        .filter(|event| {
            event.call == "write" && event.path.starts_with(data) && !event.path.contains("/sled/")
        })
        .map(|event| event.path.as_str())
        .collect();
    written.sort_unstable();
    written.dedup();
    assert!(written.len() >= 2, "a keyring and a journal or a base: {written:?}");
    // Neither holds anything that a power cut may not take.
    let relied_on = |path: &&str| !path.ends_with("/lock") && !path.ends_with("/reached");
    for path in written.into_iter().filter(relied_on) {
        let last = events.iter().rposition(|event| event.call == "write" && event.path == path).unwrap();
        let synced = events[last..]
            .iter()
            .any(|event| SYNCS.iter().any(|call| event.call == format!("{call}-end")) && event.path == path);
        assert!(synced, "{path} is synced after its last write");
    }
    let synced =
        |path: &Path| events.iter().any(|event| event.call == "fsync-end" && Path::new(&event.path) == path);
    assert!(synced(Path::new(data)), "the names in the store's directory are synced");
    assert!(synced(Path::new(data).parent().unwrap()), "the directory's own name is synced");
}

#[test]
fn what_a_start_relies_on_is_stable_before_the_store_says_so() {
    let store = Store::new();
    let server = store.serve();
    let definition = server.test().define_string("V", "org");
    server.test().set(&definition, "v");
    let store = server.kill();
    // Built anew, and so noted in `state` as something that the journal is known to have.
    std::fs::remove_dir_all(store.data().join("sled")).unwrap();
    let data = store.data().canonicalize().unwrap();
    let files =
        [store.files_in("base"), store.files_in("journal"), vec![store.data().join("keyring")]].concat();
    let files = files.into_iter().filter(|path| !path.to_string_lossy().contains("spare-"));
    let files: Vec<PathBuf> = files.map(|path| path.canonicalize().unwrap()).collect();
    assert!(files.len() >= 3, "{files:?}");

    let Interposed { server, control } = interpose::serve(&store);
    let events = control.events();
    let noted = events.iter().position(|event| event.path.ends_with("/state.new")).expect("a new state");
    let before = &events[..noted];
    assert!(before.iter().any(|event| event.is_on_journal("write")), "the last frame is written again");
    let directories = ["base", "journal", ""].map(|name| data.join(name).components().collect());
    for path in files.into_iter().chain(directories) {
        let synced = before.iter().any(|event| event.call == "fsync-end" && Path::new(&event.path) == path);
        assert!(synced, "{} is synced: {before:#?}", path.display());
    }
    assert_eq!(server.test().resolve(&definition).send().ok()["value"], "v");
}
