//! `coffer health`: one line, and an exit code that something else acts on.

use std::io::Write;
use std::net::TcpListener;
use std::thread;
use std::time::{Duration, Instant};

use crate::support::{Config, Server, Store, finish};

/// A configuration whose server is to be found at this address.
fn listening(address: impl ToString) -> Config {
    Config::new().text("server", "listen", &address.to_string())
}

/// Somebody else's server, which answers one request with these bytes.
fn stranger(answer: &'static str) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        let mut head = [0; 4096];
        let _ = std::io::Read::read(&mut stream, &mut head);
        let _ = stream.write_all(answer.as_bytes());
    });
    url
}

#[test]
fn a_server_is_found_by_its_configuration() {
    let server = Server::start();
    let (store, address) = (server.store().clone(), server.address());
    store.configure(&listening(address));
    assert_eq!(store.coffer(["health"]).ok(), format!("http://{address} is ready\n"));
    assert_eq!(store.coffer(["health", "--live"]).ok(), format!("http://{address} is live\n"));
    // Where one listens on every address, one is asked at loopback.
    store.configure(&listening(format!("0.0.0.0:{}", address.port())));
    assert_eq!(store.coffer(["health"]).ok(), format!("http://{address} is ready\n"));
    store.configure(&listening(format!("localhost:{}", address.port())));
    store.coffer(["health"]).ok();
    let mut by_variable = store.command(["health"]);
    by_variable.env("COFFER_SERVER__LISTEN", address.to_string());
    finish(&mut by_variable).ok();
}

#[test]
fn neither_passphrase_nor_credential_nor_the_clients_server_is_needed() {
    let server = Server::start();
    let store = server.store().clone();
    let config = listening(server.address()).without("encryption", "passphrase");
    store.configure(&config.text("encryption", "passphrase_file", "missing"));
    store.coffer(["orgs", "list"]).failed();
    let mut command = store.command(["health"]);
    command.env("COFFER_URL", "http://127.0.0.1:1").env("COFFER_TOKEN_FILE", "/nowhere");
    finish(&mut command).ok();
    // Another server than the configuration's has to be named.
    let other =
        finish(store.command(["health", "--url", "http://127.0.0.1:1"]).env("COFFER_URL", "x")).failed();
    assert!(other.starts_with("error: http://127.0.0.1:1 is not ready: Connection refused"), "{other}");
}

#[test]
fn a_server_under_tls_is_asked_by_its_own_machine_whatever_its_certificate() {
    let (store, identity) = Store::under_tls();
    let server = store.serve();
    let port = server.address().port();
    store.configure(&listening(server.address()).with_tls());
    assert_eq!(store.coffer(["health"]).ok(), format!("https://127.0.0.1:{port} is ready\n"));

    // A server that is named is to be believed only by its certificate.
    let url = format!("https://localhost:{port}");
    let ask = |file: &str, text: &str| {
        std::fs::write(store.root().join(file), text).unwrap();
        finish(store.command(["health", "--url", &url]).env("COFFER_CA_FILE", store.root().join(file)))
    };
    assert_eq!(ask("trusted.pem", &identity.certificate()).ok(), format!("{url} is ready\n"));
    let refused = ask("other.pem", &crate::support::Identity::new().certificate()).failed();
    assert!(refused.contains("is not trusted"), "{refused}");

    // Plain HTTP where TLS is spoken is no answer.
    store.configure(&listening(server.address()));
    store.coffer(["health"]).failed();
}

#[test]
fn what_is_wrong_is_one_line() {
    let store = Store::new();
    let free = store.coffer(["health"]).failed();
    assert!(free.contains("server.listen") && free.contains("--url"), "{free}");

    let server = store.serve();
    store.configure(&listening(server.address()));
    server.stop();
    let stopped = store.coffer(["health"]).failed();
    assert!(stopped.contains("is not ready: Connection refused"), "{stopped}");

    store.write_config("[server]\nlisten = 'nonsense'\n");
    let wrong = store.coffer(["health"]).failed();
    assert!(wrong.contains("config.toml:2: `server.listen` must be"), "{wrong}");
    store.coffer(["health", "--timeout", "soon"]).misused();

    for (answer, expected) in [
        (
            "HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nhello",
            "is not ready: whoever answers is no coffer (status 200",
        ),
        (
            "HTTP/1.1 302 Found\r\nlocation: /\r\ncontent-length: 0\r\n\r\n",
            "is no coffer (status 302: it sends to another address",
        ),
        ("not http at all", "is no coffer"),
        (
            "HTTP/1.1 503 Service Unavailable\r\ncontent-length: 59\r\n\r\n{\"error_code\":\"STORE_UNAVAILABLE\",\"message\":\"cannot write\"}",
            "is not ready: 503: cannot write",
        ),
    ] {
        let line = store.coffer(["health", "--url", &stranger(answer)]).failed();
        assert!(line.contains(expected), "{line}");
    }
}

#[test]
fn who_does_not_answer_in_time_is_not_waited_for() {
    let mute = TcpListener::bind("127.0.0.1:0").unwrap();
    let store = Store::uninitialized(&listening(mute.local_addr().unwrap()));
    let start = Instant::now();
    let line = store.coffer(["health", "--timeout", "1s"]).failed();
    assert!(line.contains("no answer within 1 s"), "{line}");
    assert!(start.elapsed() < Duration::from_secs(4), "{:?}", start.elapsed());
}
