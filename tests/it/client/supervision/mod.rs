//! `coffer run --watch`: a program that is started anew when its variables change.

mod signals;

use std::fs;
use std::net::SocketAddr;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use serde_json::json;

use super::{Machine, give_awkward};
use crate::support::{Server, Store, eventually};

const PATIENCE: Duration = Duration::from_secs(20);
/// Long enough for a change to be noticed, had it counted.
const A_WHILE: Duration = Duration::from_secs(2);

/// A program under `coffer run --watch`; killed when dropped, with its parent.
struct Watched<'m> {
    machine: &'m Machine,
    coffer: Child,
}

impl<'m> Watched<'m> {
    /// Runs a script that notes what it is started with, and then goes on.
    fn start(machine: &'m Machine, flags: &[&str], script: &str) -> Watched<'m> {
        let script = format!(
            "echo $$ > pid; {script}\necho \"V=$V\" >> starts; while :; do sleep 0.02 & wait $!; done"
        );
        let args = [&["run", "--watch"], flags, &["--", "sh", "-c", &script]].concat();
        let log = fs::File::create(machine.path("stderr")).unwrap();
        let coffer = machine.hearing_command(args).stderr(log).stdout(Stdio::null()).spawn().unwrap();
        let watched = Watched { machine, coffer };
        watched.starts(1);
        watched
    }

    fn read(&self, name: &str) -> String {
        fs::read_to_string(self.machine.path(name)).unwrap_or_default()
    }

    /// What the program was started with each time, once that was `count` times.
    #[track_caller]
    fn starts(&self, count: usize) -> Vec<String> {
        let found = || {
            let lines: Vec<String> = self.read("starts").lines().map(str::to_owned).collect();
            (lines.len() >= count).then_some(lines)
        };
        let found = eventually(PATIENCE, &format!("{count} starts: {}", self.read("stderr")), found);
        assert_eq!(found.len(), count, "{found:?} {}", self.read("stderr"));
        found
    }

    #[track_caller]
    fn says(&self, what: &str) {
        let said = || self.read("stderr").contains(what).then_some(());
        eventually(PATIENCE, &format!("`{what}` is said"), said);
    }

    fn signal(&self, signal: &str) {
        send(signal, &self.coffer.id().to_string());
    }

    /// How the whole ended.
    fn ended(&mut self) -> Option<i32> {
        let coffer = &mut self.coffer;
        eventually(PATIENCE, "it ends", || coffer.try_wait().unwrap()).code()
    }
}

impl Drop for Watched<'_> {
    fn drop(&mut self) {
        // First, so that nothing is started any more.
        let _ = self.coffer.kill();
        let _ = self.coffer.wait();
        send("KILL", self.read("pid").trim());
    }
}

fn send(signal: &str, pid: &str) {
    let _ = Command::new("kill").args([&format!("-{signal}"), pid]).stderr(Stdio::null()).status();
}

/// Waits until the follower is most likely connected: a change from then on is an event, one from before is found
/// when it connects.
fn connected() {
    std::thread::sleep(Duration::from_secs(1));
}

/// The store served at a certain address, as soon as that is free.
fn serve_at(store: &Arc<Store>, address: SocketAddr) -> Server {
    let address = address.to_string();
    let served = || Server::try_spawn(store, store.command(["serve", "--listen", &address])).ok();
    eventually(PATIENCE, "the address is free", served)
}

#[test]
fn a_change_starts_the_program_anew_and_what_is_none_of_its_does_not() {
    let server = Server::start();
    let machine = Machine::of(&server);
    machine.given(&[("V", "one"), ("OTHER", "1")]);
    let import = |text: &str, args: &[&str]| {
        machine.fed(text, [&["import", "-", "--create"], args].concat()).ok();
    };
    import("V=mark's", &["--scope", "linked_account", "--linked-account", "eve"]);
    let api = server.test();
    let watched = Watched::start(&machine, &["--linked-account", "mark", "--only", "V"], "");
    connected();

    // Another account, another environment, another workflow, another variable, and the same value again.
    import("V=eve's", &["--scope", "linked_account", "--linked-account", "eve"]);
    import("V=flow's", &["--scope", "workflow", "--workflow", "w"]);
    let production = Machine::of(&server).with_key(server.store().production_key.clone());
    production.coffer(["set", "V=production's", "--scope", "org"]).ok();
    machine.coffer(["set", "OTHER=2"]).ok();
    machine.coffer(["set", "V=one", "--scope", "org"]).ok();
    api.define(&json!({ "name": "NEW", "scope": "org" }));
    std::thread::sleep(A_WHILE);
    assert_eq!(watched.starts(1), ["V=one"]);

    machine.coffer(["set", "V=two", "--scope", "org"]).ok();
    assert_eq!(watched.starts(2)[1], "V=two");
    import("V=mark's", &["--scope", "linked_account", "--linked-account", "mark"]);
    assert_eq!(watched.starts(3)[2], "V=mark's");
    machine.coffer(["unset", "V", "--scope", "linked_account", "--linked-account", "mark"]).ok();
    assert_eq!(watched.starts(4)[3], "V=two");
    // The account of the context goes, and with it nothing that counts.
    api.delete("/linked-account/eve").send().ok();

    // A burst is one change.
    for value in ["a", "b", "c", "d", "e"] {
        machine.coffer(["set", &format!("V={value}"), "--scope", "org"]).ok();
    }
    assert_eq!(watched.starts(5)[4], "V=e");
    std::thread::sleep(A_WHILE);
    watched.starts(5);
    let cmdline = fs::read(format!("/proc/{}/cmdline", watched.coffer.id())).unwrap();
    assert!(!String::from_utf8_lossy(&cmdline).contains(&machine.key));
}

