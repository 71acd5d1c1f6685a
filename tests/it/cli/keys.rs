//! `coffer keys …`, on a free store and through the running server alike.

use std::sync::Arc;

use serde_json::Value;

use crate::support::{Server, Store, check_fields, check_id, check_time, finish};

/// Runs `check` on a store that no server holds, and on one that is served.
fn both(check: impl Fn(&Arc<Store>)) {
    check(&Store::new());
    let server = Server::start();
    check(server.store());
}

fn listed(store: &Store, args: &[&str]) -> Vec<Value> {
    let list = store.coffer([&["keys", "list", "--json"], args].concat()).json();
    list.as_array().unwrap_or_else(|| panic!("an array: {list}")).clone()
}

#[test]
fn a_key_is_created_listed_and_revoked() {
    both(|store| {
        let made = store.coffer(["keys", "create", "--environment", "test", "--name", "ci", "--json"]).json();
        check_fields(&made, "_id key");
        let id = check_id(&made["_id"]);
        let key = made["key"].as_str().unwrap();
        assert!(key.starts_with("tk_"));

        let list = listed(store, &[]);
        assert_eq!(list.len(), 3);
        let mine = list.iter().find(|one| one["_id"] == *id).expect("it is listed");
        assert_eq!(mine["name"], "ci");
        assert_eq!(mine["environment"], "test");
        assert_eq!(mine["permissions"], serde_json::json!(["read", "write"]));
        assert!(!list.iter().any(|one| one.to_string().contains(&key[3..])), "shown once");

        let text = store.coffer(["keys", "list"]).ok();
        assert!(text.contains(&id) && text.contains("ci"), "{text}");
        store.coffer(["keys", "revoke", &id]).ok();
        store.coffer(["keys", "revoke", "0123456789abcdef01234567"]).failed();
    });
}

#[test]
fn the_output_is_the_same_through_the_server() {
    let store = Store::new();
    store.coffer(["keys", "create", "--environment", "all", "--name", "x", "--expires", "30d"]).ok();
    store.coffer(["environments", "add", "staging"]).ok();
    store.create_org("second");
    let commands: [&[&str]; 12] = [
        &["keys", "list"],
        &["keys", "list", "--json"],
        &["keys", "list", "--org", "second", "--json"],
        &["keys", "list", "--org", "nobody"],
        &["keys", "revoke", "0123456789abcdef01234567"],
        &["keys", "create", "--environment", "test"],
        &["keys", "create", "--environment", "nowhere", "--org", "second"],
        &["orgs", "list"],
        &["orgs", "list", "--json"],
        &["orgs", "create", "second"],
        &["environments", "list", "--json"],
        &["environments", "add", "staging", "--org", "nobody"],
    ];
    let free: Vec<_> = commands.iter().map(|command| store.coffer(*command)).collect();
    let server = store.serve();
    for (command, free) in commands.iter().zip(&free) {
        assert_eq!(&store.coffer(*command), free, "{command:?}");
    }
    drop(server);
}

#[test]
fn every_unit_of_time_is_taken_and_nonsense_is_not() {
    let store = Store::new();
    for expires in ["1s", "60m", "24h", "30d"] {
        store.coffer(["keys", "create", "--environment", "test", "--expires", expires, "--json"]).ok();
    }
    let before = listed(&store, &[]).len();
    for expires in ["", "30", "d", "-1d", "1.5h", "1w", "0s", "30 d", "99999999999999999999d", "1d2h"] {
        let finished =
            store.coffer(["keys", "create", "--environment", "test", &format!("--expires={expires}")]);
        assert!(matches!(finished.code, Some(1 | 2)), "{expires}: {finished:?}");
        assert!(!finished.stderr.is_empty());
    }
    assert_eq!(listed(&store, &[]).len(), before);
}

#[test]
fn permissions_are_given_as_told() {
    let store = Store::new();
    store.create_key(&["--environment", "test", "--permissions", "admin,reveal,manage"]);
    let list = listed(&store, &[]);
    let mut given: Vec<_> =
        list.last().unwrap()["permissions"].as_array().unwrap().iter().map(|p| p.as_str().unwrap()).collect();
    given.sort_unstable();
    assert_eq!(given, ["admin", "manage", "reveal"]);
    for permissions in ["", "root", "read,", "read write", "READ"] {
        let finished =
            store.coffer(["keys", "create", "--environment", "test", "--permissions", permissions]);
        assert!(matches!(finished.code, Some(1 | 2)), "{permissions}: {finished:?}");
    }
}

#[test]
fn an_environment_is_needed_and_must_exist() {
    both(|store| {
        store.coffer(["keys", "create"]).misused();
        let finished = store.coffer(["keys", "create", "--environment", "nowhere"]);
        assert!(matches!(finished.code, Some(1 | 2)), "{finished:?}");
        assert!(finished.stderr.contains("environment"), "{finished:?}");
        store.coffer(["environments", "add", "staging"]).ok();
        assert!(store.create_key(&["--environment", "staging"]).starts_with("ck_"));
        assert!(store.create_key(&["--environment", "all"]).starts_with("ck_"));
    });
}

