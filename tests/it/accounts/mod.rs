//! `/linked-account`: registered, changed, read, listed, deleted.

mod fields;
mod filters;
mod ids;

use serde_json::{Value, json};

use crate::support::{
    Client, Config, Request, Server, check_fields, check_id, check_page, check_time, percent,
};

const WRITTEN: &str = "_id associated_org account_id name environment udf createdAt updatedAt";

fn one(api: &Client, account: &str) -> Request {
    api.get(&format!("/linked-account/{}", percent(account)))
}

fn removal(api: &Client, account: &str) -> Request {
    api.delete(&format!("/linked-account/{}", percent(account)))
}

/// The body without what tells one kind of answer from another.
fn bare(body: &Value) -> Value {
    let mut body = body.clone();
    let fields = body.as_object_mut().unwrap();
    fields.remove("integrations");
    fields.remove("new_account");
    body
}

#[test]
fn an_account_is_registered_and_read_field_for_field() {
    let server = Server::start();
    let api = server.test();
    let body =
        json!({ "account_id": "user_12345", "name": "Mark", "udf": { "plan": "gold", "area": "north" } });
    let made = api.post("/linked-account", &body).send().ok();
    check_fields(&made, WRITTEN);
    check_id(&made["_id"]);
    assert_eq!(made["associated_org"], server.store().org);
    assert_eq!(made["account_id"], "user_12345");
    assert_eq!(made["name"], "Mark");
    assert_eq!(made["environment"], "test");
    let udf = json!([
        { "key_name": "area", "key_value": "north" },
        { "key_name": "plan", "key_value": "gold" },
    ]);
    assert_eq!(made["udf"], udf);
    check_time(&made["createdAt"]);
    assert_eq!(made["updatedAt"], made["createdAt"]);

    let read = one(&api, "user_12345").send().ok();
    check_fields(&read, &format!("{WRITTEN} integrations"));
    assert_eq!(read["integrations"], json!([]));
    assert_eq!(bare(&read), made);
    let list = api.get("/linked-account").send().ok();
    assert_eq!(check_page(&list, 1, 10, 1), std::slice::from_ref(&read));

    let server = server.kill().serve();
    assert_eq!(one(&server.test(), "user_12345").send().ok(), read, "it was durable when it was answered");
}

#[test]
fn an_account_that_exists_is_not_registered_again() {
    let server = Server::start();
    let api = server.test();
    let body = json!({ "account_id": "user", "name": "first", "udf": { "k": "v" } });
    api.post("/linked-account", &body).send().ok();
    let before = one(&api, "user").send().ok();
    for body in [&body, &json!({ "linked_account_id": "user", "name": "second", "udf": { "k": null } })] {
        api.post("/linked-account", body).send().error(409, "DUPLICATE_LINKED_ACCOUNT");
    }
    assert_eq!(one(&api, "user").send().ok(), before);
    // One that its first value registered exists as well.
    let definition = api.define_string("V", "linked_account");
    api.set_for(&definition, "linked_account_id", "by value", "v");
    let body = json!({ "account_id": "by value" });
    api.post("/linked-account", &body).send().error(409, "DUPLICATE_LINKED_ACCOUNT");
    let registered = one(&api, "by value").send().ok();
    assert_eq!((&registered["name"], &registered["udf"]), (&json!(""), &json!([])));
}

