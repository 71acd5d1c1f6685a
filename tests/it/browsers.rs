//! What browsers are told, and what pages of other origins may do.

use crate::support::{Response, Server};

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
