//! `coffer serve`: starting, being ready, being refused, stopping.

use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt;
use std::time::{Duration, Instant};

use crate::support::{Config, Connection, Server, Store, eventually, interpose};

#[test]
fn ready_is_one_line_with_the_port_that_the_system_gave() {
    let server = Server::start();
    assert_eq!(server.stdout(), format!("listening on http://{}\n", server.address()));
    assert_ne!(server.address().port(), 0);
}

#[test]
fn serve_is_the_default_command() {
    let store = Store::new();
    let server = Server::spawn(&store, store.command::<[&str; 0]>([]));
    server.test().get("/env/definitions").send().ok();
}

#[test]
fn the_default_command_takes_the_flags_of_serve() {
    let store = Store::new();
    let server = Server::spawn(&store, store.command(["--listen", "127.0.0.2:0"]));
    assert_eq!(server.address().ip().to_string(), "127.0.0.2");
}

#[test]
fn flags_say_where_to_listen_and_what_to_serve() {
    let store = Store::new();
    let elsewhere = tempfile::tempdir().unwrap();
    let data = elsewhere.path().join("moved");
    std::fs::rename(store.data(), &data).unwrap();
    let mut command = store.command(["serve", "--listen", "127.0.0.2:0", "--data"]);
    command.arg(&data);
    let server = Server::spawn(&store, command);
    assert_eq!(server.address().ip().to_string(), "127.0.0.2");
    server.test().get("/env/definitions").send().ok();
    assert!(!store.data().exists());
}

#[test]
fn an_empty_store_is_initialized_and_its_keys_are_printed_once() {
    let store = std::sync::Arc::new(Store::uninitialized(&Config::new()));
    let server = store.serve();
    let key = regex::Regex::new(r"\btk_[A-Za-z0-9_-]{43}\b").unwrap();
    let printed = format!("{}{}", server.stdout(), server.stderr());
    let found: Vec<&str> = key.find_iter(&printed).map(|found| found.as_str()).collect();
    assert!(!found.is_empty(), "{printed}");
    assert!(found.iter().all(|one| *one == found[0]), "{printed}");
    server.anonymous().key(found[0]).get("/env/definitions").send().ok();
    let production = regex::Regex::new(r"\bpk_[A-Za-z0-9_-]{43}\b").unwrap();
    assert!(production.is_match(&printed), "{printed}");
    let key_text = found[0].to_owned();
    let server = server.stop().serve();
    assert!(!format!("{}{}", server.stdout(), server.stderr()).contains("tk_"), "once");
    server.anonymous().key(&key_text).get("/env/definitions").send().ok();
}

#[test]
fn a_second_server_on_a_held_store_names_the_holder() {
    let server = Server::start();
    // By default both have the same port; with another, the store is what they meet.
    let same = server.address().to_string();
    for address in [same.as_str(), "127.0.0.1:0"] {
        let line = server.store().coffer(["serve", "--listen", address]).failed();
        let holder = format!("(pid {}, serving http://{})", server.pid(), server.address());
        assert!(line.contains("in use by another process") && line.contains(&holder), "{line}");
    }
    server.test().get("/env/definitions").send().ok();
    assert_eq!(server.anonymous().at("GET", "/readyz").send().status, 200);
}

#[test]
fn a_busy_port_is_one_line_and_changes_nothing() {
    let store = Store::new();
    let before = store.files();
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let line = store.coffer(["serve", "--listen", &address]).failed();
    assert!(line.contains(&address) && line.ends_with("choose another with --listen"), "{line}");
    let after = store.files();
    let names = |files: &[(std::path::PathBuf, Vec<u8>)]| {
        files.iter().map(|(path, _)| path.clone()).collect::<Vec<_>>()
    };
    assert_eq!(names(&before), names(&after));
    assert!(before == after, "nothing changed");
    store.serve().test().get("/env/definitions").send().ok();
}

#[test]
fn a_wrong_passphrase_is_one_line_and_changes_nothing() {
    let store = Store::new();
    let server = store.serve();
    let definition = server.test().define_encrypted("S", "org");
    server.test().set(&definition, "hidden");
    let store = server.stop();
    let before = store.files();
    store.configure(&Config::new().text("encryption", "passphrase", "not the passphrase of it"));
    for command in [&["serve"][..], &["keys", "list"], &["orgs", "create", "x"], &["environments", "list"]] {
        let line = store.coffer(command).failed();
        assert!(line.ends_with("the passphrase does not open this store"), "{line}");
        store.check_unchanged(&before, command[0]);
    }
    store.configure(&Config::new());
    let server = store.serve();
    assert_eq!(server.test().resolve(&definition).query("reveal", "true").send().ok()["value"], "hidden");
}

