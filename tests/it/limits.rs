//! Slow and eager clients.

use std::time::{Duration, Instant};

use crate::support::{Connection, Server};

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