#[test]
fn the_exit_code_is_the_programs_own_also_where_it_is_watched() {
    let server = Server::start();
    let machine = Machine::of(&server);
    let code = |command: &[&str]| machine.coffer([&["run", "--watch", "--"], command].concat()).code;
    assert_eq!(code(&["true"]), Some(0));
    assert_eq!(code(&["sh", "-c", "exit 3"]), Some(3));
    assert_eq!(code(&["sh", "-c", "kill -TERM $$"]), Some(128 + 15));
    assert_eq!(code(&["sh", "-c", "kill -KILL $$"]), Some(128 + 9));
    assert_eq!(code(&["no-such-program"]), Some(127));
    assert_eq!(code(&["./nothing"]), Some(127));
    assert_eq!(code(&[""]), Some(127));
    machine.file("text", "exit 4");
    assert_eq!(code(&["./text"]), Some(126));
    assert_eq!(code(&["/"]), Some(126));
    // A script that names no interpreter is the shell's, as it is for a shell.
    Command::new("chmod").args(["+x"]).arg(machine.path("text")).status().unwrap();
    assert_eq!(code(&["./text"]), Some(4));
    assert_eq!(machine.coffer(["run", "--", "./text"]).code, Some(4));
    let printed = machine.coffer(["run", "--watch", "--", "printf", "<%s>", "a b", "", "q\"'\\", "l1\nl2"]);
    assert_eq!(printed.ok(), "<a b><><q\"'\\><l1\nl2>");
}

#[test]
fn a_watched_program_is_given_what_another_is() {
    let server = Server::start();
    let machine = Machine::of(&server);
    give_awkward(&machine);
    machine.given(&[("LD_PRELOAD", "/evil"), ("PATH", "/evil")]);
    let script =
        "umask; ulimit -Sn; grep -E 'Sig(Blk|Ign)' /proc/self/status; ls /proc/self/fd | wc -l; env -0";
    let run = |flags: &[&str]| machine.coffer([&["run"], flags, &["--", "sh", "-c", script]].concat());
    let (with, without) = (run(&["--watch"]), run(&[]));
    for (one, other) in with.ok().split('\0').zip(without.ok().split('\0')) {
        assert_eq!(one.get(..300), other.get(..300));
        assert!(one == other);
    }
    assert!(!with.stdout.contains("evil") && with.stderr.contains("LD_PRELOAD"), "{}", with.stderr);
    assert!(!with.stdout.contains(&machine.key));
    let allowed = machine.coffer(["run", "--watch", "--allow", "PATH", "--", "env"]);
    assert_eq!(allowed.code, Some(127), "it is looked for where its own PATH says");
}

#[test]
fn a_program_that_will_not_end_is_killed_when_its_time_is_over() {
    let server = Server::start();
    let machine = Machine::of(&server);
    machine.given(&[("V", "one")]);
    let watched = Watched::start(&machine, &["--stop-timeout", "2s"], "trap 'echo asked >> asked' TERM");
    connected();
    let begun = Instant::now();
    machine.coffer(["set", "V=two"]).ok();
    assert_eq!(watched.starts(2)[1], "V=two");
    let took = begun.elapsed();
    assert!((Duration::from_secs(2)..Duration::from_secs(8)).contains(&took), "{took:?}");
    assert_eq!(watched.read("asked"), "asked\n");
    watched.says("is killed");
    // The program that ends as it was asked to is not killed.
    let help = machine.coffer(["run", "--help"]).ok();
    assert!(help.contains("[default: 10s]"), "{help}");
}

#[test]
fn a_program_that_is_asked_to_end_while_it_is_stopped_does_not_come_back() {
    let server = Server::start();
    let machine = Machine::of(&server);
    machine.given(&[("V", "one")]);
    let mut watched = Watched::start(&machine, &["--stop-timeout", "3s"], "trap 'echo asked >> asked' TERM");
    connected();
    machine.coffer(["set", "V=two"]).ok();
    watched.says("started anew");
    watched.signal("TERM");
    assert_eq!(watched.ended(), Some(128 + 9));
    watched.starts(1);
}

