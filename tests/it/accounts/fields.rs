//! The fields of a linked account: their types, their limits, and many writers at once.

use serde_json::{Map, Value, json};

use super::{one, removal};
use crate::support::{Server, check_page};

fn fields(count: usize, prefix: &str) -> Value {
    let entries = (0..count).map(|number| (format!("{prefix}{number}"), json!("v")));
    Value::Object(entries.collect::<Map<_, _>>())
}

#[test]
fn every_field_of_the_wrong_type_is_named() {
    let server = Server::start();
    let api = server.test();
    for method in ["POST", "PUT"] {
        for (field, wrong) in [
            ("account_id", json!(1)),
            ("account_id", json!(["a"])),
            ("linked_account_id", json!({ "id": "a" })),
            ("linked_account_id", json!(true)),
            ("name", json!(1)),
            ("name", json!(["a"])),
            ("udf", json!("k=v")),
            ("udf", json!([])),
            ("udf", json!([{ "key_name": "k", "key_value": "v" }])),
            ("udf", json!({ "k": 1 })),
            ("udf", json!({ "k": { "a": "b" } })),
            ("udf", json!({ "k": ["a"] })),
            ("udf", json!({ "k": false })),
            ("payload", json!("a")),
            ("payload", json!([])),
            ("payload", json!(1)),
        ] {
            let mut flat = json!({ "account_id": "a" });
            flat[field] = wrong.clone();
            let message =
                api.post("/linked-account", &flat).method(method).send().error(400, "INVALID_REQUEST");
            assert!(message.contains(field), "{field}: {message}");
            if field != "payload" {
                let nested = json!({ "account_id": "a", "payload": { field: wrong } });
                let answer = api.post("/linked-account", &nested).method(method).send();
                let message = answer.error(400, "INVALID_REQUEST");
                assert!(message.contains(field), "{field}: {message}");
            }
        }
        for body in ["", "[]", "null", "{", r#"{"account_id":"a","account_id":"a"}"#] {
            let request = api.at(method, "/api/v2/public/linked-account").body(body);
            request.send().error(400, "INVALID_REQUEST");
        }
    }
    check_page(&api.get("/linked-account").send().ok(), 1, 10, 0);
}

#[test]
fn name_and_fields_have_limits() {
    let server = Server::start();
    let api = server.test();
    let put = |change: Value| {
        let mut body = change;
        body["account_id"] = "a".into();
        api.put("/linked-account", &body).send()
    };
    put(json!({ "name": "n".repeat(256) })).ok();
    put(json!({ "udf": { "k".repeat(128): "v".repeat(8192 - 128) } })).ok();
    put(json!({ "udf": { "k".repeat(128): null } })).ok();
    put(json!({ "udf": { "ключ \u{1F511} . $ /": "any text,\nwith lines" } })).ok();
    put(json!({ "udf": { "ключ \u{1F511} . $ /": null } })).ok();
    let before = one(&api, "a").send().ok();
    assert_eq!(before["udf"], json!([]));
    for (field, change) in [
        ("name", json!({ "name": "n".repeat(257) })),
        ("name", json!({ "name": "é".repeat(129) })),
        ("name", json!({ "name": "a\nb" })),
        ("udf", json!({ "udf": { "": "v" } })),
        ("udf", json!({ "udf": { "k".repeat(129): "v" } })),
        ("udf", json!({ "udf": { "a\u{7}b": "v" } })),
        ("udf", json!({ "udf": { "k": "v".repeat(8192) } })),
        ("udf", json!({ "udf": fields(65, "k") })),
    ] {
        let message = put(change.clone()).error(400, "INVALID_REQUEST");
        assert!(message.contains(field), "{field}: {message}");
        let mut body = change;
        body["account_id"] = "new".into();
        api.post("/linked-account", &body).send().error(400, "INVALID_REQUEST");
    }
    assert_eq!(one(&api, "a").send().ok(), before, "what is refused changes nothing");
    one(&api, "new").send().error(404, "RESOURCE_NOT_FOUND");

    // The limit is on what there is in the end, not on what is sent.
    assert_eq!(put(json!({ "udf": fields(64, "k") })).ok()["udf"].as_array().unwrap().len(), 64);
    put(json!({ "udf": { "one more": "v" } })).error(400, "INVALID_REQUEST");
    put(json!({ "udf": { "one more": "v", "k0": null, "k1": "changed" } })).ok();
    assert_eq!(one(&api, "a").send().ok()["udf"].as_array().unwrap().len(), 64);
}

/// What each of `count` threads returns.
fn at_once<T: Send>(count: usize, act: impl Fn(usize) -> T + Sync) -> Vec<T> {
    std::thread::scope(|scope| {
        let threads: Vec<_> = (0..count)
            .map(|index| {
                let act = &act;
                scope.spawn(move || act(index))
            })
            .collect();
        threads.into_iter().map(|thread| thread.join().expect("no panic")).collect()
    })
}

#[test]
fn of_many_at_once_one_registers_and_every_field_is_kept() {
    let server = Server::start();
    let api = server.test();
    let statuses = at_once(16, |_| api.post("/linked-account", &json!({ "account_id": "a" })).send().status);
    assert_eq!(statuses.iter().filter(|status| **status == 200).count(), 1, "{statuses:?}");
    assert_eq!(statuses.iter().filter(|status| **status == 409).count(), 15, "{statuses:?}");
    let made = at_once(16, |index| {
        let body = json!({ "account_id": "b", "udf": { format!("k{index}"): "v" } });
        api.put("/linked-account", &body).send().ok()["new_account"].clone()
    });
    assert_eq!(made.iter().filter(|new| **new == true).count(), 1);
    assert_eq!(one(&api, "b").send().ok()["udf"].as_array().unwrap().len(), 16, "none overwrote another's");
    check_page(&api.get("/linked-account").send().ok(), 1, 10, 2);
}

#[test]
fn a_deletion_among_writers_leaves_all_or_nothing() {
    let server = Server::start();
    let api = server.test();
    let definitions: Vec<String> =
        (0..6).map(|number| api.define_string(&format!("V{number}"), "linked_account")).collect();
    for _ in 0..10 {
        api.put("/linked-account", &json!({ "account_id": "a" })).send().ok();
        at_once(7, |index| match definitions.get(index) {
            Some(definition) => drop(api.set_for(definition, "linked_account_id", "a", "v")),
            None => drop(removal(&api, "a").send().ok()),
        });
        // Whoever came after the deletion registered the account anew: then their values are there, and counted.
        let values = api.get("/env/values/linked_account").query("linked_account_id", "a").send().ok();
        let total = values["totalDocs"].as_u64().unwrap();
        check_page(&values, 1, 10, total);
        let accounts = u64::from(one(&api, "a").send().status == 200);
        check_page(&api.get("/linked-account").send().ok(), 1, 10, accounts);
        assert!(accounts == 1 || total == 0, "{total} values of nobody");
    }
    removal(&api, "a").send();
    for definition in definitions {
        api.delete(&format!("/env/definitions/{definition}")).send().ok();
    }
}
