//! Limits on requests, and on wrong credentials.

use std::time::{Duration, Instant};

use crate::support::{Client, Config, Response, Server};

/// A server with limits, before which this machine is a trusted proxy: so each test has addresses of its own.
fn limited(per_second: &str, burst: &str) -> Server {
    let config = Config::new()
        .set("server", "trusted_proxies", "[\"127.0.0.1\"]")
        .set("limits", "requests_per_second", per_second)
        .set("limits", "burst", burst);
    Server::start_with(&config)
}

fn from(client: &Client, address: &str) -> Client {
    client.with("x-forwarded-for", address)
}

fn number(response: &Response, header: &str) -> u64 {
    let text = response.header(header).unwrap_or_else(|| panic!("no {header}: {response:?}"));
    text.parse().unwrap_or_else(|_| panic!("{header}: {text}"))
}

#[test]
fn an_address_that_asks_too_often_waits_its_turn() {
    let server = limited("1", "3");
    let client = from(&server.test(), "192.0.2.1");
    let ask = || client.get("/env/definitions").send();
    let start = Instant::now();
    for remaining in [2, 1, 0] {
        let response = ask();
        response.ok();
        assert_eq!(number(&response, "ratelimit-limit"), 3);
        if start.elapsed() < Duration::from_secs(1) {
            assert_eq!(number(&response, "ratelimit-remaining"), remaining);
            assert_eq!(number(&response, "ratelimit-reset"), 3 - remaining);
        }
    }
    let refused = std::iter::repeat_with(ask).take(20).find(|response| response.status == 429).unwrap();
    refused.error(429, "TOO_MANY_REQUESTS");
    assert_eq!(number(&refused, "retry-after"), 1);
    assert_eq!(number(&refused, "ratelimit-reset"), 1);
    assert_eq!(number(&refused, "ratelimit-remaining"), 0);

    let other = from(&server.production(), "192.0.2.2");
    other.get("/env/definitions").send().ok();
    for target in ["/healthz", "/readyz", "/metrics"] {
        for _ in 0..10 {
            let response = client.at("GET", target).send();
            assert_eq!((response.status, response.header("ratelimit-limit")), (200, None), "{target}");
        }
    }
    for target in ["/docs", "/nowhere"] {
        let status = || client.at("GET", target).send().status;
        assert!(std::iter::repeat_with(status).take(20).any(|status| status == 429), "{target}");
    }
    let metrics = server.anonymous().at("GET", "/metrics").send().text();
    assert!(metrics.contains("coffer_http_refused_total{by=\"address\"}"), "{metrics}");
    std::thread::sleep(Duration::from_millis(1_100));
    ask().ok();
}

#[test]
fn a_credential_that_is_used_too_often_waits_its_turn_wherever_it_is_used() {
    let server = limited("1", "3");
    let by = |client: &Client, host: usize| {
        from(client, &format!("192.0.2.{host}")).get("/env/definitions").send()
    };
    for host in 0..3 {
        by(&server.test(), host).ok();
    }
    let refused =
        (3..20).map(|host| by(&server.test(), host)).find(|response| response.status == 429).unwrap();
    refused.error(429, "TOO_MANY_REQUESTS");
    assert_eq!((number(&refused, "retry-after"), number(&refused, "ratelimit-remaining")), (1, 0));
    by(&server.production(), 3).ok();
    let metrics = server.anonymous().at("GET", "/metrics").send().text();
    assert!(metrics.contains("coffer_http_refused_total{by=\"credential\"}"), "{metrics}");
}

#[test]
fn wrong_credentials_slow_their_address_down_and_refuse_no_right_one() {
    let server = Server::start();
    let wrong =
        |name: &str, value: &str| server.anonymous().get("/env/definitions").header(name, value).send();
    for number in 0..20 {
        wrong("x-api-key", &format!("tk_{number}")).error(401, "INVALID_CREDENTIALS");
    }
    let noise = || wrong("authorization", "Bearer x");
    let refused = std::iter::repeat_with(noise).take(100).find(|response| response.status != 401).unwrap();
    refused.error(429, "TOO_MANY_REQUESTS");
    assert_eq!(number(&refused, "retry-after"), 1);
    assert_eq!(refused.header("ratelimit-limit"), None, "there is no limit on requests");
    server.test().get("/env/definitions").send().ok();
    for _ in 0..30 {
        server.anonymous().get("/env/definitions").send().error(401, "INVALID_CREDENTIALS");
    }
    let metrics = server.anonymous().at("GET", "/metrics").send().text();
    assert!(metrics.contains("coffer_http_refused_total{by=\"wrong_credential\"}"), "{metrics}");
    assert!(!metrics.contains("127.0.0.1"), "{metrics}");
    std::thread::sleep(Duration::from_millis(1_100));
    noise().error(401, "INVALID_TOKEN");
}

#[test]
fn a_page_can_read_that_it_asks_too_often_and_its_preflights_are_not_counted() {
    let config = Config::new()
        .set("cors", "allowed_origins", "[\"https://app.example\"]")
        .set("limits", "requests_per_second", "1")
        .set("limits", "burst", "1");
    let server = Server::start_with(&config);
    let page = server.test().with("origin", "https://app.example");
    let ask = || page.get("/env/definitions").send();
    let refused = std::iter::repeat_with(ask).take(20).find(|response| response.status == 429).unwrap();
    assert_eq!(refused.header("access-control-allow-origin"), Some("https://app.example"));
    assert!(refused.header("access-control-expose-headers").unwrap().contains("Retry-After"));
    for _ in 0..10 {
        let preflight = page.get("/env/definitions").method("OPTIONS");
        let response = preflight.header("access-control-request-method", "GET").send();
        assert_eq!((response.status, response.header("ratelimit-limit")), (204, None));
    }
}
