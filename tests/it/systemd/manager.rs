//! What the manager is told: ready, reloading, alive, stopping.

use std::os::linux::net::SocketAddrExt;
use std::os::unix::net::{SocketAddr, UnixDatagram};
use std::process::Command;
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::logged;
use crate::support::{Server, Store, interpose};

/// A manager that listens.
struct Manager(UnixDatagram);

impl Manager {
    fn listening_at(store: &Store) -> (Manager, Command) {
        let path = store.root().join("notify");
        let manager = Manager::new(UnixDatagram::bind(&path).unwrap());
        let mut command = store.command(["serve"]);
        command.env("NOTIFY_SOCKET", &path);
        (manager, command)
    }

    fn new(socket: UnixDatagram) -> Manager {
        socket.set_read_timeout(Some(Duration::from_secs(30))).unwrap();
        Manager(socket)
    }

    /// What it is told next.
    fn heard(&self) -> String {
        let mut bytes = [0; 4096];
        let len = self.0.recv(&mut bytes).expect("it is told something");
        String::from_utf8(bytes[..len].to_vec()).unwrap()
    }

    /// The next that is not a sign of life.
    fn news(&self) -> String {
        std::iter::repeat_with(|| self.heard()).find(|told| told != "WATCHDOG=1").unwrap()
    }
}

fn lines(text: &str) -> Vec<&str> {
    text.lines().collect()
}

#[test]
fn the_manager_hears_how_the_server_comes_and_goes() {
    let store = Store::new();
    let (manager, command) = Manager::listening_at(&store);
    let server = Server::spawn(&store, command);
    assert_eq!(manager.news(), "STATUS=opening the store");
    let serving = format!("STATUS=serving http://{}", server.address());
    assert_eq!(lines(&manager.news()), ["READY=1", &serving]);
    // The moment at which it is ready is one at which it answers.
    server.test().get("/env/definitions").send().ok();

    let before = uptime();
    server.signal("HUP");
    let told = manager.news();
    let [reloading, at, _] = lines(&told)[..] else { panic!("{told}") };
    assert_eq!(reloading, "RELOADING=1");
    let at: u64 = at.strip_prefix("MONOTONIC_USEC=").unwrap().parse().unwrap();
    assert!(before <= at && at <= uptime(), "{before} {at}");
    assert_eq!(lines(&manager.news()), ["READY=1", &serving]);

    server.signal("TERM");
    assert_eq!(lines(&manager.news())[0], "STOPPING=1");
    let ended = server.ended();
    assert!(ended.code == Some(0) && !ended.stderr.contains("does not answer"), "{ended:?}");
}

/// The clock of the system's start, in microseconds.
fn uptime() -> u64 {
    let now = nix::time::clock_gettime(nix::time::ClockId::CLOCK_MONOTONIC).unwrap();
    u64::try_from(Duration::from(now).as_micros()).unwrap()
}

#[test]
fn an_abstract_socket_is_as_good() {
    let store = Store::new();
    let name = format!("coffer-test-{}", std::process::id());
    let address = SocketAddr::from_abstract_name(&name).unwrap();
    let manager = Manager::new(UnixDatagram::bind_addr(&address).unwrap());
    let mut command = store.command(["serve"]);
    command.env("NOTIFY_SOCKET", format!("@{name}"));
    let server = Server::spawn(&store, command);
    manager.news();
    assert_eq!(lines(&manager.news())[0], "READY=1");
    server.stop();
}

#[test]
fn a_server_that_cannot_serve_never_says_that_it_is_ready() {
    let store = Store::new();
    std::fs::write(store.data().join("keyring"), "nothing").unwrap();
    let (manager, mut command) = Manager::listening_at(&store);
    crate::support::finish(&mut command).failed();
    manager.0.set_nonblocking(true).unwrap();
    assert_eq!(manager.heard(), "STATUS=opening the store");
    assert!(manager.0.recv(&mut [0; 16]).is_err());
}

#[test]
fn a_manager_that_is_gone_holds_up_nobody() {
    let store = Store::new();
    for name in ["/nowhere/notify", "vsock:2:1234", "notify"] {
        let mut command = store.command(["serve"]);
        command.env("NOTIFY_SOCKET", name).env("WATCHDOG_USEC", "1");
        let server = Server::spawn(&store, command);
        server.test().get("/env/definitions").send().ok();
        logged(&server, "the service manager");
        std::thread::sleep(Duration::from_millis(300));
        let said = server.stderr().matches("the service manager").count();
        assert_eq!(said, 1, "as often as it stops to hear: {}", server.stderr());
        server.stop();
    }
}

/// A server whose manager wants a sign of life within 600 ms.
fn watched() -> (Arc<Store>, Manager, Server) {
    let store = Store::new();
    let (manager, mut command) = Manager::listening_at(&store);
    command.env("WATCHDOG_USEC", "600000");
    let server = Server::spawn(&store, command);
    (store, manager, server)
}

#[test]
fn a_watchdog_hears_of_a_server_that_answers_and_not_of_one_that_stands_still() {
    let (_store, manager, server) = watched();
    while manager.heard() != "WATCHDOG=1" {}
    let begun = Instant::now();
    for _ in 0..10 {
        assert_eq!(manager.heard(), "WATCHDOG=1");
    }
    // Often enough, and not more than thrice as often as is asked.
    assert!(begun.elapsed() >= Duration::from_millis(1_500), "{:?}", begun.elapsed());

    server.signal("STOP");
    std::thread::sleep(Duration::from_millis(300));
    manager.0.set_nonblocking(true).unwrap();
    while manager.0.recv(&mut [0; 16]).is_ok() {}
    std::thread::sleep(Duration::from_millis(900));
    assert!(manager.0.recv(&mut [0; 16]).is_err());
    manager.0.set_nonblocking(false).unwrap();
    server.signal("CONT");
    assert_eq!(manager.heard(), "WATCHDOG=1");
    server.stop();
}

#[test]
fn a_store_that_takes_no_writes_is_told_and_is_no_reason_to_be_started_anew() {
    let store = Store::new();
    let (manager, mut command) = Manager::listening_at(&store);
    command.env("WATCHDOG_USEC", "600000");
    let (command, control) = interpose::prepare(command);
    let server = Server::spawn(&store, command);
    let definition = server.test().define_string("PLAIN", "org");
    manager.news();
    assert_eq!(lines(&manager.news())[0], "READY=1");
    control.turn_on("fail-sync", "5");
    assert_eq!(server.test().setting(&definition, "lost").send().status, 503);
    assert!(manager.news().ends_with("but not as it should: see /readyz and the log"));
    for _ in 0..5 {
        assert_eq!(manager.heard(), "WATCHDOG=1");
    }
    server.test().get("/env/definitions").send().ok();
    server.signal("HUP");
    assert!(manager.news().starts_with("RELOADING=1"));
    assert!(manager.news().ends_with("but not as it should: see /readyz and the log"));
}

#[test]
fn without_a_watchdog_there_are_no_signs_of_life_for_one_of_another_process() {
    let store = Store::new();
    let (manager, mut command) = Manager::listening_at(&store);
    command.env("WATCHDOG_USEC", "300000").env("WATCHDOG_PID", "1");
    let server = Server::spawn(&store, command);
    manager.news();
    manager.news();
    std::thread::sleep(Duration::from_secs(1));
    server.signal("TERM");
    let told: Vec<String> = std::iter::repeat_with(|| manager.heard())
        .take_while(|told| !told.starts_with("STOPPING=1"))
        .collect();
    assert!(told.is_empty(), "{told:?}");
    server.ended();
}
