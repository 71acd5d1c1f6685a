//! What the server reads: bodies, headers, queries, tokens, templates, imports, and bytes that are no HTTP.

use std::rc::Rc;

use serde_json::json;

use super::mutation::{as_header, mutate, mutate_text};
use super::{Target, shown};
use crate::random::Random;
use crate::support::{Connection, Request, Response, Server, percent};

/// Inputs in one batch.
const INPUTS: u64 = 100;

pub(super) fn targets() -> Vec<Box<dyn Target>> {
    let served = Rc::new(Served::new());
    let target = |name, request, check| -> Box<dyn Target> {
        Box::new(Requests { name, served: Rc::clone(&served), request, check })
    };
    vec![
        target("JSON bodies", body, |_, _| {}),
        target("templates", template, |_, _| {}),
        target("imports", import, |_, _| {}),
        target("queries", query, |_, _| {}),
        target("headers", header, |_, _| {}),
        target("session tokens", token, refuses_forgery),
        Box::new(Bytes(served)),
    ]
}

/// A server with something of everything.
struct Served {
    server: Server,
    definition: String,
    value: String,
    account_definition: String,
    token: String,
    refresh_token: String,
}

impl Served {
    fn new() -> Served {
        let server = Server::start();
        let api = server.test();
        let definition = api.define_string("URL", "org");
        let value = api.set(&definition, "v")["_id"].as_str().expect("an id").to_owned();
        let account_definition = api.define_encrypted("SECRET", "linked_account");
        api.set_for(&account_definition, "linked_account_id", "user", "v");
        // Of two logins: the second use of a refresh token ends its session.
        let text = |name: &str| api.log_in("user")[name].as_str().expect("a token").to_owned();
        let (token, refresh_token) = (text("token"), text("refresh_token"));
        Served { server, definition, value, account_definition, token, refresh_token }
    }
}

/// Requests of one kind, and what must hold of their answers beside that they are in the description.
struct Requests {
    name: &'static str,
    served: Rc<Served>,
    request: fn(&Served, &mut Random) -> (Request, Vec<u8>),
    check: fn(&Served, (&[u8], &Response)),
}

impl Target for Requests {
    fn name(&self) -> &'static str {
        self.name
    }

    fn batch(&mut self, random: &mut Random) -> u64 {
        let served = &self.served;
        let address = served.server.address();
        let mut connection = Connection::open(address).expect("the server is there");
        for _ in 0..INPUTS {
            let (request, input) = (self.request)(served, random);
            let answer = match connection.exchange(&request) {
                Ok(answer) => answer,
                // It may hang up after an answer to what it could not read to its end.
                Err(_) => {
                    connection = Connection::open(address).expect("the server is there");
                    let answer = connection.exchange(&request);
                    answer.unwrap_or_else(|error| panic!("FOUND: `{}`: {error}", shown(&input)))
                }
            };
            assert!(answer.status < 500, "FOUND: `{}`: {}", shown(&input), answer.text());
            (self.check)(served, (&input, &answer));
            if answer.header("connection") == Some("close") {
                connection = Connection::open(address).expect("the server is there");
            }
        }
        let log = served.server.stderr();
        assert!(!log.contains("panicked"), "FOUND: {log}");
        INPUTS
    }
}

fn body(served: &Served, random: &mut Random) -> (Request, Vec<u8>) {
    let api = served.server.test();
    let samples: Vec<(&str, String, serde_json::Value)> = vec![
        (
            "POST",
            "/env/values".into(),
            json!({ "variable_definition_id": served.definition, "value": "a\nb" }),
        ),
        (
            "POST",
            "/env/values".into(),
            json!({ "variable_definition_id": served.account_definition, "value": "é", "linked_account_id": "user" }),
        ),
        (
            "POST",
            "/env/definitions".into(),
            json!({ "name": "N", "scope": "workflow", "var_format": "url", "encrypted": true }),
        ),
        (
            "PATCH",
            format!("/env/definitions/{}", served.definition),
            json!({ "description": "d", "var_format": "string" }),
        ),
        (
            "PUT",
            "/linked-account".into(),
            json!({ "payload": { "account_id": "u", "name": "n", "udf": { "a": "b", "c": null } } }),
        ),
        ("POST", "/session-token/refresh".into(), json!({ "refresh_token": served.refresh_token })),
        (
            "POST",
            "/admin/keys".into(),
            json!({ "environment": "test", "permissions": ["read"], "ttl": "1h" }),
        ),
        ("POST", format!("/env/values/{}/rollback", served.value), json!({ "version": 1 })),
    ];
    let (method, path, sample) = random.pick(&samples);
    let all: Vec<Vec<u8>> = std::iter::once(sample)
        .chain(samples.iter().map(|(_, _, sample)| sample))
        .map(|sample| sample.to_string().into_bytes())
        .collect();
    let bytes = mutate(&all[..if random.chance(800) { 1 } else { all.len() }], random);
    let request = api.get(path).method(method).header("content-type", "application/json").body(&bytes);
    (request, bytes)
}

fn template(served: &Served, random: &mut Random) -> (Request, Vec<u8>) {
    let samples = [
        "a {{env.org.URL}} b {{ env.linked_account.SECRET }}",
        "{{{env.org.URL}}} {{x}} {{env.org.\nURL\n}}",
    ];
    let text = mutate_text(&samples, random);
    let body = json!({ "template": text, "linked_account_id": "user" });
    (served.server.test().post("/env/render", &body), text.into_bytes())
}