#[test]
fn where_there_are_several_organizations_one_is_named() {
    both(|store| {
        let first = store.org.clone();
        let second = store.create_org("second");
        let usage = store.coffer(["keys", "create", "--environment", "test"]).misused();
        assert!(usage.contains("second"), "it lists them: {usage}");
        let by_name = store.create_key(&["--environment", "test", "--org", "second"]);
        let by_id = store.create_key(&["--environment", "test", "--org", &second]);
        assert_ne!(by_name, by_id);
        assert_eq!(listed(store, &["--org", "second"]).len(), 2);
        assert_eq!(listed(store, &["--org", &second]).len(), 2);
        assert_eq!(listed(store, &["--org", &first]).len(), 2);
        assert_eq!(listed(store, &[]).len(), 4, "without --org those of every organization");
        let finished = store.coffer(["keys", "list", "--org", "nobody"]);
        assert!(matches!(finished.code, Some(1 | 2)) && !finished.stderr.is_empty(), "{finished:?}");
    });
}

#[test]
fn a_key_made_through_the_server_works_at_once_and_after_a_kill() {
    let server = Server::start();
    let key = server.store().create_key(&["--environment", "test"]);
    server.anonymous().key(&key).get("/env/definitions").send().ok();
    let server = server.kill().serve();
    server.anonymous().key(&key).get("/env/definitions").send().ok();
}

#[test]
fn a_key_made_on_a_free_store_works_when_it_is_served() {
    let store = Store::new();
    let key = store.create_key(&["--environment", "production"]);
    store.serve().anonymous().key(&key).get("/env/definitions").send().ok();
}

#[test]
fn a_refusal_names_what_was_asked_for() {
    both(|store| {
        let says = |args: &[&str], expected: &str| {
            let line = store.coffer(args).failed();
            assert_eq!(line, format!("error: {expected}"));
        };
        let none = "no environment `nope`; there are: test, production";
        says(&["keys", "create", "--environment", "nope"], none);
        says(&["keys", "list", "--org", "nobody"], "no organization `nobody`");
        let unknown = "0123456789abcdef01234567";
        says(&["keys", "revoke", unknown], &format!("no API key has the id {unknown}"));
        let usage = store.coffer(["keys", "create", "--environment", "all,test"]).misused();
        assert!(usage.contains("the name of one environment, or `all`"), "{usage}");
        let line = store.coffer(["keys", "revoke", &store.test_key]).failed();
        assert!(!line.contains(&store.test_key), "the key itself is not repeated: {line}");
    });
}

#[test]
fn people_are_told_that_a_key_is_shown_only_now() {
    let store = Store::new();
    let made = store.coffer(["keys", "create", "--environment", "test"]);
    assert!(made.ok().contains("tk_") && made.stderr.contains("only now"), "{made:?}");
    assert_eq!(store.coffer(["keys", "create", "--environment", "test", "--json"]).stderr, "");
}

#[test]
fn a_key_that_could_not_be_shown_is_a_failure_that_says_what_to_do() {
    let full = || std::fs::File::options().write(true).open("/dev/full").unwrap();
    let store = Store::uninitialized(&crate::support::Config::new());
    let run = |args: &[&str]| finish(store.command(args).stdout(full())).failed();
    let line = run(&["init"]);
    assert!(line.contains("`coffer keys list`") && line.contains("`coffer keys create`"), "{line}");
    let line = run(&["keys", "create", "--environment", "test"]);
    assert!(line.contains("`coffer keys revoke "), "{line}");
}

#[test]
fn a_reader_that_has_gone_ends_a_list_quietly() {
    let store = Store::new();
    let pipe = |args: &[&str]| {
        let (reader, writer) = std::io::pipe().unwrap();
        drop(reader);
        finish(store.command(args).stdout(writer))
    };
    let finished = pipe(&["keys", "list"]);
    assert_eq!((finished.code, finished.stderr.as_str()), (Some(0), ""));
    pipe(&["keys", "create", "--environment", "test"]).failed();
}

#[test]
fn the_last_use_of_a_key_outlives_a_clean_stop() {
    let server = Server::start();
    server.test().get("/env/definitions").send().ok();
    let last_uses = |store: &Store| -> Vec<Value> {
        listed(store, &[]).iter().map(|key| key["last_used_at"].clone()).collect()
    };
    let served = last_uses(server.store());
    assert_eq!(served.iter().filter(|at| at.is_string()).count(), 1, "{served:?}");
    let store = server.stop();
    assert_eq!(last_uses(&store), served);
    let text = store.coffer(["keys", "list"]).ok();
    let used = served.iter().find_map(Value::as_str).unwrap();
    assert!(text.contains("LAST USED") && text.contains(used) && text.contains("never"), "{text}");
}

#[test]
fn a_key_is_listed_as_it_was_made() {
    both(|store| {
        let told = ["--environment", "all", "--permissions", "read,reveal", "--name", "nightly"];
        store.create_key(&[&told[..], &["--expires", "1d"]].concat());
        store.create_key(&told);
        let list = listed(store, &[]);
        for made in &list[2..] {
            assert_eq!(made["environment"], "all");
            assert_eq!(made["permissions"], serde_json::json!(["read", "reveal"]));
            assert_eq!(made["name"], "nightly");
        }
        let (made_at, ends) = (check_time(&list[2]["createdAt"]), check_time(&list[2]["expiresAt"]));
        assert_eq!(made_at[10..], ends[10..], "a day later, to the millisecond");
        assert_ne!(made_at[..10], ends[..10]);
        assert_eq!(list[3]["expiresAt"], Value::Null);
    });
}
