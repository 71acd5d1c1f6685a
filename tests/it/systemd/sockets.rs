//! Sockets that the manager listens on.

use std::fs::File;
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::os::fd::OwnedFd;
use std::process::{Command, Stdio};
use std::time::Duration;

use super::{logged, prepared};
use crate::support::{Config, Server, Store, eventually, finish};

/// `serve` with what is at descriptor 0 passed as descriptors from 3 on.
fn passing(store: &Store, socket: impl Into<OwnedFd>, count: usize, names: &str) -> Command {
    let descriptors: String = (3..3 + count).map(|descriptor| format!(" {descriptor}<&0")).collect();
    let before = format!(
        "exec{descriptors} 0</dev/null\nexport LISTEN_PID=$$ LISTEN_FDS={count} LISTEN_FDNAMES={names}"
    );
    let mut command = prepared(store, &before, &["serve"]);
    command.stdin(Stdio::from(socket.into()));
    command
}

#[test]
fn a_server_serves_on_the_sockets_that_it_is_passed() {
    let store = Store::new();
    let socket = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = socket.local_addr().unwrap();
    // Whoever comes before the server waits for it.
    let mut early = TcpStream::connect(address).unwrap();
    early.write_all(b"GET /healthz HTTP/1.1\r\nHost: coffer\r\nConnection: close\r\n\r\n").unwrap();
    let server = Server::spawn(&store, passing(&store, socket.try_clone().unwrap(), 1, "http"));
    assert_eq!(server.address(), address);
    let mut answer = String::new();
    early.read_to_string(&mut answer).unwrap();
    assert!(answer.starts_with("HTTP/1.1 200 OK"), "{answer}");
    logged(&server, "`server.listen` is not used");
    server.test().get("/env/definitions").send().ok();
    server.stop();

    // It was not closed with the server: the next one has it again, and who came in between is answered.
    let mut between = TcpStream::connect(address).unwrap();
    between.write_all(b"GET /healthz HTTP/1.1\r\nHost: coffer\r\nConnection: close\r\n\r\n").unwrap();
    let server = Server::spawn(&store, passing(&store, socket, 2, "http:http"));
    eventually(Duration::from_secs(30), "both are named", || {
        (server.stdout().matches(&format!("listening on http://{address}")).count() == 2).then_some(())
    });
    let mut answer = String::new();
    between.read_to_string(&mut answer).unwrap();
    assert!(answer.starts_with("HTTP/1.1 200 OK"), "{answer}");
    server.stop();
}

#[test]
fn what_no_connections_come_from_is_refused_by_name() {
    let store = Store::new();
    let listener = || TcpListener::bind("127.0.0.1:0").unwrap();
    let listening = listener();
    let connected = TcpStream::connect(listening.local_addr().unwrap()).unwrap();
    let unix = std::os::unix::net::UnixListener::bind(store.root().join("unix")).unwrap();
    let others: [OwnedFd; 3] = [File::open("/dev/null").unwrap().into(), connected.into(), unix.into()];
    for other in others {
        let said = finish(&mut passing(&store, other, 1, "metrics")).failed();
        assert!(said.contains("`metrics` (descriptor 3)"), "{said}");
    }
    let said = finish(&mut passing(&store, File::open("/dev/null").unwrap(), 1, "")).failed();
    assert!(said.contains("`unknown` (descriptor 3)"), "{said}");
}

#[test]
fn a_passed_socket_is_no_way_around_what_holds_beyond_this_machine() {
    let store = Store::new();
    let beyond = || TcpListener::bind("0.0.0.0:0").unwrap();
    let said = finish(&mut passing(&store, beyond(), 1, "http")).failed();
    // By the address of the socket: nobody listens where the configuration would.
    assert!(said.contains("on 0.0.0.0:") && said.contains("allow_plaintext"), "{said}");
    store.configure(&Config::new().set("server", "allow_plaintext", "true"));
    let server = Server::spawn(&store, passing(&store, beyond(), 1, "http"));
    logged(&server, "plain HTTP beyond this machine");
    server.stop();
}

#[test]
fn sockets_of_another_process_are_left_alone() {
    let store = Store::new();
    let before = "exec 3</dev/null\nexport LISTEN_PID=1 LISTEN_FDS=1";
    let server = Server::spawn(&store, prepared(&store, before, &["serve"]));
    server.test().get("/env/definitions").send().ok();
    server.stop();
}

#[test]
fn a_number_of_sockets_that_cannot_be_read_is_told() {
    let store = Store::new();
    for number in ["LISTEN_FDS=one", "LISTEN_FDS=", "LISTEN_FDS=0", "LISTEN_FDS=-1", "OTHER="] {
        let before = format!("exec 3</dev/null\nunset LISTEN_FDS\nexport LISTEN_PID=$$ {number}");
        let server = Server::spawn(&store, prepared(&store, &before, &["serve"]));
        let line = logged(&server, "LISTEN_FDS is not the number");
        assert!(line.contains("WARN") && line.contains("`server.listen` is used instead"), "{line}");
        server.test().get("/env/definitions").send().ok();
        server.stop();
    }
}
