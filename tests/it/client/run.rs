//! `coffer run`: a program with the variables of a context in its environment.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::process::ExitStatusExt;
use std::process::Command;
use std::time::{Duration, Instant};

use serde_json::json;

use super::{Machine, awkward, give_awkward};
use crate::support::{Config, Server, eventually, finish};

/// The environment of `env`, run so.
fn environment(machine: &Machine, flags: &[&str]) -> BTreeMap<String, String> {
    let text = machine.coffer([&["run"], flags, &["--", "env", "-0"]].concat()).ok();
    let pairs = text.split_terminator('\0').map(|pair| pair.split_once('=').unwrap());
    pairs.map(|(name, value)| (name.to_owned(), value.to_owned())).collect()
}

#[test]
fn the_exit_code_is_the_programs_own() {
    let server = Server::start();
    let machine = Machine::of(&server);
    let code = |command: &[&str]| machine.coffer([&["run", "--"], command].concat()).code;
    assert_eq!(code(&["true"]), Some(0));
    assert_eq!(code(&["sh", "-c", "exit 3"]), Some(3));
    assert_eq!(code(&["no-such-program"]), Some(127));
    assert_eq!(code(&["./nothing"]), Some(127));
    machine.file("text", "not a program");
    assert_eq!(code(&["./text"]), Some(126));
    assert_eq!(code(&["/"]), Some(126));
    let mut ended = machine.command(["run", "--", "sh", "-c", "kill -TERM $$"]).spawn().unwrap();
    assert_eq!(ended.wait().unwrap().signal(), Some(15));
    let shell = r#""$0" run -- sh -c 'kill -TERM $$'; echo $?"#;
    let mut through_a_shell = machine.command(["run", "--", "sh", "-c", shell, env!("CARGO_BIN_EXE_coffer")]);
    // The program has no key of its own: the file's name is passed on, the key is not.
    let key = machine.file("key", &machine.key);
    let finished = finish(through_a_shell.env_remove("COFFER_API_KEY").env("COFFER_API_KEY_FILE", key));
    assert_eq!(finished.ok(), "143\n");
}

#[test]
fn signals_reach_the_program_once() {
    let server = Server::start();
    let machine = Machine::of(&server);
    let script = "for s in INT TERM WINCH; do trap \"echo $s >> got\" $s; done; trap 'exit 7' USR1; \
        : > ready; while :; do sleep 0.02; done";
    let mut child = machine.hearing_command(["run", "--", "sh", "-c", script]).spawn().unwrap();
    let patience = Duration::from_secs(20);
    eventually(patience, "the program runs", || machine.path("ready").exists().then_some(()));
    let got = || fs::read_to_string(machine.path("got")).unwrap_or_default();
    for (index, signal) in ["INT", "TERM", "WINCH"].into_iter().enumerate() {
        Command::new("kill").arg(format!("-{signal}")).arg(child.id().to_string()).status().unwrap();
        eventually(patience, signal, || (got().lines().count() > index).then_some(()));
    }
    Command::new("kill").arg("-USR1").arg(child.id().to_string()).status().unwrap();
    assert_eq!(child.wait().unwrap().code(), Some(7));
    assert_eq!(got(), "INT\nTERM\nWINCH\n");
}

#[test]
fn arguments_arrive_whole() {
    let server = Server::start();
    let machine = Machine::of(&server);
    let arguments = ["a b", "", "q\"'\\", "l1\nl2", "--only", "$HOME", "*", "grün"];
    let program = ["run", "--", "sh", "-c", "printf '<%s>' \"$@\"", "sh"];
    let printed = machine.coffer(program.iter().chain(&arguments)).ok();
    assert_eq!(printed, arguments.map(|argument| format!("<{argument}>")).concat());
}

#[test]
fn values_arrive_byte_for_byte() {
    let server = Server::start();
    let machine = Machine::of(&server);
    give_awkward(&machine);
    let found = environment(&machine, &[]);
    for (name, value) in awkward() {
        assert_eq!(found.get(&name), Some(&value), "{name}");
    }
}

#[test]
fn injected_variables_win_unless_told_otherwise() {
    let server = Server::start();
    let machine = Machine::of(&server);
    machine.given(&[("db.host-name", "ours"), ("FOREIGN", "ours"), ("OTHER", "ours")]);
    let foreign = |flags: &[&str]| {
        let args =
            [&["run"], flags, &["--", "sh", "-c", "echo $FOREIGN $db_host_name $OTHER $KEPT $TZ"]].concat();
        let mut command = machine.command(args);
        finish(command.env("FOREIGN", "theirs").env("KEPT", "theirs").env("TZ", "UTC")).ok()
    };
    assert_eq!(foreign(&[]), "ours ours ours theirs UTC\n");
    assert_eq!(foreign(&["--preserve-env"]), "theirs ours ours theirs UTC\n");
    assert_eq!(foreign(&["--pristine"]), "ours ours ours UTC\n");
    assert_eq!(foreign(&["--only", "FOREIGN,db_host_name"]), "ours ours theirs UTC\n");
    assert_eq!(foreign(&["--only", "db.host-name", "--pristine"]), "ours UTC\n");
    let refused = machine.coffer(["run", "--only", "OTTER", "--", "true"]).failed();
    assert!(refused.contains("`OTTER`"), "{refused}");
}

