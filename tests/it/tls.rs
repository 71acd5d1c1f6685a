//! TLS, and what is refused without it.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::sync::Arc;
use std::time::Duration;

use rustls::ALL_VERSIONS;
use rustls::version::{TLS12, TLS13};

use crate::support::{Config, Connection, Identity, Response, Server, Store, eventually, trusting};

fn config() -> Config {
    Config::new().with_tls()
}

fn ask(server: &Server, connection: &mut Connection, path: &str) -> Response {
    connection.write(&server.test().get(path).encode()).unwrap();
    connection.read("GET").unwrap()
}

/// Whether a client that trusts `identity` alone gets through.
fn shows(server: &Server, identity: &Identity) -> bool {
    Connection::secure(server.address(), &trusting(identity, ALL_VERSIONS)).is_ok()
}

#[test]
fn both_versions_of_tls_are_spoken_and_nothing_else() {
    let (store, identity) = Store::under_tls();
    let server = store.serve();
    for version in [&TLS12, &TLS13] {
        let client = trusting(&identity, &[version]);
        let mut connection = Connection::secure(server.address(), &client).unwrap();
        for _ in 0..2 {
            assert_eq!(ask(&server, &mut connection, "/env/definitions").ok()["totalDocs"], 0);
        }
    }
    let mut plain = Connection::open(server.address()).unwrap();
    plain.write(&server.test().get("/env/definitions").encode()).unwrap();
    assert!(plain.read("GET").is_err(), "plain HTTP is not answered");
    server.stop();
}

#[test]
fn the_scheme_is_said_wherever_the_address_is() {
    let store = Arc::new(Store::uninitialized(&config()));
    Identity::new().write(store.root());
    let server = store.serve();
    let url = format!("https://{}", server.address());
    let stdout = server.stdout();
    assert!(stdout.contains(&format!("listening on {url}\n")), "{stdout}");
    assert!(stdout.contains(&format!("curl -s {url}/api/")), "{stdout}");
    let second = store.refuses_to_serve();
    assert!(second.contains(&format!("serving {url}")), "{second}");
}

#[test]
fn browsers_are_told_to_insist_on_tls_where_there_is_tls() {
    let (store, identity) = Store::under_tls();
    let server = store.serve();
    let mut connection = Connection::secure(server.address(), &trusting(&identity, ALL_VERSIONS)).unwrap();
    let answer = ask(&server, &mut connection, "/env/definitions");
    assert_eq!(answer.header("strict-transport-security"), Some("max-age=31536000"));
    assert_eq!(answer.header("x-frame-options"), Some("DENY"));
}

#[test]
fn a_client_that_wants_http_1_1_gets_it_and_one_that_wants_only_http_2_nothing() {
    let (store, identity) = Store::under_tls();
    let server = store.serve();
    let offering = |protocols: &[&[u8]]| {
        let mut client = (*trusting(&identity, ALL_VERSIONS)).clone();
        client.alpn_protocols = protocols.iter().map(|name| name.to_vec()).collect();
        Connection::secure(server.address(), &Arc::new(client))
    };
    let mut connection = offering(&[b"h2", b"http/1.1"]).unwrap();
    ask(&server, &mut connection, "/env/definitions").ok();
    assert!(offering(&[b"h2"]).is_err());
}

#[test]
fn files_that_cannot_be_used_end_it_before_there_is_a_store() {
    let check = |file: &str, content: Option<String>, expected: &str| {
        let store = Store::uninitialized(&config());
        Identity::new().write(store.root());
        match content {
            Some(content) => fs::write(store.root().join(file), content).unwrap(),
            None => fs::remove_file(store.root().join(file)).unwrap(),
        }
        let line = store.refuses_to_serve();
        let start = format!("error: {}: {expected}", store.root().join(file).display());
        assert!(line.starts_with(&start), "{line}");
        assert!(!store.data().exists());
    };
    check("cert.pem", None, "cannot be read: ");
    check("key.pem", None, "cannot be read: ");
    check("cert.pem", Some(String::new()), "holds no certificate in PEM");
    check("key.pem", Some(Identity::new().certificate()), "holds no private key in PEM");
    check("key.pem", Some(Identity::new().key()), "is not the key of the certificate in ");

    // A pipe that nobody writes holds nobody up.
    let store = Store::uninitialized(&config());
    Identity::new().write(store.root());
    let key = store.root().join("key.pem");
    fs::remove_file(&key).unwrap();
    nix::unistd::mkfifo(&key, nix::sys::stat::Mode::S_IRUSR).unwrap();
    assert!(store.refuses_to_serve().ends_with("key.pem: is not a regular file"));

    let store = Store::uninitialized(&config().without("server", "tls_key"));
    let line = store.refuses_to_serve();
    assert!(line.ends_with("`server.tls_cert` is of no use without `server.tls_key`"), "{line}");
    assert!(!store.data().exists());
}