#[test]
fn a_keyring_that_is_missing_or_damaged_is_never_made_afresh() {
    let store = Store::new();
    let keyring = store.data().join("keyring");
    let good = std::fs::read(&keyring).unwrap();
    let check = |what: &str| {
        let before = store.files();
        for command in [&["serve"][..], &["keys", "list"], &["init"]] {
            let line = store.coffer(command).failed();
            assert!(
                command[0] == "init" || line.contains("keyring") || line.contains("passphrase"),
                "{what}: {line}"
            );
            store.check_unchanged(&before, &format!("{what}, {command:?}"));
        }
    };
    std::fs::remove_file(&keyring).unwrap();
    check("missing");
    std::fs::write(&keyring, b"").unwrap();
    check("empty");
    std::fs::write(&keyring, &good[..good.len() / 2]).unwrap();
    check("half");
    for place in (0..good.len()).step_by((good.len() / 12).max(1)) {
        let mut damaged = good.clone();
        damaged[place] ^= 0x40;
        std::fs::write(&keyring, &damaged).unwrap();
        check(&format!("byte {place} flipped"));
    }
    std::fs::write(&keyring, [good.clone(), vec![0]].concat()).unwrap();
    check("longer");
    std::fs::write(&keyring, &good).unwrap();
    store.serve();
}

#[test]
fn a_keyring_of_another_store_is_refused() {
    let (store, other) = (Store::new(), Store::new());
    std::fs::copy(other.data().join("keyring"), store.data().join("keyring")).unwrap();
    let before = store.files();
    store.refuses_to_serve();
    store.check_unchanged(&before, "refused");
}

#[test]
fn a_keyring_without_its_store_is_refused() {
    let store = Store::new();
    for entry in std::fs::read_dir(store.data()).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            std::fs::remove_dir_all(path).unwrap();
        } else if !path.ends_with("keyring") {
            std::fs::remove_file(path).unwrap();
        }
    }
    let before = store.files();
    store.refuses_to_serve();
    store.check_unchanged(&before, "refused");
}

#[test]
fn a_state_that_is_missing_or_damaged_is_made_anew_and_nothing_is_lost() {
    let store = Store::new();
    let definition = {
        let server = store.serve();
        let definition = server.test().define_string("KEPT", "org");
        server.test().set(&definition, "kept");
        server.stop();
        definition
    };
    let state = store.data().join("state");
    let good = std::fs::read(&state).unwrap();
    let flipped = |place: usize| {
        let mut damaged = good.clone();
        damaged[place] ^= 0x04;
        damaged
    };
    for damaged in [Vec::new(), good[..good.len() / 2].to_vec(), b"garbage".to_vec(), flipped(0), flipped(40)]
    {
        std::fs::write(&state, &damaged).unwrap();
        let server = store.serve();
        assert_eq!(server.test().resolve(&definition).send().ok()["value"], "kept");
        server.stop();
    }
}

#[test]
fn a_directory_that_cannot_be_written_is_one_line() {
    // Root writes everywhere; a file in the way is in everybody's way.
    let store = Store::uninitialized(&Config::new().text("storage", "path", "file/data"));
    std::fs::write(store.root().join("file"), "in the way").unwrap();
    for command in ["init", "serve"] {
        let line = store.coffer([command]).failed();
        assert!(line.contains("file/data"), "{line}");
    }
    let store = Store::uninitialized(&Config::new().text("storage", "path", "/proc/coffer"));
    let line = store.coffer(["serve"]).failed();
    assert!(line.contains("/proc/coffer"), "{line}");

    let store = Store::new();
    let mut permissions = std::fs::metadata(store.data()).unwrap().permissions();
    permissions.set_mode(0o500);
    std::fs::set_permissions(store.data(), permissions.clone()).unwrap();
    let is_root = std::fs::write(store.data().join("probe"), "").is_ok();
    if is_root {
        std::fs::remove_file(store.data().join("probe")).unwrap();
    } else {
        store.refuses_to_serve();
    }
    permissions.set_mode(0o700);
    std::fs::set_permissions(store.data(), permissions).unwrap();
}