#[test]
fn an_upsert_makes_what_is_not_there_and_changes_what_is() {
    let server = Server::start();
    let api = server.test();
    let put = |body: &Value| api.put("/linked-account", body).send().ok();
    let made = put(&json!({ "account_id": "user", "name": "first", "udf": { "a": "1", "b": "2" } }));
    check_fields(&made, &format!("{WRITTEN} new_account"));
    assert_eq!(made["new_account"], true);

    let changed = put(&json!({ "account_id": "user", "udf": { "b": null, "c": "3", "absent": null } }));
    assert_eq!(changed["new_account"], false);
    assert_eq!((&changed["_id"], &changed["createdAt"]), (&made["_id"], &made["createdAt"]));
    assert_eq!(changed["name"], "first", "what is not said stays");
    let udf = json!([{ "key_name": "a", "key_value": "1" }, { "key_name": "c", "key_value": "3" }]);
    assert_eq!(changed["udf"], udf, "merged by key, and null removes one");
    assert!(changed["updatedAt"].as_str() >= made["updatedAt"].as_str());

    std::thread::sleep(std::time::Duration::from_millis(5));
    assert_eq!(put(&json!({ "account_id": "user" })), changed, "what changes nothing changes nothing");
    let named = put(&json!({ "account_id": "user", "name": "second", "udf": { "a": "" } }));
    assert_eq!(named["name"], "second");
    assert_eq!(named["udf"][0], json!({ "key_name": "a", "key_value": "" }), "an empty field is one");
    assert!(named["updatedAt"].as_str() > changed["updatedAt"].as_str());
    assert_eq!(put(&json!({ "account_id": "user", "name": "" }))["name"], "");

    let before = one(&api, "user").send().ok();
    let server = server.kill().serve();
    assert_eq!(one(&server.test(), "user").send().ok(), before);
}

#[test]
fn a_body_may_be_flat_or_nested_and_the_nested_wins() {
    let server = Server::start();
    let api = server.test();
    for (method, id) in [("POST", "posted"), ("PUT", "put")] {
        let send = |body: &Value| api.post("/linked-account", body).method(method).send();
        let nested = json!({ "payload": { "linked_account_id": id, "name": "nested", "udf": { "k": "v" } } });
        let made = send(&nested).ok();
        assert_eq!((&made["account_id"], &made["name"]), (&json!(id), &json!("nested")));
        assert_eq!(made["udf"], json!([{ "key_name": "k", "key_value": "v" }]));
        removal(&api, id).send().ok();
        let both = json!({
            "account_id": "flat", "name": "flat", "udf": { "flat": "v" },
            "payload": { "account_id": id, "name": "nested", "udf": { "nested": "v" } },
        });
        let made = send(&both).ok();
        assert_eq!((&made["account_id"], &made["name"]), (&json!(id), &json!("nested")));
        assert_eq!(made["udf"], json!([{ "key_name": "nested", "key_value": "v" }]));
        removal(&api, id).send().ok();
        let otherwise = json!({ "account_id": "flat", "payload": { "linked_account_id": id } });
        assert_eq!(send(&otherwise).ok()["account_id"], id, "by whichever name");
        removal(&api, id).send().ok();
        let nulls = json!({ "account_id": null, "udf": { "k": "v" }, "name": null });
        let mixed = json!({ "account_id": id, "name": "flat", "payload": nulls });
        let made = send(&mixed).ok();
        assert_eq!((&made["account_id"], &made["name"]), (&json!(id), &json!("flat")), "null is as absent");
        removal(&api, id).send().ok();
        let null = json!({ "account_id": id, "payload": null, "name": null, "udf": null });
        assert_eq!(send(&null).ok()["name"], "");
    }
    one(&api, "flat").send().error(404, "RESOURCE_NOT_FOUND");
}

#[test]
fn accounts_are_listed_in_the_order_of_creation_in_pages() {
    let server = Server::start();
    let api = server.test();
    let definition = api.define_string("V", "linked_account");
    // Names that sort otherwise than they were made, by each way to make one.
    let names: Vec<String> = (0..23).map(|number| format!("user {}", (number * 7) % 23)).collect();
    for (number, name) in names.iter().enumerate() {
        match number % 3 {
            0 => drop(api.register(name)),
            1 => drop(api.put("/linked-account", &json!({ "account_id": name })).send().ok()),
            _ => drop(api.set_for(&definition, "linked_account_id", name, "v")),
        }
    }
    api.put("/linked-account", &json!({ "account_id": names[3], "name": "changed" })).send().ok();
    for limit in [1, 10, 22, 23, 1000] {
        let mut seen = Vec::new();
        for page in 1..=23_u64.div_ceil(limit) {
            let list = api.get("/linked-account").query("page", &page.to_string());
            let body = list.query("limit", &limit.to_string()).send().ok();
            let docs = check_page(&body, page, limit, 23);
            seen.extend(docs.iter().map(|doc| doc["account_id"].as_str().unwrap().to_owned()));
        }
        assert_eq!(seen, names);
    }
    check_page(&api.get("/linked-account").query("page", "9").send().ok(), 9, 10, 23);
    for (name, value) in [("page", "0"), ("limit", "0"), ("limit", "1001"), ("page", ""), ("limit", "x")] {
        api.get("/linked-account").query(name, value).send().error(400, "INVALID_REQUEST");
    }
}

