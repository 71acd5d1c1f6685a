//! Slow and eager clients.

use std::time::{Duration, Instant};

use crate::support::{Config, Connection, Server};

#[test]
fn a_client_that_asks_too_often_is_told_when_to_come_back() {
    let server = Server::start_with(&Config::new().set("limits", "requests_per_second", "5"));
    let answers: Vec<_> = (0..40).map(|_| server.test().get("/env/definitions").send()).collect();
    let refused: Vec<_> = answers.iter().filter(|answer| answer.status == 429).collect();
    assert!(!refused.is_empty(), "forty requests at once are more than five a second");
    assert_eq!(answers[0].status, 200);
    for answer in &refused {
        answer.error(429, "TOO_MANY_REQUESTS");
        let seconds: u64 = answer.header("retry-after").expect("Retry-After").parse().expect("seconds");
        assert!((1..=60).contains(&seconds));
    }
    std::thread::sleep(Duration::from_millis(2_500));
    server.test().get("/env/definitions").send().ok();
}

#[test]
fn without_a_limit_nobody_is_refused() {
    let server = Server::start();
    for _ in 0..200 {
        server.test().get("/env/definitions").send().ok();
    }
}

#[test]
fn headers_that_do_not_come_end_the_connection() {
    let server = Server::start();
    let mut connection = Connection::open(server.address()).unwrap();
    connection.write(b"GET /healthz HTTP/1.1\r\nhost: x\r\n").unwrap();
    let start = Instant::now();
    if let Ok(response) = connection.read("GET") {
        assert_eq!(response.status, 408);
    }
    let taken = start.elapsed();
    assert!((Duration::from_secs(3)..Duration::from_secs(12)).contains(&taken), "{taken:?}");
    server.anonymous().at("GET", "/healthz").send().ok();
}

#[test]
fn a_body_that_does_not_come_times_out() {
    let server = Server::start();
    let mut connection = Connection::open(server.address()).unwrap();
    let head = format!(
        "POST /api/v2/public/env/values HTTP/1.1\r\nhost: x\r\nx-api-key: {}\r\ncontent-length: 100\r\n\r\n{{",
        server.store().test_key
    );
    connection.write(head.as_bytes()).unwrap();
    let start = Instant::now();
    connection.read("POST").unwrap().error(408, "REQUEST_TIMEOUT");
    let taken = start.elapsed();
    assert!((Duration::from_secs(20)..Duration::from_secs(45)).contains(&taken), "{taken:?}");
}
