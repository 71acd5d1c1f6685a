//! What `coffer run` leaves for when the server is away, and when that is not used.

use std::fs;
use std::io::{Read, Write};
use std::os::unix::fs::PermissionsExt;
use std::time::{Duration, Instant};

use super::{Machine, files};
use crate::support::{Finished, Server, finish};

const SECRET: &str = "s3cr3t-word";

fn echo(machine: &Machine, flags: &[&str]) -> Finished {
    machine.coffer([&["run"], flags, &["--", "sh", "-c", "echo $SECRET"]].concat())
}

/// A machine whose first run has left a cache.
fn warm(server: &Server) -> Machine {
    let machine = Machine::of(server);
    let line = format!("SECRET={SECRET}");
    machine.fed(&line, ["import", "-", "--scope", "org", "--create", "--encrypted"]).ok();
    assert_eq!(echo(&machine, &[]).ok(), format!("{SECRET}\n"));
    machine
}

#[test]
fn a_server_that_is_gone_is_replaced_by_what_it_said() {
    let server = Server::start();
    let machine = warm(&server);
    server.kill();
    let finished = echo(&machine, &[]);
    assert_eq!(finished.ok(), format!("{SECRET}\n"));
    assert!(finished.stderr.contains("does not answer") && finished.stderr.contains(" ago"), "{finished:?}");
    let refused = echo(&machine, &["--no-cache"]).failed();
    assert!(refused.contains("does not answer"), "{refused}");
    let other = echo(&machine, &["--environment", "production"]).failed();
    assert!(other.contains("there is no cache"), "{other}");
}

#[test]
fn a_server_that_says_nothing_is_waited_for_five_seconds() {
    let server = Server::start();
    let machine = warm(&server);
    server.signal("STOP");
    let start = Instant::now();
    let finished = echo(&machine, &[]);
    let waited = start.elapsed();
    server.signal("CONT");
    assert_eq!(finished.ok(), format!("{SECRET}\n"));
    assert!((Duration::from_secs(4)..Duration::from_secs(9)).contains(&waited), "{waited:?}");
}

#[test]
fn offline_asks_nobody() {
    let server = Server::start();
    let machine = warm(&server);
    machine.coffer(["set", "SECRET=changed"]).ok();
    let finished = echo(&machine, &["--offline"]);
    assert_eq!(finished.ok(), format!("{SECRET}\n"));
    assert!(
        finished.stderr.contains("seconds ago") || finished.stderr.contains("second ago"),
        "{finished:?}"
    );
    assert_eq!(echo(&machine, &[]).ok(), "changed\n");
    assert_eq!(echo(&machine, &["--offline"]).ok(), "changed\n");
}

#[test]
fn a_refusal_is_no_reason_to_use_the_cache() {
    let server = Server::start();
    let machine = warm(&server);
    let key = server.store().create_key(&["--environment", "test", "--permissions", "read,reveal"]);
    let other = Machine::of(&server).with_key(key);
    echo(&other, &[]).ok();
    let keys = server.store().coffer(["keys", "list", "--json"]).json();
    let newest = keys.as_array().unwrap().last().unwrap();
    server.store().coffer(["keys", "revoke", newest["_id"].as_str().unwrap()]).ok();
    let refused = echo(&other, &[]).failed();
    assert!(refused.contains("Invalid Credentials") && !refused.contains(&other.key), "{refused}");
    echo(&machine, &[]).ok();
}

#[test]
fn a_cache_is_private_and_shows_nothing() {
    let server = Server::start();
    let machine = warm(&server);
    let cache = machine.cache();
    let mode = |path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!((mode(&cache), mode(&machine.path("state/coffer"))), (0o600, 0o700));
    let bytes = fs::read(&cache).unwrap();
    let shows = |text: &str| bytes.windows(text.len()).any(|window| window == text.as_bytes());
    assert!(!shows(SECRET) && !shows("SECRET") && !shows(&machine.key) && !shows(&machine.url));
    let log = server.stderr();
    assert!(!log.contains(SECRET) && !log.contains(&machine.key), "{log}");
    let bare = Machine::of(&server);
    echo(&bare, &["--no-cache"]).ok();
    assert!(files(&bare.path("state/coffer")).is_empty());
}