#[test]
fn a_key_that_everyone_may_read_is_warned_of() {
    let (store, _) = Store::under_tls();
    for (mode, warned) in [(0o600, false), (0o644, true)] {
        fs::set_permissions(store.root().join("key.pem"), fs::Permissions::from_mode(mode)).unwrap();
        let server = store.serve();
        server.signal("TERM");
        let log = server.ended().stderr;
        assert_eq!(log.contains("the private key is open to every user of this machine"), warned, "{log}");
    }
}

#[test]
fn a_hangup_has_the_pair_read_anew_and_a_bad_one_changes_nothing() {
    let (store, first) = Store::under_tls();
    let server = store.serve();
    let mut old = Connection::secure(server.address(), &trusting(&first, ALL_VERSIONS)).unwrap();
    let second = Identity::new();
    second.write(store.root());
    assert!(shows(&server, &first) && !shows(&server, &second), "nobody said to read it");
    server.signal("HUP");
    eventually(Duration::from_secs(10), "the new certificate", || shows(&server, &second).then_some(()));
    assert!(!shows(&server, &first));
    ask(&server, &mut old, "/env/definitions").ok();

    fs::write(store.root().join("key.pem"), first.key()).unwrap();
    server.signal("HUP");
    let warning = "the new certificate cannot be used; the former one stays";
    eventually(Duration::from_secs(10), "a warning", || server.stderr().contains(warning).then_some(()));
    assert!(shows(&server, &second));
    server.stop();
}

#[test]
fn a_hangup_finds_the_pair_where_it_is_configured_now_and_does_not_switch_tls_off() {
    let (store, first) = Store::under_tls();
    let server = store.serve();
    let said = |text: &str| {
        eventually(Duration::from_secs(10), text, || server.stderr().contains(text).then_some(()));
    };
    let renewed =
        Config::new().text("server", "tls_cert", "new/cert.pem").text("server", "tls_key", "new/key.pem");
    store.configure(&renewed);
    server.signal("HUP");
    said("new/key.pem can be used");
    assert!(shows(&server, &first));

    let second = Identity::new();
    fs::create_dir(store.root().join("new")).unwrap();
    second.write(&store.root().join("new"));
    server.signal("HUP");
    said("`server.tls_key` is ");
    assert!(shows(&server, &second) && !shows(&server, &first));

    store.configure(&Config::new());
    server.signal("HUP");
    said("`server.tls_cert` stays ");
    said(" until the server is started anew, and is none then");
    assert!(shows(&server, &second));
    server.stop();
}

#[test]
fn plain_http_stays_on_loopback_unless_it_is_allowed() {
    let store = Arc::new(Store::uninitialized(&Config::new()));
    for address in ["0.0.0.0:0", "[::]:0"] {
        let line = store.coffer(["serve", "--listen", address]).failed();
        assert!(
            line.starts_with(&format!("error: refusing to listen on {address} in plain HTTP: ")),
            "{line}"
        );
        assert!(!store.data().exists());
    }
    let warned = |config: &Config, listen: &str| {
        store.configure(config);
        Identity::new().write(store.root());
        let server = Server::spawn(&store, store.command(["serve", "--listen", listen]));
        server.signal("TERM");
        server.ended().stderr.contains(" WARN coffer::cli::serve: plain HTTP beyond this machine")
    };
    let allowed = Config::new().set("server", "allow_plaintext", "true");
    assert!(warned(&allowed, "0.0.0.0:0"));
    assert!(!warned(&allowed, "127.0.0.1:0"));
    assert!(!warned(&config(), "0.0.0.0:0"));
}
