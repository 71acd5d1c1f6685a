//! What the process is to the system it runs on: no core dumps, locked keys, and files left for the store.

use std::process::{Command, Stdio};
use std::sync::Arc;

use crate::support::{Connection, Server, Store};

/// A server under the shell's limits that `ulimit` sets.
fn serve_under(store: &Arc<Store>, ulimit: &str) -> Server {
    let serve = store.command(["serve"]);
    let mut command = Command::new("sh");
    // The shell's limit goes on to what it runs in its place.
    command.arg("-c").arg(format!("ulimit {ulimit}; exec \"$0\" \"$@\""));
    command.arg(serve.get_program()).args(serve.get_args());
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    Server::spawn(store, command)
}

fn proc_file(pid: u32, name: &str) -> String {
    std::fs::read_to_string(format!("/proc/{pid}/{name}")).unwrap()
}

/// The soft and the hard limit of that name.
fn limits(pid: u32, name: &str) -> (String, String) {
    let text = proc_file(pid, "limits");
    let line = text.lines().find_map(|line| line.strip_prefix(name)).unwrap_or_else(|| panic!("{text}"));
    let mut words = line.split_whitespace().map(str::to_owned);
    (words.next().unwrap(), words.next().unwrap())
}

#[test]
fn a_server_dumps_no_core() {
    let store = Store::new();
    let server = serve_under(&store, "-S -c unlimited 2>/dev/null");
    assert_eq!(limits(server.pid(), "Max core file size"), ("0".into(), "0".into()));
}

#[test]
fn keys_are_locked_in_memory_where_the_system_allows() {
    let locked = |server: &Server| -> u64 {
        let status = proc_file(server.pid(), "status");
        let line = status.lines().find_map(|line| line.strip_prefix("VmLck:")).unwrap();
        line.trim().trim_end_matches(" kB").parse().unwrap()
    };
    let server = Server::start();
    let allowed = limits(server.pid(), "Max locked memory").0;
    if allowed.parse::<u64>().is_ok_and(|bytes| bytes < 64 << 10) {
        assert!(server.stderr().contains("memory cannot be locked"), "{}", server.stderr());
    } else {
        assert!(locked(&server) > 0);
        assert!(!server.stderr().contains("memory cannot be locked"), "{}", server.stderr());
    }
    let definition = server.test().define_encrypted("SECRET", "org");
    server.test().set(&definition, "hidden");
}

#[test]
fn a_server_may_open_as_many_files_as_its_hard_limit_says() {
    let store = Store::new();
    let server = serve_under(&store, "-S -n 256");
    let (soft, hard) = limits(server.pid(), "Max open files");
    assert_eq!(soft, hard);
    assert_ne!(soft, "256");
}

#[test]
fn clients_that_hold_every_connection_leave_files_for_the_store_and_its_operator() {
    let store = Store::new();
    let server = serve_under(&store, "-n 160");
    assert!(server.stderr().contains("160 files only"), "{}", server.stderr());
    let client = server.test();
    let definitions: Vec<_> =
        (0..8).map(|number| client.define_string(&format!("V{number}"), "org")).collect();
    let mut writer = Connection::open(server.address()).unwrap();
    let request = |number: usize| client.setting(&definitions[number % 8], &"v".repeat(65_000));
    writer.exchange(&request(0)).unwrap().ok();
    let idle: Vec<_> = (0..400).filter_map(|_| Connection::open(server.address()).ok()).collect();
    assert!(idle.len() > 160);
    // More than a segment of the journal, so that the next one has to be placed meanwhile.
    for number in 0..300 {
        writer.exchange(&request(number)).unwrap().ok();
    }
    store.coffer(["keys", "create", "--environment", "test"]).ok();
    let ready = client.at("GET", "/readyz");
    assert_eq!(writer.exchange(&ready).unwrap().status, 200);
    drop(idle);
    assert_eq!(ready.send().status, 200, "and others have their turn again");
    let log = server.stderr();
    assert!(!log.contains("Too many open files") && !log.contains("os error 24"), "{log}");
}
