//! Whom client commands believe under TLS, and to whom they show the credential.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use super::Machine;
use crate::support::{Identity, Server, Store, finish};

#[test]
fn a_server_under_tls_is_believed_by_the_file_that_is_named() {
    let (store, _) = Store::under_tls();
    let server = store.serve();
    let mut machine = Machine::of(&server);
    machine.url = format!("https://localhost:{}", server.address().port());
    let certificate = store.root().join("cert.pem");
    finish(machine.command(["run", "--", "true"]).env("COFFER_CA_FILE", &certificate)).ok();

    let other = machine.file("other.pem", &Identity::new().certificate());
    let refused = finish(machine.command(["run", "--", "true"]).env("COFFER_CA_FILE", &other)).failed();
    assert!(refused.contains("is not trusted") && refused.contains("COFFER_CA_FILE"), "{refused}");
    let empty = machine.file("empty.pem", "");
    let refused = finish(machine.command(["ls"]).env("COFFER_CA_FILE", &empty)).failed();
    assert!(refused.contains("no certificate"), "{refused}");
    // Another name than the certificate's, though the certificate is trusted.
    machine.url = format!("https://127.0.0.1:{}", server.address().port());
    finish(machine.command(["ls"]).env("COFFER_CA_FILE", &certificate)).failed();
}

#[test]
fn who_speaks_no_tls_is_told_from_who_is_not_trusted() {
    let server = Server::start();
    let mut machine = Machine::of(&server);
    machine.url = machine.url.replace("http://", "https://");
    let authority = machine.file("ca.pem", &Identity::new().certificate());
    let line = finish(machine.command(["run", "--", "true"]).env("COFFER_CA_FILE", authority)).failed();
    assert!(line.contains("not in TLS: is it http:// there") && !line.contains("not trusted"), "{line}");
}

/// Somebody who gives everyone the same answer: where, and how often it was asked.
fn answering(answer: String) -> (SocketAddr, Arc<AtomicUsize>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let (address, asked) = (listener.local_addr().unwrap(), Arc::new(AtomicUsize::new(0)));
    let counter = Arc::clone(&asked);
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            counter.fetch_add(1, Ordering::SeqCst);
            let _ = stream.read(&mut [0; 4096]);
            let _ = stream.write_all(answer.as_bytes());
        }
    });
    (address, asked)
}

#[test]
fn the_credential_goes_to_nobody_but_the_server_that_was_named() {
    let server = Server::start();
    let mut machine = Machine::of(&server);
    let ok = "HTTP/1.1 200 OK\r\ncontent-length: 32\r\n\r\n{\"variables\": [], \"missing\": []}";
    let (trap, trapped) = answering(ok.into());
    for proxy in ["HTTP_PROXY", "http_proxy", "ALL_PROXY", "HTTPS_PROXY"] {
        let mut command = machine.command(["run", "--", "true"]);
        finish(command.env(proxy, format!("http://{trap}"))).ok();
    }
    for status in ["301 Moved", "302 Found", "307 Elsewhere", "308 For Good"] {
        let to = format!("HTTP/1.1 {status}\r\nlocation: http://{trap}/\r\ncontent-length: 0\r\n\r\n");
        let (redirecting, asked) = answering(to);
        machine.url = format!("http://{redirecting}");
        let line = machine.coffer(["run", "--", "true"]).failed();
        assert!(line.contains("sends to another address"), "{line}");
        assert_eq!(asked.load(Ordering::SeqCst), 1);
    }
    assert_eq!(trapped.load(Ordering::SeqCst), 0);
}