#[test]
fn a_program_outlives_its_server_and_sees_what_changed_meanwhile() {
    let server = Server::start();
    let machine = Machine::of(&server);
    machine.given(&[("V", "one")]);
    let watched = Watched::start(&machine, &[], "");
    connected();
    let address = server.address();
    let store = server.stop();
    watched.says("does not answer");
    std::thread::sleep(A_WHILE);
    // The same address again, with nothing changed: nothing happens.
    let server = serve_at(&store, address);
    watched.says("answers again");
    std::thread::sleep(A_WHILE);
    watched.starts(1);
    let said = watched.read("stderr");
    assert_eq!(said.matches("does not answer").count(), 1, "{said}");

    // Changed while nobody could tell.
    let store = server.kill();
    let elsewhere = store.serve();
    let other = Machine::of(&elsewhere);
    other.coffer(["set", "V=two"]).ok();
    let store = elsewhere.stop();
    let server = serve_at(&store, address);
    assert_eq!(watched.starts(2)[1], "V=two");
    machine.coffer(["set", "V=three"]).ok();
    assert_eq!(watched.starts(3)[2], "V=three");
    drop(server);
}

#[test]
fn a_program_started_from_the_cache_is_brought_up_to_date() {
    let server = Server::start();
    let machine = Machine::of(&server);
    machine.given(&[("V", "one")]);
    machine.coffer(["run", "--", "true"]).ok();
    let address = server.address();
    let store = server.stop();
    let watched = Watched::start(&machine, &[], "");
    assert_eq!(watched.starts(1), ["V=one"]);
    watched.says("does not answer");
    let _server = serve_at(&store, address);
    machine.coffer(["set", "V=two"]).ok();
    assert_eq!(watched.starts(2)[1], "V=two");
}

#[test]
fn variables_that_no_program_should_start_with_leave_the_running_one_alone() {
    let server = Server::start();
    let machine = Machine::of(&server);
    let api = server.test();
    api.define(&json!({ "name": "NEEDED", "scope": "org", "required": true }));
    machine.coffer(["set", "NEEDED=1"]).ok();
    machine.given(&[("V", "one")]);
    let watched = Watched::start(&machine, &[], "");
    connected();
    machine.coffer(["unset", "NEEDED"]).ok();
    watched.says("goes on with the variables that it has: required, and without a value here: NEEDED (org)");
    machine.coffer(["set", "NEEDED=1"]).ok();
    machine.given(&[("a.b", "1"), ("a-b", "1")]);
    watched.says("`a-b` and `a.b`");
    machine.coffer(["unset", "a.b"]).ok();
    assert_eq!(watched.starts(2)[1], "V=one");
}

#[test]
fn a_key_that_is_revoked_stops_no_program() {
    let server = Server::start();
    let machine = Machine::of(&server);
    machine.given(&[("V", "one")]);
    let made = server.store().coffer(["keys", "create", "--environment", "test", "--json"]).json();
    let reader = Machine::of(&server).with_key(made["key"].as_str().unwrap().into());
    let mut watched = Watched::start(&reader, &[], "");
    connected();
    server.store().coffer(["keys", "revoke", made["_id"].as_str().unwrap()]).ok();
    watched.says("refuses the credential");
    machine.coffer(["set", "V=two"]).ok();
    std::thread::sleep(A_WHILE);
    assert_eq!(watched.starts(1), ["V=one"]);
    let said = watched.read("stderr");
    assert!(!said.contains(&reader.key), "{said}");
    watched.signal("TERM");
    assert_eq!(watched.ended().map(i64::from), Some(143));
}

#[test]
fn a_new_key_in_the_file_counts_from_the_next_connection_on() {
    let server = Server::start();
    let machine = Machine::of(&server);
    machine.given(&[("V", "one")]);
    let create = ["keys", "create", "--environment", "test", "--json"];
    let old = server.store().coffer(create).json();
    let reader = Machine::of(&server).with_key(old["key"].as_str().unwrap().into()).with_key_file();
    let watched = Watched::start(&reader, &[], "");
    connected();
    let new = server.store().coffer(create).json();
    reader.file("key", new["key"].as_str().unwrap());
    let address = server.address();
    let store = server.stop();
    store.coffer(["keys", "revoke", old["_id"].as_str().unwrap()]).ok();
    let _server = serve_at(&store, address);
    machine.coffer(["set", "V=two"]).ok();
    assert_eq!(watched.starts(2)[1], "V=two");
    assert!(!watched.read("stderr").contains("refuses"), "{}", watched.read("stderr"));
}

#[test]
fn a_watch_that_makes_no_sense_is_a_usage_error() {
    let server = Server::start();
    let machine = Machine::of(&server);
    for args in [
        &["run", "--watch", "--offline", "--", "true"][..],
        &["run", "--stop-timeout", "1s", "--", "true"],
        &["run", "--watch", "--stop-timeout", "soon", "--", "true"],
    ] {
        machine.coffer(args).misused();
    }
}
