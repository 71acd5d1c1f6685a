//! `coffer get`, `set`, `unset`, `ls`, `check`.

use serde_json::json;

use super::{Machine, awkward};
use crate::support::{Server, check_id, finish};

#[test]
fn a_value_is_set_shown_and_deleted() {
    let server = Server::start();
    let machine = Machine::of(&server);
    server.test().define_string("PLAIN", "org");
    assert_eq!(machine.coffer(["set", "PLAIN=a=b c"]).ok(), "PLAIN is set, version 1\n");
    assert_eq!(machine.coffer(["get", "PLAIN"]).ok(), "a=b c\n");
    let set = machine.coffer(["set", "PLAIN=second", "--json"]).json();
    check_id(&set["_id"]);
    assert_eq!((&set["version"], set.get("value")), (&json!(2), None));
    let got = machine.coffer(["get", "PLAIN", "--json"]).json();
    assert_eq!(
        (&got["value"], &got["encrypted"], &got["scope"]),
        (&json!("second"), &json!(false), &json!("org"))
    );
    assert_eq!(machine.coffer(["unset", "PLAIN"]).ok(), "PLAIN is unset\n");
    assert!(machine.coffer(["unset", "PLAIN"]).failed().contains("no value"));
    assert!(machine.coffer(["get", "PLAIN"]).failed().contains("RESOURCE_NOT_FOUND"));
    assert!(machine.coffer(["set", "OTHER=1"]).failed().contains("there is no variable `OTHER`"));
}

#[test]
fn an_encrypted_value_is_shown_only_when_asked_for() {
    let server = Server::start();
    let machine = Machine::of(&server);
    server.test().define_encrypted("SECRET", "org");
    machine.coffer(["set", "SECRET=s3cr3t"]).ok();
    let hidden = machine.coffer(["get", "SECRET"]);
    assert_eq!(hidden.ok(), "[REDACTED]\n");
    assert!(hidden.stderr.contains("--reveal"), "{hidden:?}");
    assert_eq!(machine.coffer(["get", "SECRET", "--reveal"]).ok(), "s3cr3t\n");
}

#[test]
fn files_and_standard_input_are_taken_byte_for_byte() {
    let server = Server::start();
    let machine = Machine::of(&server);
    server.test().define_string("V", "org");
    for (_, value) in awkward() {
        let value = value.as_str();
        machine.fed(value, ["set", "V=-"]).ok();
        assert_eq!(machine.coffer(["get", "V", "--json"]).json()["value"], value);
        machine.file("value", value);
        machine.coffer(["set", "V=@value"]).ok();
        assert_eq!(machine.coffer(["get", "V"]).ok(), format!("{value}\n"));
    }
    std::fs::write(machine.path("binary"), [0xff, 0xfe]).unwrap();
    assert!(machine.coffer(["set", "V=@binary"]).failed().contains("UTF-8"));
    assert!(machine.coffer(["set", "V=@nowhere"]).failed().contains("nowhere"));
}

#[test]
fn a_name_in_several_scopes_needs_one() {
    let server = Server::start();
    let machine = Machine::of(&server);
    server.test().define_string("TWICE", "org");
    server.test().define_string("TWICE", "linked_account");
    for args in [&["get", "TWICE"][..], &["set", "TWICE=1"], &["unset", "TWICE"]] {
        let said = machine.coffer(args).misused();
        assert!(said.contains("linked_account or org"), "{said}");
    }
    let account = ["--scope", "linked_account", "--linked-account", "a b"];
    machine.coffer([&["set", "TWICE=theirs"][..], &account].concat()).ok();
    machine.coffer(["set", "TWICE=ours", "--scope", "org"]).ok();
    assert_eq!(machine.coffer([&["get", "TWICE"][..], &account].concat()).ok(), "theirs\n");
    assert_eq!(machine.coffer(["get", "TWICE", "--scope", "org"]).ok(), "ours\n");
    machine.coffer([&["unset", "TWICE"][..], &account].concat()).ok();
    assert_eq!(machine.coffer(["get", "TWICE", "--scope", "org"]).ok(), "ours\n");
    assert!(
        machine.coffer(["get", "TWICE", "--scope", "workflow"]).failed().contains("in the scope workflow")
    );
}

#[test]
fn whose_value_is_meant_has_to_be_said() {
    let server = Server::start();
    let machine = Machine::of(&server);
    server.test().define_string("OF_ACCOUNTS", "linked_account");
    server.test().define_string("OF_WORKFLOWS", "workflow");
    for (name, flag) in [("OF_ACCOUNTS", "--linked-account"), ("OF_WORKFLOWS", "--workflow")] {
        for args in [&["get", name][..], &["set", &format!("{name}=1")], &["unset", name]] {
            let said = machine.coffer(args).misused();
            assert!(said.contains(&format!("`{name}`")) && said.contains(&format!("say {flag}")), "{said}");
        }
        // As where a script's own variable is empty.
        machine.coffer(["ls", flag, ""]).misused();
        machine.coffer(["run", flag, "", "--", "true"]).misused();
    }
    machine.coffer(["ls", "--environment", ""]).misused();
}

#[test]
fn the_address_of_the_api_is_that_of_its_server() {
    let server = Server::start();
    let mut machine = Machine::of(&server);
    machine.given(&[("A", "1")]);
    machine.url.push_str("/api/v2/public");
    assert_eq!(machine.coffer(["get", "A"]).ok(), "1\n");
}

