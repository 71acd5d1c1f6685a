//! `coffer audit export` and `verify`: what was changed, removed, moved or cut off is found and named.

use std::sync::Arc;

use serde_json::Value;

use super::export;
use crate::support::{Server, Store, check_id};

/// A store with a few entries in the chain of its organization.
fn filled() -> Arc<Store> {
    let server = Server::start();
    let api = server.test();
    let definition = api.define_string("V", "org");
    for number in 0..8 {
        api.set(&definition, &number.to_string());
    }
    server.stop()
}

/// The place of the entry with this number of an organization's chain.
fn place(lines: &[String], org: &str, seq: u64) -> usize {
    let is = |line: &Value| line["chain"] == org && line["seq"] == seq;
    lines.iter().position(|line| is(&serde_json::from_str(line).unwrap())).unwrap()
}

/// Writes `lines` as a file, and says why it does not verify.
#[track_caller]
fn refused(store: &Store, lines: &[String], name: &str) -> String {
    let path = store.root().join(name);
    std::fs::write(&path, lines.join("\n") + "\n").unwrap();
    store.coffer(["audit", "verify", path.to_str().unwrap()]).failed()
}

#[test]
fn an_export_verifies_and_any_change_to_it_is_named() {
    let store = filled();
    let (path, lines) = export(&store, "trail.jsonl");
    let verified = store.coffer(["audit", "verify", path.to_str().unwrap(), "--json"]).json();
    assert_eq!(verified, store.coffer(["audit", "verify", "--json"]).json(), "the store's own");
    let chain = verified.as_array().unwrap().iter().find(|row| row["chain"] == *store.org).unwrap().clone();
    assert_eq!((&chain["entries"], &chain["seq"]), (&Value::from(11), &Value::from(11)));
    let at = |seq| place(&lines, &store.org, seq);
    let named = |number: u64| format!("entry {number} of chain {} was ", store.org);

    // Every field of an entry, one at a time.
    let entry: Value = serde_json::from_str(&lines[at(5)]).unwrap();
    for (field, old) in entry.as_object().unwrap() {
        let mut changed = entry.clone();
        changed[field] = match (field.as_str(), old) {
            ("chain", _) => continue,
            ("seq", _) => continue,
            ("event", _) => "variable_value.deleted".into(),
            ("actor" | "entity", _) => {
                let mut party = old.clone();
                party["name"] = "somebody else".into();
                party
            }
            ("environment", _) => "production".into(),
            ("ip", _) => "192.0.2.1".into(),
            ("createdAt", _) => "2020-01-01T00:00:00.000Z".into(),
            ("count", _) => 7.into(),
            ("hash", _) => "0".repeat(64).into(),
            ("_id", _) => "0".repeat(24).into(),
            _ => "changed".into(),
        };
        // In the order in which an export has them, which a map of JSON does not keep.
        let line =
            lines[at(5)].replace(&format!("\"{field}\":{old}"), &format!("\"{field}\":{}", changed[field]));
        let line = if line == lines[at(5)] { changed.to_string() } else { line };
        let mut file = lines.clone();
        file[at(5)] = line;
        let why = refused(&store, &file, "changed.jsonl");
        assert!(why.contains(&named(5)) && why.contains("changed"), "{field}: {why}");
    }
    let mut spaced = lines.clone();
    spaced[at(5)] = lines[at(5)].replace("\"seq\":", "\"seq\": ");
    assert!(refused(&store, &spaced, "spaced.jsonl").contains(&named(5)));
    let mut end = lines.clone();
    end[lines.len() - 1] = lines[lines.len() - 1].replace("\"mac\":", "\"mac\": ");
    assert!(refused(&store, &end, "end.jsonl").contains("the last line was changed"));
    // What is no entry any more is named by the one before it.
    let mut unread = lines.clone();
    unread[at(5)] = lines[at(5)].replace("\"seq\"", "\"sequence\"");
    let why = refused(&store, &unread, "unread.jsonl");
    assert!(why.ends_with(&format!("it stands after entry 4 of chain {}", store.org)), "{why}");

    // A time that no clock of ours can show.
    let mut late = lines.clone();
    let old = entry["createdAt"].as_str().unwrap();
    late[at(5)] = lines[at(5)].replace(old, "9999-12-30T22:00:00.500Z");
    assert!(refused(&store, &late, "late.jsonl").contains(&named(5)));

    let mut removed = lines.clone();
    removed.remove(at(5));
    assert!(refused(&store, &removed, "removed.jsonl").contains(&named(5)));
    let mut swapped = lines.clone();
    swapped.swap(at(5), at(6));
    assert!(refused(&store, &swapped, "swapped.jsonl").contains(&named(5)));
    let mut doubled = lines.clone();
    doubled.insert(at(5), lines[at(5)].clone());
    assert!(refused(&store, &doubled, "doubled.jsonl").contains(&named(6)));
    let mut first = lines.clone();
    first.remove(at(1));
    assert!(refused(&store, &first, "first.jsonl").contains(&named(1)));
}

