//! Who is asking: API keys, their environments, and what is refused.

use serde_json::json;

use crate::support::{Client, Response, Server};

#[track_caller]
fn refused(response: &Response) {
    response.error_saying(401, "INVALID_CREDENTIALS", "Invalid Credentials");
}

#[test]
fn what_is_nearly_a_key_is_refused() {
    let server = Server::start();
    let good = server.store().test_key.clone();
    let swapped = format!("pk_{}", &good[3..]);
    let (shorter, longer, lower) =
        (good[..good.len() - 1].to_owned(), format!("{good}A"), good.to_uppercase());
    let unknown = format!("tk_{}", "A".repeat(43));
    for key in [
        "",
        "tk_",
        "x",
        "tk_ÿ",
        good[3..].as_ref(),
        &swapped,
        &shorter,
        &longer,
        &lower,
        &unknown,
        &"x".repeat(4_000),
    ] {
        refused(&server.anonymous().key(key).get("/env/definitions").send());
    }
    refused(&server.anonymous().with("x-api-key", b"tk_\xff\xfe").get("/env/definitions").send());
    server.test().get("/env/definitions").send().ok();
}

#[test]
fn a_key_counts_only_in_its_header() {
    let server = Server::start();
    let key = &server.store().test_key;
    let anonymous = server.anonymous();
    refused(&anonymous.get("/env/definitions").query("x-api-key", key).send());
    refused(&anonymous.get("/env/definitions").query("api_key", key).send());
    for value in
        [key.clone(), format!("Bearer {key}"), format!("Basic {key}"), "Bearer".into(), "Bearer ".into()]
    {
        let response = anonymous.get("/env/definitions").header("authorization", &value).send();
        response.error_saying(401, "INVALID_TOKEN", "Invalid token");
    }
    server.test().get("/env/definitions").header("authorization", "Bearer forged").send().ok();
    anonymous
        .key("wrong")
        .get("/env/definitions")
        .header("authorization", "Bearer forged")
        .send()
        .error(401, "INVALID_CREDENTIALS");
}