#[test]
fn the_sample_passphrase_stays_on_loopback() {
    let sample = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/config.toml"))
        .expect("the repository has a config.toml");
    let line =
        sample.lines().find(|line| line.trim_start().starts_with("passphrase")).expect("with a passphrase");
    assert!(sample.to_lowercase().contains("sample"), "that says it is a sample");
    let literal = line.split_once('=').unwrap().1.trim();
    let literal = &literal[..=literal.rfind('"').unwrap()];
    let config = Config::new().set("encryption", "passphrase", literal);
    let store = Store::with(&config);
    let before = store.files();
    for address in ["0.0.0.0:0", "[::]:0"] {
        let line = store.coffer(["serve", "--listen", address]).failed();
        assert!(line.contains("sample"), "{line}");
        store.check_unchanged(&before, "refused");
    }
    let server = store.serve();
    server.signal("TERM");
    let log = server.ended().stderr;
    assert!(log.contains(" WARN ") && log.contains("the passphrase is the sample"), "{log}");
    let own = Store::new();
    own.configure(&Config::new().set("server", "allow_plaintext", "true"));
    drop(Server::spawn(&own, own.command(["serve", "--listen", "0.0.0.0:0"])));
}

#[test]
fn a_signal_ends_it_with_zero() {
    for signal in ["TERM", "INT"] {
        let server = Server::start();
        let definition = server.test().define_string("V", "org");
        server.test().set(&definition, "v");
        let store = std::sync::Arc::clone(server.store());
        server.signal(signal);
        let start = Instant::now();
        let finished = server.ended();
        assert_eq!(finished.code, Some(0), "{finished:?}");
        assert!(start.elapsed() < Duration::from_secs(10));
        assert!(!store.data().join("control.sock").exists(), "it cleans up");
        let server = store.serve();
        assert_eq!(server.test().resolve(&definition).send().ok()["value"], "v");
    }
}

#[test]
fn an_idle_connection_does_not_delay_the_end() {
    let server = Server::start();
    let mut connection = Connection::open(server.address()).unwrap();
    connection.exchange(&server.anonymous().at("GET", "/healthz")).unwrap();
    let start = Instant::now();
    server.stop();
    assert!(start.elapsed() < Duration::from_secs(10), "{:?}", start.elapsed());
    assert!(connection.is_closed());
}

#[test]
fn a_large_answer_that_is_under_way_arrives_whole() {
    let server = Server::start();
    let client = server.test();
    let value = "v".repeat(65_536);
    for number in 0..300 {
        client.set(&client.define_string(&format!("V{number}"), "org"), &value);
    }
    let mut connection = Connection::open(server.address()).unwrap();
    connection.write(&client.get("/env/values/org").query("limit", "1000").encode()).unwrap();
    // More than the sockets hold, so most of it waits for its reader.
    std::thread::sleep(Duration::from_millis(500));
    server.signal("TERM");
    std::thread::sleep(Duration::from_millis(500));
    let response = connection.read("GET").expect("the answer comes whole");
    assert_eq!(response.ok()["docs"].as_array().map(Vec::len), Some(300));
    assert_eq!(server.ended().code, Some(0));
}

#[test]
fn clients_that_go_on_asking_are_told_to_close_and_no_answer_is_cut() {
    let server = Server::start();
    let address = server.address();
    let clients: Vec<_> = (0..8)
        .map(|_| {
            std::thread::spawn(move || {
                let mut connection = Connection::open(address).unwrap();
                for answered in 0.. {
                    connection
                        .write(b"GET /healthz HTTP/1.1\r\nhost: x\r\n\r\n")
                        .expect("a request is taken");
                    let response = connection.read("GET").expect("an answer comes whole");
                    assert_eq!(response.status, 200);
                    if response.header("connection") == Some("close") {
                        return answered;
                    }
                }
                unreachable!("the loop has no end of its own");
            })
        })
        .collect();
    std::thread::sleep(Duration::from_millis(200));
    server.signal("TERM");
    for client in clients {
        assert!(client.join().unwrap() > 10, "it was served before the signal");
    }
    assert_eq!(server.ended().code, Some(0));
}

#[test]
fn what_is_in_flight_is_finished_before_the_end() {
    let store = Store::new();
    let interpose::Interposed { server, control } = interpose::serve(&store);
    let definition = server.test().define_string("V", "org");
    control.turn_on("freeze", "");
    let before = control.events().len();
    let request = server.test().setting(&definition, "in flight");
    let writer = std::thread::spawn(move || request.try_send());
    eventually(Duration::from_secs(10), "the write has begun", || {
        // The server also syncs a spare file by itself.
        let mut events = control.events().into_iter().skip(before);
        events.find(|event| event.is_on_journal("fdatasync-begin"))
    });
    server.signal("TERM");
    std::thread::sleep(Duration::from_millis(300));
    control.turn_off("freeze");
    let answer = writer.join().unwrap().expect("an answer");
    assert_eq!(answer.ok()["value"], "in flight");
    assert_eq!(server.ended().code, Some(0));
    let server = store.serve();
    assert_eq!(server.test().resolve(&definition).send().ok()["value"], "in flight");
}
