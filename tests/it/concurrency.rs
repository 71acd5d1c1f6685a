//! Many at once: one key is one value, one version has one successor.

use std::collections::BTreeSet;

use crate::support::{Server, check_page};

/// What each of `count` threads returns.
fn at_once<T: Send>(count: usize, act: impl Fn(usize) -> T + Sync) -> Vec<T> {
    let barrier = std::sync::Barrier::new(count);
    std::thread::scope(|scope| {
        let run = |index| {
            barrier.wait();
            act(index)
        };
        let threads: Vec<_> = (0..count).map(|index| scope.spawn(move || run(index))).collect();
        threads.into_iter().map(|thread| thread.join().expect("no panic")).collect()
    })
}

#[test]
fn fifty_sets_of_one_new_key_make_one_value_with_fifty_versions() {
    let server = Server::start();
    let api = server.test();
    for definition in [api.define_string("PLAIN", "org"), api.define_encrypted("SEALED", "org")] {
        let answers = at_once(50, |index| api.set(&definition, &format!("value {index}")));
        let ids: BTreeSet<_> = answers.iter().map(|answer| answer["_id"].to_string()).collect();
        assert_eq!(ids.len(), 1, "one value");
        let created: BTreeSet<_> = answers.iter().map(|answer| answer["createdAt"].to_string()).collect();
        assert_eq!(created.len(), 1, "created once");
        let versions: BTreeSet<_> =
            answers.iter().map(|answer| answer["version"].as_u64().unwrap()).collect();
        assert_eq!(versions, (1..=50).collect(), "each set has a version of its own");

        let last = answers.iter().position(|answer| answer["version"] == 50).unwrap();
        let resolved = api.resolve(&definition).query("reveal", "true").send().ok();
        assert_eq!(resolved["version"], 50);
        assert_eq!(resolved["value"], format!("value {last}"));
    }
    check_page(&api.get("/env/values/org").send().ok(), 1, 10, 2);
}

#[test]
fn of_writers_over_one_version_exactly_one_wins() {
    let server = Server::start();
    let api = server.test();
    let definition = api.define_string("V", "org");
    api.set(&definition, "start");
    for round in 1..=5 {
        let tag = format!("\"{round}\"");
        let answers = at_once(16, |index| {
            api.setting(&definition, &format!("{round} {index}")).header("if-match", &tag).send()
        });
        let winners: Vec<usize> = (0..16).filter(|index| answers[*index].status == 200).collect();
        assert_eq!(winners.len(), 1, "round {round}");
        for answer in answers.iter().filter(|answer| answer.status != 200) {
            answer.error(412, "VERSION_CONFLICT");
        }
        let resolved = api.resolve(&definition).send().ok();
        assert_eq!(resolved["value"], format!("{round} {}", winners[0]));
        assert_eq!(resolved["version"], round + 1);
    }
}

#[test]
fn of_writers_where_there_is_none_exactly_one_wins() {
    let server = Server::start();
    let api = server.test();
    let definition = api.define_string("V", "org");
    let answers = at_once(16, |_| api.setting(&definition, "v").header("if-none-match", "*").send());
    assert_eq!(answers.iter().filter(|answer| answer.status == 200).count(), 1);
    assert_eq!(api.resolve(&definition).send().ok()["version"], 1);
}

#[test]
fn of_deletions_of_one_value_exactly_one_finds_it() {
    let server = Server::start();
    let api = server.test();
    let definition = api.define_string("V", "org");
    let id = api.set(&definition, "v")["_id"].as_str().unwrap().to_owned();
    let answers = at_once(16, |_| api.delete(&format!("/env/values/{id}")).send());
    assert_eq!(answers.iter().filter(|answer| answer.status == 200).count(), 1);
    for answer in answers.iter().filter(|answer| answer.status != 200) {
        answer.error(404, "RESOURCE_NOT_FOUND");
    }
    check_page(&api.get("/env/values/org").send().ok(), 1, 10, 0);
}

#[test]
fn sets_and_deletions_of_one_key_leave_totals_that_agree() {
    let server = Server::start();
    let api = server.test();
    let definition = api.define_string("V", "org");
    at_once(8, |_| {
        for _ in 0..10 {
            let id = api.set(&definition, "v")["_id"].as_str().unwrap().to_owned();
            let deleted = api.delete(&format!("/env/values/{id}")).send();
            assert!(matches!(deleted.status, 200 | 404), "{}", deleted.text());
        }
    });
    let there = u64::from(api.resolve(&definition).send().status == 200);
    check_page(&api.get("/env/values/org").send().ok(), 1, 10, there);
}