#[test]
fn a_tail_that_was_cut_off_is_found() {
    let store = filled();
    let (_, lines) = export(&store, "trail.jsonl");
    let why = refused(&store, &lines[..lines.len() - 1], "no-end.jsonl");
    assert!(why.contains("cut off: after entry 11"), "{why}");
    let why = refused(&store, &lines[..lines.len() - 3], "no-end.jsonl");
    assert!(why.contains("cut off: after entry 9"), "{why}");
    let path = store.root().join("no-line-end.jsonl");
    std::fs::write(&path, lines.join("\n")).unwrap();
    let why = store.coffer(["audit", "verify", path.to_str().unwrap()]).failed();
    assert!(why.contains(&format!("line {}", lines.len())), "{why}");
    // With the end put back.
    let mut cut = lines.clone();
    cut.remove(lines.len() - 2);
    let why = refused(&store, &cut, "cut.jsonl");
    assert!(why.contains(&format!("entry 11 of chain {} was removed", store.org)), "{why}");
    // The end of an earlier export is as genuine as that export: only who knows a later head can tell.
    let server = store.serve();
    let definition = server.test().define_string("LATER", "org");
    check_id(&server.test().set(&definition, "v")["_id"]);
    let store = server.stop();
    let (_, later) = export(&store, "later.jsonl");
    let head =
        serde_json::from_str::<Value>(&later[later.len() - 2]).unwrap()["hash"].as_str().unwrap().to_owned();
    let early = store.root().join("trail.jsonl");
    let early = early.to_str().unwrap();
    store.coffer(["audit", "verify", early]).ok();
    let why = store.coffer(["audit", "verify", early, "--head", &head]).failed();
    assert!(why.contains(&head), "{why}");
    let known =
        serde_json::from_str::<Value>(&lines[lines.len() - 2]).unwrap()["hash"].as_str().unwrap().to_owned();
    store.coffer(["audit", "verify", early, "--head", &known]).ok();
    store.coffer(["audit", "verify", "--head", &known, "--head", &head]).ok();
    let unknown = "0".repeat(64);
    assert!(store.coffer(["audit", "verify", "--head", &unknown]).failed().contains(&unknown));
    store.coffer(["audit", "verify", "--head", "123"]).misused();
}

#[test]
fn it_works_while_a_server_holds_the_store() {
    let server = Server::start();
    let definition = server.test().define_string("V", "org");
    for number in 0..600 {
        server.test().set(&definition, &number.to_string());
    }
    let (path, lines) = export(server.store(), "served.jsonl");
    assert!(lines.len() > 600);
    let path = path.to_str().unwrap().to_owned();
    server.store().coffer(["audit", "verify", &path]).ok();
    let table = server.store().coffer(["audit", "verify"]).ok();
    assert!(table.contains("603"), "{table}");
    let mode = std::os::unix::fs::PermissionsExt::mode(&std::fs::metadata(&path).unwrap().permissions());
    assert_eq!(mode & 0o777, 0o600);
}

#[test]
fn an_existing_file_is_not_overwritten() {
    let store = Store::new();
    let path = store.root().join("there");
    std::fs::write(&path, "precious").unwrap();
    let why = store.coffer(["audit", "export", path.to_str().unwrap()]).failed();
    assert!(why.contains("there"), "{why}");
    assert_eq!(std::fs::read_to_string(&path).unwrap(), "precious");
    let why = store.coffer(["audit", "verify", path.to_str().unwrap()]).failed();
    assert!(why.contains("line 1"), "{why}");
}

#[test]
fn another_stores_trail_does_not_verify() {
    let (one, other) = (filled(), Store::new());
    let (path, _) = export(&one, "trail.jsonl");
    let why = other.coffer(["audit", "verify", path.to_str().unwrap()]).failed();
    assert!(why.contains("entry 1 of chain store was changed"), "{why}");
}
