//! What browsers are told, and what pages of other origins may do.

use crate::support::{Client, Config, Request, Response, Server, Store};

/// Checks what every answer tells browsers.
#[track_caller]
fn check_protected(answer: &Response) {
    for (name, value) in [
        ("x-content-type-options", "nosniff"),
        ("referrer-policy", "no-referrer"),
        ("x-frame-options", "DENY"),
        ("cross-origin-resource-policy", "same-origin"),
    ] {
        assert_eq!(answer.header(name), Some(value));
    }
    let policies: Vec<_> =
        answer.headers.iter().filter(|(name, _)| name == "content-security-policy").collect();
    assert!(
        matches!(&policies[..], [(_, policy)] if policy.starts_with("default-src 'none'; ")),
        "{policies:?}"
    );
    assert_eq!(answer.header("strict-transport-security"), None, "without TLS");
}

#[test]
fn every_answer_is_protected() {
    let server = Server::start();
    let definition = server.test().define_string("V", "org");
    let (test, anonymous) = (server.test(), server.anonymous());
    for request in [
        test.get("/env/definitions"),
        test.setting(&definition, "v"),
        test.get("/env/definitions").method("HEAD"),
        test.get("/env/definitions").method("PUT"),
        test.resolve("nonsense"),
        test.delete(&format!("/env/definitions/{definition}")),
        anonymous.get("/env/definitions"),
        anonymous.at("GET", "/nowhere"),
        anonymous.at("GET", "/healthz"),
        anonymous.at("GET", "/openapi.json"),
        anonymous.at("GET", "/metrics"),
    ] {
        let answer = request.send();
        check_protected(&answer);
        let policy = "default-src 'none'; frame-ancestors 'none'";
        assert_eq!(answer.header("content-security-policy"), Some(policy), "{}", answer.status);
    }
    let page = anonymous.at("GET", "/docs").send();
    check_protected(&page);
    assert!(page.header("content-security-policy").unwrap().contains("style-src 'sha256-"));
}

const ORIGIN: &str = "https://app.example.com";

fn with_cors() -> Server {
    let origins = format!("[\"{ORIGIN}\", \"http://localhost:3000\"]");
    Server::start_with(&Config::new().set("cors", "allowed_origins", &origins))
}

fn preflight(client: &Client, origin: &str) -> Request {
    let request = client.get("/env/definitions").method("OPTIONS").header("origin", origin);
    request.header("access-control-request-method", "PATCH")
}

/// Checks that a page of `origin` may read the answer.
#[track_caller]
fn check_readable(answer: &Response, origin: &str) {
    assert_eq!(answer.header("access-control-allow-origin"), Some(origin));
    let exposed = answer.header("access-control-expose-headers").unwrap();
    for name in ["ETag", "Location", "Retry-After", "X-Request-Id", "RateLimit"] {
        assert!(exposed.split(", ").any(|one| one == name), "{exposed}");
    }
    check_careful(answer);
}

/// Checks that no page may read the answer.
#[track_caller]
fn check_unreadable(answer: &Response) {
    let said = answer.headers.iter().any(|(name, _)| name.starts_with("access-control-"));
    assert!(!said, "{:?}", answer.headers);
    check_careful(answer);
}

/// Checks what holds for every answer of a server with CORS.
#[track_caller]
fn check_careful(answer: &Response) {
    assert_eq!(answer.header("access-control-allow-credentials"), None);
    assert_eq!(answer.header("vary"), Some("Origin"));
    assert!(answer.header("x-request-id").is_some());
    check_protected(answer);
}

#[test]
fn without_cors_no_page_may_read_anything() {
    let server = Server::start();
    for answer in [
        preflight(&server.anonymous(), ORIGIN).send(),
        server.test().get("/env/definitions").header("origin", ORIGIN).send(),
    ] {
        assert!(
            !answer.headers.iter().any(|(name, _)| name.starts_with("access-control-") || name == "vary")
        );
    }
    preflight(&server.anonymous(), ORIGIN).send().error(405, "METHOD_NOT_ALLOWED");
}

#[test]
fn pages_of_allowed_origins_may_read_answers_and_errors() {
    let server = with_cors();
    for origin in [ORIGIN, "http://localhost:3000"] {
        let from = server.test().with("origin", origin);
        let answer = from.get("/env/definitions").send();
        answer.ok();
        check_readable(&answer, origin);
        let answer = server.anonymous().with("origin", origin).get("/env/definitions").send();
        answer.error(401, "INVALID_CREDENTIALS");
        check_readable(&answer, origin);
        for (answer, status) in [
            (from.resolve("nonsense").send(), 404),
            (from.at("GET", "/nowhere").send(), 404),
            (from.get("/env/definitions").method("PUT").send(), 405),
            (from.get("/env/definitions").method("OPTIONS").send(), 405),
        ] {
            assert_eq!(answer.status, status);
            check_readable(&answer, origin);
        }
    }
}

#[test]
fn a_preflight_needs_no_credential_and_allows_no_api_key() {
    let server = with_cors();
    let answer = preflight(&server.anonymous(), ORIGIN).send();
    assert_eq!(answer.status, 204);
    assert_eq!(answer.header("access-control-allow-methods"), Some("GET, HEAD, POST, PUT, PATCH, DELETE"));
    let headers = answer.header("access-control-allow-headers").unwrap();
    let expected = "authorization, content-type, if-match, if-none-match, environment, linked_account_id, linked-account-id";
    assert_eq!(headers, expected);
    check_readable(&answer, ORIGIN);
    let metrics = server.anonymous().at("GET", "/metrics").send().text();
    assert!(metrics.contains("route=\"preflight\""), "it is counted");
}

#[test]
fn pages_of_other_origins_may_read_nothing() {
    let server = with_cors();
    for origin in [
        "https://app.example.com.evil.example",
        "https://evil.example",
        "http://app.example.com",
        "https://app.example.com:8443",
        "https://APP.example.com",
        "https://app.example.com/",
        "null",
        "*",
        "",
    ] {
        check_unreadable(&server.test().get("/env/definitions").header("origin", origin).send());
        let answer = preflight(&server.anonymous(), origin).send();
        answer.error(405, "METHOD_NOT_ALLOWED");
        check_unreadable(&answer);
    }
    check_unreadable(&server.test().get("/env/definitions").send());
}

#[test]
fn origins_that_are_no_exact_ones_end_it_at_the_start() {
    for wrong in ["*", "https://*.example.com", "https://app.example.com/", "app.example.com"] {
        let origins = format!("[\"{wrong}\"]");
        let store = Store::uninitialized(&Config::new().set("cors", "allowed_origins", &origins));
        let line = store.refuses_to_serve();
        assert!(line.contains("`cors.allowed_origins` must be a list of origins"), "{line}");
        assert!(!store.data().exists());
    }
}
