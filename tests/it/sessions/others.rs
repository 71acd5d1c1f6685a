//! What a session token does not open: another account, another environment, wherever they are named.

use serde_json::{Value, json};

use crate::support::{Client, Request, Response, Server, check_id, check_page, percent};

const ACCOUNT: &str = "mark@acme.com";
const OTHER: &str = "somebody else";

/// Everything that a token may ask, with a definition and a value of its own account.
fn requests(token: &Client, definition: &str, value: &str) -> Vec<Request> {
    vec![
        token.setting(definition, "changed"),
        token.resolve(definition),
        token.get("/env/values/linked_account"),
        token.delete(&format!("/env/values/{value}")),
        token.get("/env/definitions"),
        token.get(&format!("/env/definitions/{definition}")),
        token.get(&format!("/linked-account/{}", percent(ACCOUNT))),
        token.put("/linked-account", &json!({ "name": "changed" })),
        token.get("/session/active-linked-account"),
        token.post("/session-token/revoke", &json!({})),
    ]
}

/// Two accounts with a value each, and a token of the first.
struct Two {
    server: Server,
    token: Client,
    definition: String,
    values: [String; 2],
}

impl Two {
    fn new() -> Two {
        let server = Server::start();
        let api = server.test();
        let definition = api.define_string("V", "linked_account");
        let value = |account: &str| {
            let body = json!({ "account_id": account, "name": "unchanged" });
            api.put("/linked-account", &body).send().ok();
            check_id(&api.set_for(&definition, "linked_account_id", account, "unchanged")["_id"])
        };
        let values = [ACCOUNT, OTHER].map(value);
        let token = server.anonymous().bearer(&api.token(ACCOUNT));
        Two { server, token, definition, values }
    }

    fn requests(&self) -> Vec<Request> {
        requests(&self.token, &self.definition, &self.values[0])
    }

    #[track_caller]
    fn check_unchanged(&self) {
        let api = self.server.test();
        for account in [ACCOUNT, OTHER] {
            let found = api.resolve(&self.definition).query("linked_account_id", account).send().ok();
            assert_eq!((&found["value"], &found["version"]), (&json!("unchanged"), &json!(1)));
            let read = api.get(&format!("/linked-account/{}", percent(account))).send().ok();
            assert_eq!(read["name"], "unchanged");
        }
        check_page(&api.get("/linked-account").send().ok(), 1, 10, 2);
        check_page(&api.get("/env/definitions").send().ok(), 1, 10, 1);
        self.token.get("/session/active-linked-account").send().ok();
    }
}

/// The answer without what differs from one to the next.
fn masked(response: &Response) -> Value {
    let mut body = response.json();
    body["request_id"] = "".into();
    body
}

#[test]
fn another_account_in_header_or_query_is_forbidden_whether_it_exists_or_not() {
    let two = Two::new();
    let mut answers = Vec::new();
    for account in [OTHER, "nobody", "Mark@acme.com", "mark@acme.com ", "a\u{301}", &"x".repeat(300)] {
        for request in two.requests() {
            let query = request.clone().query("linked_account_id", account);
            let trimmed = account.trim_end() != account;
            let mut ways = vec![query];
            // A header has no blanks at its ends.
            for header in ["linked_account_id", "linked-account-id"].into_iter().filter(|_| !trimmed) {
                ways.push(request.clone().header(header, account));
                ways.push(request.clone().header(header, account).query("linked_account_id", ACCOUNT));
                ways.push(request.clone().header(header, ACCOUNT).query("linked_account_id", account));
                ways.push(request.clone().header(header, ACCOUNT).header(header, account));
            }
            for way in ways {
                let response = way.send();
                response.error(403, "FORBIDDEN");
                answers.push(masked(&response));
            }
        }
    }
    for request in two.requests() {
        for bytes in [b"\xff".as_slice(), b"", b"mark@acme.com\xc3"] {
            request.clone().header("linked_account_id", bytes).send().error(403, "FORBIDDEN");
        }
    }
    answers.dedup();
    assert_eq!(answers.len(), 1, "no answer tells whether there is such an account");
    two.check_unchanged();
}