#[test]
fn the_keys_of_init_have_the_form_of_their_environment() {
    let server = Server::start();
    let store = server.store();
    store.coffer(["environments", "add", "staging"]).ok();
    let staging = store.create_key(&["--environment", "staging"]);
    let all = store.create_key(&["--environment", "all"]);
    for (key, prefix) in
        [(&store.test_key, "tk_"), (&store.production_key, "pk_"), (&staging, "ck_"), (&all, "ck_")]
    {
        let random = key.strip_prefix(prefix).unwrap_or_else(|| panic!("the prefix is {prefix}"));
        assert_eq!(random.len(), 43, "32 bytes in base64url");
        assert!(random.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_'));
    }
}

#[test]
fn an_expired_key_is_refused() {
    let server = Server::start();
    let key = server.store().create_key(&["--environment", "test", "--expires", "1s"]);
    let api = server.anonymous().key(&key);
    api.get("/env/definitions").send().ok();
    std::thread::sleep(std::time::Duration::from_millis(1_200));
    refused(&api.get("/env/definitions").send());
}

#[test]
fn a_revoked_key_is_refused_at_once_and_after_a_kill() {
    let server = Server::start();
    let made = server.store().coffer(["keys", "create", "--environment", "test", "--json"]).json();
    let key = made["key"].as_str().unwrap().to_owned();
    server.anonymous().key(&key).get("/env/definitions").send().ok();
    server.store().coffer(["keys", "revoke", made["_id"].as_str().unwrap()]).ok();
    refused(&server.anonymous().key(&key).get("/env/definitions").send());
    let server = server.kill().serve();
    refused(&server.anonymous().key(&key).get("/env/definitions").send());
    server.test().get("/env/definitions").send().ok();
}

#[test]
fn a_key_of_one_environment_may_name_its_own_only() {
    let server = Server::start();
    let api = server.test();
    let definition = api.define_string("V", "org");
    api.set(&definition, "in test");
    server.production().set(&definition, "in production");

    let resolve = || api.resolve(&definition);
    assert_eq!(resolve().query("environment", "test").send().ok()["value"], "in test");
    assert_eq!(resolve().header("environment", "test").send().ok()["value"], "in test");
    for other in ["production", "nowhere", "TEST", "a/b"] {
        resolve().query("environment", other).send().error(403, "FORBIDDEN");
        resolve().header("environment", other).send().error(403, "FORBIDDEN");
        api.get("/env/values/org").query("environment", other).send().error(403, "FORBIDDEN");
        api.setting(&definition, "x").query("environment", other).send().error(403, "FORBIDDEN");
        api.delete("/env/values/0123456789abcdef01234567")
            .query("environment", other)
            .send()
            .error(403, "FORBIDDEN");
        resolve().query("environment", "test").header("environment", other).send().error(403, "FORBIDDEN");
        resolve().header("environment", "test").query("environment", other).send().error(403, "FORBIDDEN");
    }
    assert_eq!(resolve().send().ok()["version"], 1);
}

#[test]
fn a_key_for_all_environments_names_one() {
    let server = Server::start();
    let store = server.store();
    store.coffer(["environments", "add", "staging"]).ok();
    let definition = server.test().define_string("V", "org");
    let all = server.anonymous().key(&store.create_key(&["--environment", "all"]));

    for (name, by_header) in [("test", false), ("production", true), ("staging", false)] {
        let set = all.setting(&definition, name);
        let set = if by_header { set.header("environment", name) } else { set.query("environment", name) };
        let answer = set.send().ok();
        assert_eq!(answer["environment"], name);
        assert_eq!(answer["version"], 1, "each environment has a value of its own");
    }
    for name in ["test", "production", "staging"] {
        assert_eq!(all.resolve(&definition).query("environment", name).send().ok()["value"], name);
        let both =
            all.resolve(&definition).query("environment", name).header("environment", name).send().ok();
        assert_eq!(both["environment"], name);
        let listed = all.get("/env/values/org").header("environment", name).send().ok();
        assert_eq!(listed["docs"][0]["environment"], name);
    }
    assert_eq!(server.test().resolve(&definition).send().ok()["value"], "test");

    for request in [
        all.resolve(&definition),
        all.get("/env/values/org"),
        all.setting(&definition, "x"),
        all.delete("/env/values/0123456789abcdef01234567"),
    ] {
        let message = request.clone().send().error(400, "INVALID_REQUEST");
        assert!(message.contains("environment"), "{message}");
        for unknown in ["nowhere", "TEST", "all", ""] {
            request.clone().query("environment", unknown).send().error(400, "INVALID_REQUEST");
        }
        request
            .clone()
            .query("environment", "test")
            .header("environment", "staging")
            .send()
            .error(400, "INVALID_REQUEST");
        request
            .query("environment", "test")
            .header("environment", "nowhere")
            .send()
            .error(400, "INVALID_REQUEST");
    }
    all.get("/env/definitions").send().ok();
    all.get(&format!("/env/definitions/{definition}")).send().ok();
}

#[test]
fn a_value_written_in_one_environment_is_not_seen_in_another_in_every_scope() {
    let server = Server::start();
    let test = server.test();
    for (scope, field) in
        [("org", ""), ("workspace", ""), ("linked_account", "linked_account_id"), ("workflow", "workflow_id")]
    {
        let definition = test.define_string("V", scope);
        let mut body = json!({ "variable_definition_id": definition, "value": "v" });
        if !field.is_empty() {
            body[field] = "one".into();
        }
        test.post("/env/values", &body).send().ok();
        let resolve = |api: &Client| {
            let request = api.resolve(&definition);
            if field.is_empty() { request.send() } else { request.query(field, "one").send() }
        };
        resolve(&test).ok();
        resolve(&server.production()).error(404, "RESOURCE_NOT_FOUND");
        let list = server.production().get(&format!("/env/values/{scope}"));
        let list = if field.is_empty() { list } else { list.query(field, "one") };
        assert_eq!(list.send().ok()["totalDocs"], 0);
    }
}

#[test]
fn credentials_are_checked_before_an_unknown_environment() {
    let server = Server::start();
    let request = server.anonymous().get("/env/values/org").query("environment", "nowhere");
    refused(&request.send());
}
