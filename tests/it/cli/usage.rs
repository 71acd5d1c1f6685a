//! Help, mistakes, and where each goes.

use crate::support::{Config, Store, command, finish};

#[test]
fn help_is_what_was_asked_for() {
    for args in [
        &["--help"][..],
        &["serve", "--help"],
        &["init", "--help"],
        &["keys", "--help"],
        &["keys", "create", "--help"],
        &["help"],
    ] {
        let finished = finish(command().args(args));
        assert!(finished.ok().contains("Usage"), "{finished:?}");
        assert_eq!(finished.stderr, "");
    }
}

#[test]
fn a_usage_error_exits_with_two_and_touches_nothing() {
    let store = Store::uninitialized(&Config::new());
    for args in [
        &["nothing"][..],
        &["--nothing"],
        &["serve", "--nothing"],
        &["serve", "extra"],
        &["keys"],
        &["keys", "nothing"],
        &["keys", "revoke"],
        &["orgs", "create"],
        &["environments", "add"],
        &["init", "--org"],
        &["--log-format", "xml", "serve"],
        &["--listen", "127.0.0.1:0", "keys", "list"],
        &["serve", "--data", ""],
    ] {
        store.coffer(args).misused();
    }
    assert!(store.files().is_empty());
    assert!(!store.data().exists());
}

#[test]
fn a_bad_flag_is_named() {
    let store = Store::uninitialized(&Config::new());
    for args in [&["--listen", "8099"][..], &["serve", "--listen", "8099"]] {
        let usage = store.coffer(args).misused();
        assert!(usage.contains("--listen") && usage.contains("must be host:port"), "{usage}");
    }
}

#[test]
fn every_command_takes_the_directory_of_the_store() {
    let store = Store::new();
    let elsewhere = tempfile::tempdir().unwrap();
    let data = elsewhere.path().join("moved");
    std::fs::rename(store.data(), &data).unwrap();
    let data = data.to_str().unwrap();
    for args in [&["orgs", "list", "--data", data][..], &["--data", data, "orgs", "list"]] {
        assert!(store.coffer(args).ok().contains(&store.org));
    }
    let line = store.coffer(["init", "--data", data]).failed();
    assert!(line.contains(data), "{line}");
    assert!(!store.data().exists());
}

#[test]
fn a_command_that_mends_the_store_says_so() {
    let store = Store::new();
    std::fs::write(store.data().join("state"), "garbage").unwrap();
    let finished = store.coffer(["keys", "list"]);
    assert!(!finished.ok().contains("WARN"), "{finished:?}");
    assert!(finished.stderr.contains(" WARN ") && finished.stderr.contains("`state`"), "{finished:?}");
    std::fs::write(store.data().join("state"), "garbage").unwrap();
    let finished = store.coffer(["--log-format", "json", "orgs", "list"]);
    finished.ok();
    assert!(finished.stderr.contains(r#""level":"WARN""#), "{finished:?}");
}

#[test]
fn commands_on_a_store_that_is_not_there_fail_and_make_none() {
    for config in [Config::new(), Config::new().without("encryption", "passphrase")] {
        let store = Store::uninitialized(&config);
        for args in [
            &["keys", "list"][..],
            &["keys", "create", "--environment", "test"],
            &["orgs", "list"],
            &["orgs", "create", "x"],
            &["environments", "list"],
        ] {
            let line = store.coffer(args).failed();
            assert!(line.contains("data: make one with `coffer init`"), "{line}");
            assert!(store.files().is_empty(), "{args:?}");
        }
    }
}