#[test]
fn what_decides_which_program_runs_is_not_injected() {
    const NAMES: [&str; 19] = [
        "PATH",
        "HOME",
        "SHELL",
        "USER",
        "IFS",
        "ENV",
        "BASH_ENV",
        "PYTHONPATH",
        "PERL5OPT",
        "NODE_OPTIONS",
        "RUBYOPT",
        "JAVA_TOOL_OPTIONS",
        "GIT_SSH_COMMAND",
        "LD_PRELOAD",
        "DYLD_INSERT_LIBRARIES",
        "LD.AUDIT",
        "PERL5LIB",
        "_JAVA_OPTIONS",
        "COFFER_URL",
    ];
    let server = Server::start();
    let machine = Machine::of(&server);
    machine.given(&NAMES.map(|name| (name, "/evil")));
    let finished = machine.coffer(["run", "--", "env"]);
    assert!(!finished.ok().contains("evil"), "{finished:?}");
    for name in NAMES {
        assert!(finished.stderr.contains(&name.replace('.', "_")), "{name}: {}", finished.stderr);
    }
    let found = environment(&machine, &["--allow", "BASH_ENV,LD_AUDIT"]);
    assert_eq!((&*found["BASH_ENV"], &*found["LD_AUDIT"]), ("/evil", "/evil"));
    assert_ne!(found["PATH"], "/evil");
}

#[test]
fn what_is_too_much_for_the_system_is_named() {
    let server = Server::start_with(&Config::new().set("limits", "max_value_bytes", "256000"));
    let machine = Machine::of(&server);
    machine.given(&[("LONG", &"x".repeat(140_000)), ("SHORT", "x")]);
    for flags in [&["run"][..], &["run", "--watch"]] {
        let refused = machine.coffer([flags, &["--", "true"]].concat());
        assert_eq!(refused.code, Some(126), "{}", refused.stderr);
        assert!(
            refused.stderr.contains("LONG alone 140000") && refused.stderr.contains("--only"),
            "{}",
            refused.stderr
        );
        machine.coffer([flags, &["--only", "SHORT", "--", "true"]].concat()).ok();
    }
}

#[test]
fn a_program_without_a_required_variable_does_not_start() {
    let server = Server::start();
    let machine = Machine::of(&server);
    server.test().define(&json!({ "name": "NEEDED", "scope": "workspace", "required": true }));
    server.test().define(&json!({ "name": "WANTED", "scope": "workspace" }));
    let refused = machine.coffer(["run", "--", "touch", "started"]).failed();
    assert!(refused.contains("NEEDED (workspace)") && !refused.contains("WANTED"), "{refused}");
    assert!(!machine.path("started").exists());
    machine.coffer(["set", "NEEDED=1"]).ok();
    machine.coffer(["run", "--", "touch", "started"]).ok();
    assert!(machine.path("started").exists());
}

#[test]
fn two_names_that_become_one_are_both_named() {
    let server = Server::start();
    let machine = Machine::of(&server);
    machine.given(&[("a.b", "1"), ("a-b", "2"), ("c", "3")]);
    let refused = machine.coffer(["run", "--", "true"]).failed();
    assert!(refused.contains("`a.b`") && refused.contains("`a-b`"), "{refused}");
    machine.coffer(["run", "--only", "c", "--", "true"]).ok();
}

#[test]
fn a_context_is_that_of_an_account_and_a_workflow() {
    let server = Server::start();
    let machine = Machine::of(&server);
    machine.given(&[("A", "org"), ("B", "org")]);
    machine
        .fed(
            "A=account",
            ["import", "-", "--scope", "linked_account", "--linked-account", "mark+x@acme.com", "--create"],
        )
        .ok();
    machine.fed("B=flow", ["import", "-", "--scope", "workflow", "--workflow", "w 1", "--create"]).ok();
    let run =
        |flags: &[&str]| machine.coffer([&["run"], flags, &["--", "sh", "-c", "echo $A $B"]].concat()).ok();
    assert_eq!(run(&[]), "org org\n");
    assert_eq!(run(&["--linked-account", "mark+x@acme.com"]), "account org\n");
    assert_eq!(run(&["--linked-account", "mark+x@acme.com", "--workflow", "w 1"]), "account flow\n");
    let other = Machine::of(&server).with_key(server.store().create_key(&[
        "--environment",
        "all",
        "--permissions",
        "read",
    ]));
    assert!(other.coffer(["run", "--", "true"]).failed().contains("environment"));
    other.coffer(["run", "--environment", "production", "--", "true"]).ok();
}

