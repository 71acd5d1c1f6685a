//! Slow and eager clients.

use std::io::{ErrorKind, Read, Write};
use std::net::TcpStream;
use std::time::{Duration, Instant};

use crate::support::{Connection, Server, Store, trusting};

#[test]
fn without_a_limit_nobody_is_refused() {
    let server = Server::start();
    for _ in 0..200 {
        let response = server.test().get("/env/definitions").send();
        response.ok();
        assert!(response.headers.iter().all(|(name, _)| !name.starts_with("ratelimit")), "{response:?}");
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
fn a_later_head_that_does_not_come_ends_the_connection_as_if_it_were_idle() {
    let server = Server::start();
    let mut connection = Connection::open(server.address()).unwrap();
    connection.exchange(&server.test().get("/env/definitions")).unwrap().ok();
    let start = Instant::now();
    let mut taken = start.elapsed();
    // Longer than what an idle connection has: each byte is a sign of life.
    while taken < Duration::from_secs(100) && connection.write(b"G").is_ok() {
        std::thread::sleep(Duration::from_secs(1));
        taken = start.elapsed();
    }
    assert!((Duration::from_secs(60)..Duration::from_secs(90)).contains(&taken), "{taken:?}");
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

/// How many clients are slow at once.
const SLOW: usize = 200;

/// Opens connections that send one byte of `bytes` each second, and checks that others are answered meanwhile
/// and that each slow one is closed within `limit`.
fn check_slow_ones_hinder_nobody(server: &Server, bytes: &[u8], limit: Duration, healthy: impl Fn()) {
    let start = Instant::now();
    let mut slow: Vec<TcpStream> = (0..SLOW).map(|_| TcpStream::connect(server.address()).unwrap()).collect();
    slow.iter().for_each(|stream| stream.set_nonblocking(true).unwrap());
    let mut bytes = bytes.iter();
    let (mut last, mut slowest) = (None::<Instant>, Duration::ZERO);
    while !slow.is_empty() {
        assert!(start.elapsed() < limit, "{} are still open after {limit:?}", slow.len());
        if last.is_none_or(|last| last.elapsed() >= Duration::from_secs(1)) {
            let byte = *bytes.next().expect("enough bytes");
            slow.retain_mut(|stream| stream.write(&[byte]).is_ok());
            last = Some(Instant::now());
        }
        slow.retain_mut(is_open);
        let asked = Instant::now();
        healthy();
        slowest = slowest.max(asked.elapsed());
        std::thread::sleep(Duration::from_millis(20));
    }
    assert!(slowest < Duration::from_secs(1), "someone waited {slowest:?}");
    assert!(start.elapsed() > Duration::from_secs(3), "they were cut before their time");
}

/// Whether the server has not closed; what it says before it does is read away.
fn is_open(stream: &mut TcpStream) -> bool {
    loop {
        match stream.read(&mut [0; 256]) {
            Ok(0) => return false,
            Ok(_) => {}
            Err(error) => return error.kind() == ErrorKind::WouldBlock,
        }
    }
}

#[test]
fn slow_heads_hinder_nobody_and_are_cut() {
    let server = Server::start();
    check_slow_ones_hinder_nobody(&server, b"GET /healthz HTTP/1.1\r\n", Duration::from_secs(12), || {
        server.test().get("/env/definitions").send().ok();
    });
}

#[test]
fn slow_handshakes_hinder_nobody_and_are_cut() {
    let (store, identity) = Store::under_tls();
    let server = store.serve();
    let client = trusting(&identity, rustls::ALL_VERSIONS);
    // The beginning of a handshake's first record, which is longer than what will ever come.
    let mut hello = vec![0x16, 3, 1, 1, 0, 1, 0, 0, 0xfc, 3, 3];
    hello.resize(32, 0);
    check_slow_ones_hinder_nobody(&server, &hello, Duration::from_secs(12), || {
        let mut connection = Connection::secure(server.address(), &client).unwrap();
        connection.write(&server.test().get("/env/definitions").encode()).unwrap();
        connection.read("GET").unwrap().ok();
    });
}

#[test]
fn slow_heads_under_tls_are_cut() {
    let (store, identity) = Store::under_tls();
    let server = store.serve();
    let mut connection =
        Connection::secure(server.address(), &trusting(&identity, rustls::ALL_VERSIONS)).unwrap();
    connection.write(b"GET /healthz HTTP/1.1\r\nhost: x\r\n").unwrap();
    let start = Instant::now();
    if let Ok(response) = connection.read("GET") {
        assert_eq!(response.status, 408);
    }
    let taken = start.elapsed();
    assert!((Duration::from_secs(3)..Duration::from_secs(12)).contains(&taken), "{taken:?}");
}
