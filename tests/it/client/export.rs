//! `coffer export`: what is written, and what others read of it.

use std::collections::BTreeMap;
use std::process::{Command, Stdio};

use serde_json::{Value, json};

use super::{Machine, awkward, give_awkward};
use crate::support::{Server, finish};

/// The object that a program prints as JSON; none where the program, or what it needs, is not installed.
fn read_by(
    program: &str,
    args: &[&str],
    machine: &Machine,
    probe: &[&str],
) -> Option<BTreeMap<String, Value>> {
    let there = Command::new(program).args(probe).stdout(Stdio::null()).stderr(Stdio::null()).status();
    if !there.is_ok_and(|status| status.success()) {
        eprintln!("skipped: {program} {probe:?} does not work here");
        return None;
    }
    let mut command = Command::new(program);
    command.args(args).current_dir(machine.dir.path()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let finished = finish(&mut command);
    Some(serde_json::from_str(&finished.ok()).unwrap())
}

/// Whether a line of the file is written by its fourth rule, in double quotes with escapes.
fn is_escaped(dotenv: &str, name: &str) -> bool {
    dotenv.contains(&format!("{name}=\""))
}

#[test]
fn what_is_exported_is_imported_again_byte_for_byte() {
    let server = Server::start();
    let machine = Machine::of(&server);
    give_awkward(&machine);
    for format in ["dotenv", "json"] {
        let text = machine.coffer(["export", "--format", format]).ok();
        let imported = machine.fed(&text, ["import", "-", "--dry-run", "--json"]).json();
        assert_eq!(
            (&imported["changed"], imported["left"].as_array().unwrap().len()),
            (&json!([]), awkward().len())
        );
    }
}

#[test]
fn a_shell_reads_every_value() {
    let server = Server::start();
    let machine = Machine::of(&server);
    give_awkward(&machine);
    machine.file("variables.sh", &machine.coffer(["export", "--format", "shell"]).ok());
    for (name, value) in awkward() {
        let mut shell = Command::new("sh");
        shell.args(["-c", &format!(". ./variables.sh; printf '%s' \"${name}\"")]);
        shell.current_dir(machine.dir.path()).stdout(Stdio::piped()).stderr(Stdio::piped());
        assert_eq!(finish(&mut shell).ok(), value, "{name}");
    }
}

#[test]
fn node_reads_every_value_that_it_can_represent() {
    let server = Server::start();
    let machine = Machine::of(&server);
    give_awkward(&machine);
    let dotenv = machine.coffer(["export"]).ok();
    machine.file("variables.env", &dotenv);
    let args = ["--env-file=variables.env", "-e", "console.log(JSON.stringify(process.env))"];
    let Some(read) = read_by("node", &args, &machine, &["--env-file=/dev/null", "-e", ""]) else { return };
    let mut compared = 0;
    for (name, value) in awkward() {
        if !is_escaped(&dotenv, &name) {
            assert_eq!(read.get(&name), Some(&json!(value)), "{name}");
            compared += 1;
        }
    }
    assert!(compared >= 20, "most values are compared: {compared}");
}

#[test]
fn python_dotenv_reads_every_value_that_it_can_represent() {
    let server = Server::start();
    let machine = Machine::of(&server);
    give_awkward(&machine);
    let dotenv = machine.coffer(["export"]).ok();
    machine.file("variables.env", &dotenv);
    let program =
        "import dotenv,json; print(json.dumps(dotenv.dotenv_values('variables.env', interpolate=False)))";
    let Some(read) = read_by("python3", &["-c", program], &machine, &["-c", "import dotenv"]) else { return };
    for (name, value) in awkward() {
        if !(is_escaped(&dotenv, &name) && value.ends_with('\\')) {
            assert_eq!(read.get(&name), Some(&json!(value)), "{name}");
        }
    }
}

#[test]
fn yaml_and_json_are_one_object() {
    let server = Server::start();
    let machine = Machine::of(&server);
    give_awkward(&machine);
    let expected: BTreeMap<String, Value> =
        awkward().into_iter().map(|(name, value)| (name, json!(value))).collect();
    let read: BTreeMap<String, Value> =
        serde_json::from_str(&machine.coffer(["export", "--format", "json"]).ok()).unwrap();
    assert_eq!(read, expected);
    machine.file("variables.yaml", &machine.coffer(["export", "--format", "yaml"]).ok());
    let program =
        "import yaml,json; print(json.dumps(yaml.safe_load(open('variables.yaml', encoding='utf-8'))))";
    let Some(read) = read_by("python3", &["-c", program], &machine, &["-c", "import yaml"]) else { return };
    assert_eq!(read, expected);
}

#[test]
fn encrypted_variables_are_revealed_left_out_or_refused() {
    let server = Server::start();
    let machine = Machine::of(&server);
    machine.given(&[("PLAIN", "p"), ("with.dot", "d")]);
    machine.fed("SECRET=s", ["import", "-", "--scope", "workspace", "--create", "--encrypted"]).ok();
    for format in ["dotenv", "json", "yaml", "shell"] {
        let refused = machine.coffer(["export", "--format", format]).failed();
        assert!(refused.contains("SECRET") && refused.contains("--reveal"), "{refused}");
    }
    machine.coffer(["export", "--reveal", "--skip-encrypted"]).misused();
    machine.coffer(["export", "--format", "xml"]).misused();
    assert_eq!(machine.coffer(["export", "--reveal"]).ok(), "PLAIN=p\nSECRET=s\nwith_dot=d\n");
    assert_eq!(machine.coffer(["export", "--skip-encrypted"]).ok(), "PLAIN=p\nwith_dot=d\n");
    assert_eq!(
        machine.coffer(["export", "--scope", "org", "--format", "json"]).ok(),
        "{\"PLAIN\":\"p\",\"with.dot\":\"d\"}\n"
    );
    assert_eq!(machine.coffer(["export", "--scope", "workspace", "--skip-encrypted"]).ok(), "");
}

#[test]
fn names_that_become_one_are_refused_where_they_would() {
    let server = Server::start();
    let machine = Machine::of(&server);
    machine.given(&[("a.b", "1"), ("a-b", "2")]);
    for format in ["dotenv", "shell"] {
        let refused = machine.coffer(["export", "--format", format]).failed();
        assert!(refused.contains("`a-b` and `a.b`"), "{refused}");
    }
    for format in ["json", "yaml"] {
        machine.coffer(["export", "--format", format]).ok();
    }
}
