//! The control socket: who may use it, what it bears, and what a stop leaves of it.

use std::io::{Read, Write};
use std::os::unix::fs::{FileTypeExt, PermissionsExt};
use std::os::unix::net::UnixStream;
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use crate::support::{Config, Server, Store, eventually, interpose};

#[test]
fn the_control_socket_is_for_the_owner_and_one_left_behind_does_no_harm() {
    let server = Server::start();
    let socket = server.store().data().join("control.sock");
    let metadata = std::fs::symlink_metadata(&socket).unwrap();
    assert!(metadata.file_type().is_socket());
    assert_eq!(metadata.permissions().mode() & 0o777, 0o600);
    let store = server.kill();
    assert!(socket.exists(), "a killed server leaves it");
    let listed = store.coffer(["orgs", "list", "--json"]).ok();
    assert!(listed.contains(&store.org));
    let server = store.serve();
    assert!(server.store().coffer(["orgs", "list", "--json"]).ok().contains(&server.store().org));
    server.stop();
}

#[test]
fn it_works_under_a_path_longer_than_a_sockets_limit() {
    let deep = format!("{}/{}/{}", "a".repeat(80), "b".repeat(80), "c".repeat(80));
    let config = Config::new().text("storage", "path", &deep);
    let made = Store::uninitialized(&config);
    std::fs::create_dir_all(made.root().join(format!("{}/{}", "a".repeat(80), "b".repeat(80)))).unwrap();
    let store = std::sync::Arc::new(made);
    let org = store.coffer(["init", "--json"]).json()["org_id"].as_str().unwrap().to_owned();
    let server = store.serve();
    assert!(store.coffer(["orgs", "list", "--json"]).ok().contains(&org));
    store.coffer(["environments", "add", "staging"]).ok();
    let store = server.kill();
    let server = store.serve();
    assert!(store.coffer(["environments", "list", "--json"]).ok().contains("staging"));
    server.stop();
}

#[test]
fn the_control_socket_answers_nonsense_with_nothing_worse() {
    let server = Server::start();
    let socket = server.store().data().join("control.sock");
    for bytes in
        [&b""[..], b"\n", b"nonsense\n", b"{}\n", b"[1,2,3]\n", &[0xff; 4096], b"GET / HTTP/1.1\r\n\r\n"]
    {
        let mut stream = UnixStream::connect(&socket).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(2))).unwrap();
        let _ = stream.write_all(bytes);
        let _ = stream.shutdown(std::net::Shutdown::Write);
        let _ = stream.read(&mut [0; 1024]);
    }
    let _silent = UnixStream::connect(&socket).unwrap();
    server.store().coffer(["orgs", "list"]).ok();
    server.test().get("/env/definitions").send().ok();
}

#[test]
fn a_command_in_flight_is_finished_before_the_end() {
    let store = Store::new();
    let interposed = interpose::serve(&store);
    let (server, control) = (interposed.server, interposed.control);
    control.turn_on("freeze", "");
    let before = control.events().len();
    let asked = Arc::clone(&store);
    let asking = thread::spawn(move || asked.coffer(["keys", "create", "--environment", "test", "--json"]));
    eventually(Duration::from_secs(10), "the write has begun", || {
        // The server also syncs a spare file by itself.
        let mut events = control.events().into_iter().skip(before);
        events.find(|event| event.call.ends_with("-begin") && event.path.ends_with(".journal"))
    });
    server.signal("TERM");
    thread::sleep(Duration::from_millis(300));
    control.turn_off("freeze");
    let made = asking.join().unwrap().json();
    assert_eq!(server.ended().code, Some(0));
    let server = store.serve();
    server.anonymous().key(made["key"].as_str().unwrap()).get("/env/definitions").send().ok();
}

#[test]
fn a_silent_connection_does_not_delay_the_end() {
    let server = Server::start();
    let _silent = UnixStream::connect(server.store().data().join("control.sock")).unwrap();
    let start = Instant::now();
    server.stop();
    assert!(start.elapsed() < Duration::from_secs(5), "{:?}", start.elapsed());
}