#[test]
fn a_cache_that_was_changed_copied_or_kept_too_long_is_refused() {
    let server = Server::start();
    let machine = warm(&server);
    let kept = fs::read(machine.cache()).unwrap();
    for at in [0, 9, 12, 20, kept.len() / 2, kept.len() - 1] {
        let mut changed = kept.clone();
        changed[at] ^= 0x40;
        fs::write(machine.cache(), &changed).unwrap();
        let refused = echo(&machine, &["--offline"]).failed();
        assert!(refused.contains("it was changed") && !refused.contains(SECRET), "byte {at}: {refused}");
    }
    fs::write(machine.cache(), &kept[..30]).unwrap();
    echo(&machine, &["--offline"]).failed();
    fs::write(machine.cache(), &kept).unwrap();
    echo(&machine, &["--offline"]).ok();

    let key = server.store().create_key(&["--environment", "test", "--permissions", "read,reveal"]);
    let other = Machine::of(&server).with_key(key);
    echo(&other, &[]).ok();
    fs::write(other.cache(), &kept).unwrap();
    assert!(echo(&other, &["--offline"]).failed().contains("not of this server, credential and context"));

    std::thread::sleep(Duration::from_millis(2_100));
    let mut late = machine.command(["run", "--offline", "--", "true"]);
    let refused = finish(late.env("COFFER_CACHE_MAX_AGE", "1s")).failed();
    let mistaken =
        finish(machine.command(["run", "--", "true"]).env("COFFER_CACHE_MAX_AGE", "soon")).failed();
    assert!(mistaken.starts_with("error: COFFER_CACHE_MAX_AGE"), "{mistaken}");
    assert!(refused.contains("seconds old, the limit is 1 second"), "{refused}");
}

#[test]
fn caches_that_nobody_renews_are_deleted() {
    let server = Server::start();
    let machine = warm(&server);
    let state = machine.path("state/coffer");
    let aged = |name: &str, days: u64| {
        let path = state.join(name);
        let file = fs::File::create(&path).unwrap();
        file.set_modified(std::time::SystemTime::now() - Duration::from_hours(24 * days)).unwrap();
        path
    };
    let (gone, left) = (aged("of-a-token.cache", 31), aged("of-another.cache", 29));
    let (remnant, not_ours) = (aged("x.77.new", 31), aged("notes", 31));
    echo(&machine, &[]).ok();
    assert_eq!([&gone, &left, &remnant, &not_ours].map(|path| path.exists()), [false, true, false, true]);
    let mut patient = machine.command(["run", "--", "true"]);
    let long_kept = aged("of-a-patient-one.cache", 31);
    finish(patient.env("COFFER_CACHE_MAX_AGE", "60d")).ok();
    assert!(long_kept.exists());
    echo(&machine, &["--offline"]).ok();
}

/// Runs against somebody who is no coffer; what became of it, and how long it took.
fn against(answer: &'static [u8]) -> (Finished, Duration) {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            let _ = stream.read(&mut [0; 4096]);
            let _ = stream.write_all(answer);
            if answer.ends_with(b"{") {
                std::thread::sleep(Duration::from_secs(20));
            }
        }
    });
    let dir = tempfile::tempdir().unwrap();
    let mut command = crate::support::command();
    command.args(["run", "--", "true"]).env("COFFER_URL", format!("http://{address}"));
    command.env("COFFER_API_KEY", "tk_x").env("XDG_STATE_HOME", dir.path());
    let start = Instant::now();
    (finish(&mut command), start.elapsed())
}

#[test]
fn who_does_not_answer_is_told_from_who_answers_something_else() {
    for (answer, away) in [
        (&b""[..], true),
        (b"HTTP/1.1 502 Bad Gateway\r\ncontent-length: 2\r\n\r\nno", true),
        (b"HTTP/1.1 504 Gateway Timeout\r\ncontent-length: 0\r\n\r\n", true),
        (b"HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\n{\"var", true),
        (b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n{}", false),
        (b"HTTP/1.1 302 Found\r\nlocation: http://127.0.0.1:1/\r\ncontent-length: 0\r\n\r\n", false),
        (b"HTTP/1.1 500 Oh\r\ncontent-length: 0\r\n\r\n", false),
        (b"SSH-2.0-nobody\r\n\r\n", false),
    ] {
        let line = against(answer).0.failed();
        let said = if away { "there is no cache" } else { "something else than expected" };
        assert!(line.contains(said), "{}: {line}", answer.escape_ascii());
    }
}

#[test]
fn an_answer_that_stops_halfway_is_waited_for_five_seconds() {
    let (finished, waited) = against(b"HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\n{");
    assert!(finished.failed().contains("there is no cache"));
    assert!((Duration::from_secs(4)..Duration::from_secs(9)).contains(&waited), "{waited:?}");
}