#[test]
fn deleting_an_account_deletes_its_values_and_ends_its_tokens() {
    let server = Server::start();
    let api = server.test();
    let plain = api.define_string("PLAIN", "linked_account");
    let secret = api.define_encrypted("SECRET", "linked_account");
    let mut values = Vec::new();
    for account in ["goes", "goes/", "stays"] {
        api.register(account);
        for definition in [&plain, &secret] {
            values.push(check_id(&api.set_for(definition, "linked_account_id", account, account)["_id"]));
        }
    }
    let pairs = [api.log_in("goes"), api.log_in("goes")];
    let kept = api.token("stays");
    let answer = removal(&api, "goes").send().ok();
    assert_eq!(answer["status"], "success");
    check_fields(&answer, "status message");

    let check = |server: &Server| {
        let api = server.test();
        one(&api, "goes").send().error(404, "RESOURCE_NOT_FOUND");
        removal(&api, "goes").send().error(404, "RESOURCE_NOT_FOUND");
        for definition in [&plain, &secret] {
            let resolve = api.resolve(definition).query("linked_account_id", "goes");
            resolve.send().error_saying(404, "RESOURCE_NOT_FOUND", "Variable value not found");
        }
        let list = api.get("/env/values/linked_account").query("linked_account_id", "goes").send().ok();
        check_page(&list, 1, 10, 0);
        for value in &values[..2] {
            api.delete(&format!("/env/values/{value}")).send().error(404, "RESOURCE_NOT_FOUND");
        }
        for pair in &pairs {
            let token = server.anonymous().bearer(pair["token"].as_str().unwrap());
            token.get("/session/active-linked-account").send().error(401, "INVALID_TOKEN");
            let body = json!({ "refresh_token": pair["refresh_token"] });
            let refresh = server.anonymous().post("/session-token/refresh", &body).send();
            refresh.error(401, "INVALID_TOKEN");
        }
        let body = json!({ "linked_account_id": "goes" });
        api.post("/session-token", &body).send().error(400, "INVALID_LINKED_ACCOUNT_ID");

        for account in ["goes/", "stays"] {
            let list = api.get("/env/values/linked_account").query("linked_account_id", account).send().ok();
            check_page(&list, 1, 10, 2);
        }
        server.anonymous().bearer(&kept).get("/session/active-linked-account").send().ok();
        check_page(&api.get("/linked-account").send().ok(), 1, 10, 2);
    };
    check(&server);
    let server = server.kill().serve();
    check(&server);

    // Whoever comes after under the same id has nothing of it.
    let api = server.test();
    api.register("goes");
    let list = api.get("/env/values/linked_account").query("linked_account_id", "goes").send().ok();
    check_page(&list, 1, 10, 0);
    let old = server.anonymous().bearer(pairs[0]["token"].as_str().unwrap());
    old.get("/session/active-linked-account").send().error(401, "INVALID_TOKEN");
    for account in ["goes", "goes/", "stays"] {
        removal(&api, account).send().ok();
    }
    for definition in [&plain, &secret] {
        api.delete(&format!("/env/definitions/{definition}")).send().ok();
    }
    check_page(&api.get("/linked-account").send().ok(), 1, 10, 0);
}

#[test]
fn in_strict_mode_an_account_must_be_registered_before_its_first_value() {
    let server = Server::start_with(&Config::new().set("accounts", "strict", "true"));
    let api = server.test();
    let definition = api.define_string("V", "linked_account");
    let body = json!({ "variable_definition_id": definition, "value": "v", "linked_account_id": "user" });
    let refused = || {
        let answer = api.post("/env/values", &body).send();
        let message = "No linked account found for account id : user in environment test";
        answer.error_saying(400, "INVALID_LINKED_ACCOUNT_ID", message);
        check_page(&api.get("/linked-account").send().ok(), 1, 10, 0);
    };
    refused();
    server.production().register("user");
    refused();
    api.register("user");
    api.post("/env/values", &body).send().ok();
    removal(&api, "user").send().ok();
    refused();
}