#[test]
fn nothing_but_the_variables_is_passed_on() {
    let server = Server::start();
    let machine = Machine::of(&server);
    machine.given(&[("SECRET_WORD", "s3cr3t-word")]);
    // Of `self` rather than of the shell, which blocks signals while it starts a program.
    let script = "umask; ulimit -Hc; ulimit -Sn; grep -E 'Sig(Blk|Ign)' /proc/self/status; \
        ls /proc/self/fd | wc -l; env; tr '\\0' ' ' < /proc/$$/cmdline";
    let under = |program: &str| {
        let mut shell = Command::new("sh");
        shell.args(["-c", &format!("umask 027; exec {program} sh -c \"$SCRIPT\"")]).env("SCRIPT", script);
        shell
            .env("COFFER_URL", &machine.url)
            .env("COFFER_API_KEY", &machine.key)
            .env("XDG_STATE_HOME", machine.path("state"));
        shell.stderr(std::process::Stdio::piped()).stdout(std::process::Stdio::piped());
        finish(&mut shell).ok()
    };
    let (with, without) = (under(&format!("{} run --", env!("CARGO_BIN_EXE_coffer"))), under(""));
    let limits = |text: &str| text.lines().take(6).map(str::to_owned).collect::<Vec<_>>();
    assert_eq!(limits(&with), limits(&without));
    assert!(
        with.contains("SECRET_WORD=s3cr3t-word") && !with.contains(&machine.key),
        "the key is not passed on"
    );
    let arguments = with.lines().last().unwrap();
    assert!(arguments.starts_with("sh -c") && !arguments.contains("s3cr3t"), "{arguments}");
}

#[test]
fn a_credential_that_may_not_reveal_is_told_so() {
    let server = Server::start();
    let machine = Machine::of(&server);
    machine.fed("SECRET=x", ["import", "-", "--scope", "org", "--create", "--encrypted"]).ok();
    let reader = Machine::of(&server).with_key(server.store().create_key(&[
        "--environment",
        "test",
        "--permissions",
        "read",
    ]));
    let refused = reader.coffer(["run", "--", "touch", "started"]).failed();
    assert!(refused.contains("`reveal`") && !reader.path("started").exists(), "{refused}");
}

#[test]
fn one_credential_from_the_environment_and_none_from_elsewhere() {
    let server = Server::start();
    let machine = Machine::of(&server);
    let run = ["run", "--", "true"];
    let none = finish(machine.command(run).env_remove("COFFER_API_KEY")).failed();
    assert!(none.contains("COFFER_API_KEY_FILE"), "{none}");
    let two = finish(machine.command(run).env("COFFER_TOKEN", "x")).failed();
    assert!(two.contains("COFFER_API_KEY and COFFER_TOKEN"), "{two}");
    machine.coffer(["run", "--api-key", "x", "--", "true"]).misused();
    let file = machine.file("key", &format!("{}\n", machine.key));
    finish(machine.command(run).env_remove("COFFER_API_KEY").env("COFFER_API_KEY_FILE", file)).ok();
    server.test().post("/linked-account", &json!({ "account_id": "a" })).send().ok();
    let issued = server.test().post("/session-token", &json!({ "linked_account_id": "a" })).send().ok();
    let token = issued["token"].as_str().unwrap();
    finish(machine.command(run).env_remove("COFFER_API_KEY").env("COFFER_TOKEN", token)).ok();
}

#[test]
fn what_makes_no_sense_is_a_usage_error() {
    let server = Server::start();
    let machine = Machine::of(&server);
    for args in [
        &["run"][..],
        &["run", "--"],
        &["run", "true"],
        &["run", "--offline", "--no-cache", "--", "true"],
        &["--listen", "127.0.0.1:0", "run", "--", "true"],
    ] {
        machine.coffer(args).misused();
    }
}

/// Under 30 ms at the median in a release build, which `cargo bench` measures; this build is slower, and not alone.
#[test]
fn a_program_starts_soon() {
    let server = Server::start();
    let machine = Machine::of(&server);
    machine.given(&[("A", "1")]);
    let median = |mut run: Box<dyn FnMut()>| {
        let mut times: Vec<Duration> = (0..15)
            .map(|_| {
                let start = Instant::now();
                run();
                start.elapsed()
            })
            .collect();
        times.sort();
        times[7]
    };
    let bare = median(Box::new(|| assert!(Command::new("true").status().unwrap().success())));
    let with =
        median(Box::new(|| assert!(machine.command(["run", "--", "true"]).status().unwrap().success())));
    assert!(with < bare + Duration::from_millis(300), "{with:?} against {bare:?}");
}