#[test]
fn a_context_is_listed_and_checked() {
    let server = Server::start();
    let machine = Machine::of(&server);
    machine.coffer(["check"]).ok();
    server.test().define(&json!({ "name": "NEEDED", "scope": "workspace", "required": true }));
    server.test().define_string("WANTED", "org");
    server.test().define_encrypted("SECRET", "org");
    machine.coffer(["set", "SECRET=s3cr3t"]).ok();
    let listed = "NAME    SCOPE      VALUE              VERSION\n\
        NEEDED  workspace  missing, required  -\n\
        SECRET  org        encrypted          1\n\
        WANTED  org        missing            -\n";
    assert_eq!(machine.coffer(["ls"]).ok(), listed);
    let rows = machine.coffer(["ls", "--json", "--scope", "org"]).json();
    assert_eq!(
        rows,
        json!([
            { "name": "SECRET", "scope": "org", "encrypted": true, "version": 1 },
            { "name": "WANTED", "scope": "org", "encrypted": null, "version": null, "required": false },
        ])
    );
    assert!(machine.coffer(["check"]).failed().contains("NEEDED (workspace)"));
    let checked = machine.coffer(["check", "--json"]);
    assert_eq!(
        (checked.code, &*checked.stdout),
        (Some(1), "{\"missing\":[{\"name\":\"NEEDED\",\"scope\":\"workspace\"}]}\n")
    );
    machine.coffer(["set", "NEEDED=1"]).ok();
    assert_eq!(machine.coffer(["check"]).ok(), "");
}

#[test]
fn no_complaint_repeats_a_value_or_a_key() {
    let server = Server::start();
    let machine = Machine::of(&server);
    server.test().define(&json!({ "name": "N", "scope": "org", "var_format": "number" }));
    for args in [&["set", "s3cr3t"][..], &["set", "1=s3cr3t"], &["set", "N=s3cr3t"], &["set", "X=s3cr3t"]] {
        let finished = machine.coffer(args);
        assert!(matches!(finished.code, Some(1 | 2)) && !finished.stderr.contains("s3cr3t"), "{finished:?}");
    }
    let finished = finish(machine.command(["ls"]).env("COFFER_API_KEY", "tk_s3cr3t"));
    assert!(!finished.failed().contains("s3cr3t"));
    let elsewhere = finish(machine.command(["ls"]).env("COFFER_URL", "http://u:s3cr3t@127.0.0.1:1")).failed();
    assert!(!elsewhere.contains("s3cr3t"), "{elsewhere}");
    let log = server.stderr();
    assert!(!log.contains("s3cr3t"), "{log}");
}

#[test]
fn no_configuration_file_is_needed_or_read() {
    let server = Server::start();
    let machine = Machine::of(&server);
    machine.file("config.toml", "this is no configuration");
    machine.coffer(["ls"]).ok();
    machine.coffer(["--config", "nowhere.toml", "ls"]).ok();
    machine.coffer(["completions", "bash"]).ok();
    // And the other way round: what these commands read is no mistake to the server's.
    let mut list = server.store().command(["keys", "list"]);
    list.env("COFFER_URL", "x").env("COFFER_API_KEY", "x").env("COFFER_CA_FILE", "x");
    finish(list.env("COFFER_TOKEN", "x").env("COFFER_API_KEY_FILE", "x").env("COFFER_CACHE_MAX_AGE", "x"))
        .ok();
}

#[test]
fn a_key_for_every_environment_names_one() {
    let server = Server::start();
    let key =
        server.store().create_key(&["--environment", "all", "--permissions", "read,write,manage,reveal"]);
    let machine = Machine::of(&server).with_key(key);
    for environment in ["test", "production"] {
        let at = ["--environment", environment];
        let line = format!("A=in {environment}");
        machine.fed(&line, [&["import", "-", "--scope", "org", "--create"][..], &at].concat()).ok();
        assert_eq!(machine.coffer([&["get", "A"][..], &at].concat()).ok(), format!("in {environment}\n"));
    }
    machine.coffer(["set", "A=set", "--environment", "test"]).ok();
    machine.coffer(["unset", "A", "--environment", "production"]).ok();
    assert_eq!(machine.coffer(["export", "--environment", "test"]).ok(), "A=set\n");
    assert_eq!(machine.coffer(["export", "--environment", "production"]).ok(), "");
    for args in [&["ls"][..], &["set", "A=1"], &["export"]] {
        assert!(machine.coffer(args).failed().contains("environment"));
    }
}

#[test]
fn a_session_token_reaches_its_own_account() {
    let server = Server::start();
    server.test().define_string("A", "linked_account");
    server.test().define_string("A", "org");
    server.test().post("/linked-account", &json!({ "account_id": "mark@acme.com" })).send().ok();
    let issued =
        server.test().post("/session-token", &json!({ "linked_account_id": "mark@acme.com" })).send().ok();
    let machine = Machine::of(&server);
    let with_token = |args: &[&str]| {
        let mut command = machine.command(args);
        finish(command.env_remove("COFFER_API_KEY").env("COFFER_TOKEN", issued["token"].as_str().unwrap()))
    };
    with_token(&["set", "A=mine"]).ok();
    assert_eq!(with_token(&["get", "A"]).ok(), "mine\n");
    assert_eq!(with_token(&["run", "--", "sh", "-c", "echo $A$COFFER_TOKEN"]).ok(), "mine\n");
    assert!(with_token(&["get", "A", "--linked-account", "other"]).failed().contains("FORBIDDEN"));
    with_token(&["unset", "A"]).ok();
    assert_eq!(with_token(&["export"]).ok(), "");
}