#[test]
fn another_account_in_a_body_is_forbidden_whether_it_exists_or_not() {
    let two = Two::new();
    let mut answers = Vec::new();
    for account in [OTHER, "nobody", "", "\0", &"x".repeat(300)] {
        for body in [
            json!({ "account_id": account, "name": "changed" }),
            json!({ "linked_account_id": account, "name": "changed" }),
            json!({ "account_id": ACCOUNT, "linked_account_id": account, "name": "changed" }),
            json!({ "payload": { "account_id": account, "name": "changed" } }),
            json!({ "account_id": ACCOUNT, "payload": { "linked_account_id": account, "name": "changed" } }),
            json!({ "account_id": account, "payload": { "account_id": ACCOUNT, "name": "changed" } }),
        ] {
            answers.push(two.token.put("/linked-account", &body).send());
        }
        // Whether the definition is known or not.
        for definition in [two.definition.as_str(), crate::support::UNKNOWN_ID] {
            let mut body = json!({ "variable_definition_id": definition, "value": "changed" });
            body["linked_account_id"] = account.into();
            answers.push(two.token.post("/env/values", &body).send());
            let own = two.token.post("/env/values", &body).header("linked_account_id", ACCOUNT);
            answers.push(own.send());
        }
    }
    for response in &answers {
        response.error(403, "FORBIDDEN");
    }
    let mut different: Vec<Value> = answers.iter().map(masked).collect();
    different.dedup();
    assert_eq!(different.len(), 1, "no answer tells whether there is such an account");
    two.check_unchanged();
}

#[test]
fn another_account_in_a_path_is_forbidden_whether_it_exists_or_not() {
    let two = Two::new();
    for method in ["GET", "DELETE"] {
        for account in [
            "somebody%20else",
            "nobody",
            "%00",
            "%FF",
            "mark@acme.com%00",
            "mark%2540acme.com",
            "..",
            "%2F",
            "MARK@acme.com",
        ] {
            let path = format!("/api/v2/public/linked-account/{account}");
            two.token.at(method, &path).send().error(403, "FORBIDDEN");
        }
    }
    let own = format!("/linked-account/{}", percent(ACCOUNT));
    two.token.delete(&own).send().error(403, "FORBIDDEN");
    two.check_unchanged();
}

#[test]
fn another_accounts_value_is_not_found() {
    let two = Two::new();
    let theirs = format!("/env/values/{}", two.values[1]);
    let unknown = format!("/env/values/{}", crate::support::UNKNOWN_ID);
    let answers = [&theirs, &unknown].map(|path| {
        let response = two.token.delete(path).send();
        response.error_saying(404, "RESOURCE_NOT_FOUND", "Variable value not found");
        // What a precondition says of it is not told either.
        two.token.delete(path).header("if-match", "\"9\"").send().error(404, "RESOURCE_NOT_FOUND");
        masked(&response)
    });
    assert_eq!(answers[0], answers[1]);
    let named = two.token.delete(&theirs).query("linked_account_id", OTHER).send();
    named.error(403, "FORBIDDEN");
    two.check_unchanged();
}

#[test]
fn another_environment_is_forbidden_whether_it_exists_or_not() {
    let two = Two::new();
    let production = two.server.production();
    production.set_for(&two.definition, "linked_account_id", ACCOUNT, "in production");
    for request in two.requests() {
        for environment in ["production", "nowhere", "TEST", "all", "a/b"] {
            request.clone().query("environment", environment).send().error(403, "FORBIDDEN");
            request.clone().header("environment", environment).send().error(403, "FORBIDDEN");
            let both = request.clone().query("environment", "test").header("environment", environment);
            both.send().error(403, "FORBIDDEN");
        }
        request.clone().header("environment", b"\xff").send().error(403, "FORBIDDEN");
    }
    two.check_unchanged();
    let found = production.resolve(&two.definition).query("linked_account_id", ACCOUNT).send().ok();
    assert_eq!((&found["value"], &found["version"]), (&json!("in production"), &json!(1)));
    // Naming its own changes nothing.
    for request in two.requests() {
        request.query("environment", "test").header("environment", "test").send().ok();
    }
}