fn import(served: &Served, random: &mut Random) -> (Request, Vec<u8>) {
    let sample = json!({ "scope": "org", "variables": [{ "name": "URL", "value": "x" }, { "name": "OTHER", "value": "" }] });
    let bytes = mutate(&[sample.to_string().into_bytes()], random);
    let request = served.server.test().get("/env/import").method("POST");
    (request.header("content-type", "application/json").body(&bytes), bytes)
}

fn query(served: &Served, random: &mut Random) -> (Request, Vec<u8>) {
    let samples = [
        "linked_account_id=user&page=1&limit=10",
        "names=URL,SECRET&scope=org&name=%5EU",
        "environment=test&reveal=true&workflow_id=w",
        "from=2026-06-16T13:09:26.023Z&event=variable_value.set&actor=x",
        "env_variable_name=SECRET&env_variable_value=v",
        "format=dotenv&reveal=false&linked_account_id=us%C3%A9r",
    ];
    let text = mutate_text(&samples, random);
    // As a client would: what a query may not have by RFC 3986 is escaped, or it were no HTTP.
    let may_stand =
        |letter: &char| letter.is_ascii_alphanumeric() || "-._~!$&'()*+,;=:@/?%".contains(*letter);
    let escaped =
        |letter: char| if may_stand(&letter) { letter.to_string() } else { percent(&letter.to_string()) };
    let raw: String = text.chars().map(escaped).take(2000).collect();
    let paths = [
        format!("/env/value/{}", served.definition),
        "/env/values/linked_account".into(),
        "/env/definitions".into(),
        "/env/resolve".into(),
        "/linked-account".into(),
        "/audit/audit-trails".into(),
        format!("/env/values/{}/versions", served.value),
    ];
    let path = random.pick(&paths);
    (served.server.test().get(&format!("{path}?{raw}")), text.into_bytes())
}

fn header(served: &Served, random: &mut Random) -> (Request, Vec<u8>) {
    let (name, samples) = *random.pick(&[
        ("if-match", ["\"3\"", "W/\"3\", \"4\"", "*"]),
        ("if-none-match", ["*", "\"1\",\"2\"", "\"\""]),
        ("linked_account_id", ["user", "mark@acme.com", "us\u{e9}r"]),
        ("linked-account-id", ["user", "u", "%75"]),
        ("x-request-id", ["abc-1.2_3", "a", "0123456789"]),
        ("environment", ["test", "production", "all"]),
        ("content-type", ["application/json", "application/json; charset=utf-8", "text/plain"]),
        ("authorization", ["Bearer x.y.z", "Basic YTpi", "Bearer"]),
        ("origin", ["http://example.com", "null", "https://a:443"]),
        ("x-forwarded-for", ["1.2.3.4", "::1, 10.0.0.1", "unknown"]),
        ("last-event-id", ["1", "18446744073709551615", "-1"]),
        ("range", ["bytes=0-1", "bytes=-", "x"]),
    ]);
    let samples: Vec<Vec<u8>> = samples.iter().map(|sample| sample.as_bytes().to_vec()).collect();
    let value = as_header(mutate(&samples, random));
    let api = served.server.test();
    let request = if random.chance(500) {
        api.post("/env/values", &json!({ "variable_definition_id": served.definition, "value": "v" }))
    } else {
        api.resolve(&served.definition)
    };
    (request.header(name, &value), [name.as_bytes(), b": ", &value].concat())
}

fn token(served: &Served, random: &mut Random) -> (Request, Vec<u8>) {
    let samples = [
        served.token.clone().into_bytes(),
        served.token.clone().into_bytes(),
        served.refresh_token.clone().into_bytes(),
        b"eyJhbGciOiJub25lIn0.e30.".to_vec(),
    ];
    let token = as_header(mutate(&samples, random));
    let value = [b"Bearer ".as_slice(), &token].concat();
    (served.server.anonymous().get("/session/active-linked-account").header("authorization", value), token)
}

/// Only the very token that was given out opens anything.
fn refuses_forgery(served: &Served, (token, answer): (&[u8], &Response)) {
    let is_right = token.trim_ascii() == served.token.as_bytes();
    assert_eq!(answer.status == 200, is_right, "FOUND: `{}`: {}", shown(token), answer.text());
}

/// Bytes that are hardly HTTP: any answer will do, but the server goes on.
struct Bytes(Rc<Served>);

impl Target for Bytes {
    fn name(&self) -> &'static str {
        "bare bytes"
    }

    fn batch(&mut self, random: &mut Random) -> u64 {
        let server = &self.0.server;
        let api = server.test();
        let samples = [
            api.setting(&self.0.definition, "v").encode(),
            api.resolve(&self.0.definition).encode(),
            b"POST /x HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n"
                .to_vec(),
            b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".to_vec(),
        ];
        for _ in 0..INPUTS / 2 {
            let bytes = mutate(&samples, random);
            let mut connection = Connection::open(server.address()).expect("the server is there");
            let _ = connection.write(&bytes);
        }
        api.resolve(&self.0.definition).send().ok();
        assert!(!server.stderr().contains("panicked"), "FOUND: {}", server.stderr());
        INPUTS / 2
    }
}
