//! The list of linked accounts by a variable that they have, and by its value.

use serde_json::Value;

use crate::support::{Client, Server, check_page};

fn listed(api: &Client, query: &[(&str, &str)]) -> Vec<String> {
    let request = api.get("/linked-account").query("limit", "100");
    let body = query.iter().fold(request, |request, (name, value)| request.query(name, value)).send().ok();
    let total = body["totalDocs"].as_u64().unwrap();
    let docs = check_page(&body, 1, 100, total);
    docs.iter().map(|doc| doc["account_id"].as_str().unwrap().to_owned()).collect()
}

/// Accounts `b`, `a`, `c`, made in this order, with values of `REGION`; and other things of that name.
fn filled() -> Server {
    let server = Server::start();
    let api = server.test();
    let region = api.define_string("REGION", "linked_account");
    let (own, workflow) = (api.define_string("REGION", "org"), api.define_string("REGION", "workflow"));
    let secret = api.define_encrypted("SECRET", "linked_account");
    api.define_string("UNUSED", "linked_account");
    for account in ["none", "b", "a", "c"] {
        api.register(account);
    }
    // Set in another order than the accounts were made.
    for (account, value) in [("c", "eu"), ("a", "us"), ("b", "eu")] {
        api.set_for(&region, "linked_account_id", account, value);
    }
    api.set_for(&secret, "linked_account_id", "a", "hidden");
    api.set_for(&workflow, "workflow_id", "none", "eu");
    api.set(&own, "eu");
    server.production().set_for(&region, "linked_account_id", "elsewhere", "eu");
    server
}

#[test]
fn a_name_finds_the_accounts_that_have_a_value_of_it() {
    let server = filled();
    let api = server.test();
    let by_name = |name: &str| listed(&api, &[("env_variable_name", name)]);
    assert_eq!(by_name("REGION"), ["b", "a", "c"], "in the order of the accounts' creation");
    assert_eq!(by_name("SECRET"), ["a"], "that there is one is no secret");
    for none in ["UNUSED", "UNKNOWN", "region", "REGIO", "REGION ", "R.*", "1", "\u{0}", "a/b"] {
        assert_eq!(by_name(none), Vec::<String>::new(), "{none:?}");
    }
    assert_eq!(by_name(""), ["none", "b", "a", "c"], "an empty filter is none");
    assert_eq!(listed(&server.production(), &[("env_variable_name", "REGION")]), ["elsewhere"]);
}

#[test]
fn a_value_finds_the_accounts_that_have_exactly_it() {
    let server = filled();
    let api = server.test();
    let by_value =
        |value: &str| listed(&api, &[("env_variable_name", "REGION"), ("env_variable_value", value)]);
    assert_eq!(by_value("eu"), ["b", "c"]);
    assert_eq!(by_value("us"), ["a"]);
    for none in ["", "e", "EU", "eu ", "e.", "[REDACTED]"] {
        assert_eq!(by_value(none), Vec::<String>::new(), "{none:?}");
    }
    let unknown = [("env_variable_name", "UNKNOWN"), ("env_variable_value", "eu")];
    assert_eq!(listed(&api, &unknown), Vec::<String>::new());
    // An empty value is one to look for.
    let region = api.get("/env/definitions").query("names", "REGION").query("scope", "linked_account");
    let region = region.send().ok()["docs"][0]["_id"].as_str().unwrap().to_owned();
    api.set_for(&region, "linked_account_id", "a", "");
    assert_eq!(by_value(""), ["a"]);
    let page = api.get("/linked-account").query("env_variable_name", "REGION").query("limit", "2");
    let docs = check_page(&page.query("page", "2").send().ok(), 2, 2, 3);
    assert_eq!(docs.iter().map(|doc| &doc["account_id"]).collect::<Vec<&Value>>(), ["c"]);
}

#[test]
fn a_value_needs_a_name_and_is_not_compared_with_an_encrypted_one() {
    let server = filled();
    let api = server.test();
    let list = || api.get("/linked-account");
    for value in ["eu", ""] {
        list().query("env_variable_value", value).send().error(400, "INVALID_REQUEST");
        let empty_name = list().query("env_variable_name", "").query("env_variable_value", value);
        empty_name.send().error(400, "INVALID_REQUEST");
    }
    for value in ["hidden", "wrong", "", "[REDACTED]"] {
        let request = list().query("env_variable_name", "SECRET").query("env_variable_value", value);
        request.send().error(400, "INVALID_REQUEST");
    }
    for name in ["env_variable_name", "env_variable_value"] {
        let twice = list().query("env_variable_name", "REGION").query(name, "a").query(name, "a");
        twice.send().error(400, "INVALID_REQUEST");
        let bytes = api.at("GET", &format!("/api/v2/public/linked-account?{name}=%FF"));
        bytes.send().error(400, "INVALID_REQUEST");
    }
}
