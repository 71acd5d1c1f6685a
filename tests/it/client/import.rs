//! `coffer import`: all of a file or nothing.

use serde_json::json;

use super::Machine;
use crate::support::Server;

#[test]
fn an_import_says_what_it_did_and_what_it_would_do() {
    let server = Server::start();
    let machine = Machine::of(&server);
    machine.given(&[("SAME", "1"), ("OTHER", "1")]);
    server.test().define_string("EMPTY", "org");
    let file = machine.file("file.env", "# a comment\nexport SAME=1\nOTHER='2'\nEMPTY=\nNEW=\"n\"\n");
    let file = file.to_str().unwrap();
    let flags = ["import", file, "--scope", "org", "--create"];
    let would = machine.coffer([&flags[..], &["--dry-run"]].concat()).ok();
    assert_eq!(
        would,
        "would be created: NEW\nwould be added: EMPTY, NEW\nwould be changed: OTHER\nwould be left: SAME\n"
    );
    assert_eq!(machine.coffer(["get", "OTHER"]).ok(), "1\n");
    let done = machine.coffer([&flags[..], &["--json"]].concat()).json();
    assert_eq!(done["created"], json!(["NEW"]));
    assert_eq!(machine.coffer(["export"]).ok(), "EMPTY=\nNEW=n\nOTHER=2\nSAME=1\n");
}

#[test]
fn nothing_of_a_file_is_imported_where_a_part_of_it_cannot_be() {
    let server = Server::start();
    let machine = Machine::of(&server);
    machine.given(&[("A", "1")]);
    server.test().define(&json!({ "name": "N", "scope": "org", "var_format": "number" }));
    for (text, flags, said) in [
        ("A=2\nN=s3cr3t", &[][..], "N"),
        ("A=2\nUNKNOWN=s3cr3t", &[], "not defined: UNKNOWN"),
        ("A=2\nUNKNOWN=s3cr3t", &["--scope", "org"], "UNKNOWN; say --create"),
        ("A=s3cr3t", &["--scope", "org", "--encrypted"], "A"),
        ("A=2\nA=s3cr3t", &[], "line 2: its name stands in line 1 already"),
        ("A=2\nB='s3cr3t", &[], "line 2"),
        ("A=2\nbad name=s3cr3t", &[], "line 2"),
        ("{\"A\": 7}", &[], "line 1"),
        ("{\"A\": \"2\", \"A\": \"s3cr3t\"}", &[], "`A` stands twice"),
        ("\n# nothing\n", &[], "no variable"),
    ] {
        let refused = machine.fed(text, [&["import", "-"], flags].concat()).failed();
        assert!(refused.contains(said) && !refused.contains("s3cr3t"), "{text:?}: {refused}");
    }
    assert_eq!(machine.coffer(["get", "A"]).ok(), "1\n");
    assert!(machine.coffer(["import", "nowhere"]).failed().contains("nowhere"));
}

#[test]
fn a_mark_of_byte_order_is_no_part_of_a_file() {
    let server = Server::start();
    let machine = Machine::of(&server);
    machine.given(&[("A", "1")]);
    for (text, value) in [("\u{feff}{\"A\": \"2\"}", "2\n"), ("\u{feff}A=\u{feff}3", "\u{feff}3\n")] {
        machine.fed(text, ["import", "-"]).ok();
        assert_eq!(machine.coffer(["get", "A"]).ok(), value);
    }
}

#[test]
fn names_of_several_scopes_need_one_to_be_said() {
    let server = Server::start();
    let machine = Machine::of(&server);
    server.test().define_string("A", "org");
    server.test().define_string("B", "workspace");
    server.test().define_string("TWICE", "org");
    server.test().define_string("TWICE", "workspace");
    for text in ["A=1\nB=1", "TWICE=1"] {
        let said = machine.fed(text, ["import", "-"]).misused();
        assert!(said.contains("org or workspace"), "{said}");
    }
    machine.fed("TWICE=1\nA=1", ["import", "-", "--scope", "org"]).ok();
    machine.fed("B=1", ["import", "-"]).ok();
    assert_eq!(machine.coffer(["get", "B"]).ok(), "1\n");
}

#[test]
fn many_variables_are_one_import() {
    let server = Server::start();
    let machine = Machine::of(&server);
    let text: String = (0..500).map(|index| format!("V{index:03}='value {index}'\n")).collect();
    machine.fed(&text, ["import", "-", "--scope", "org", "--create"]).ok();
    assert_eq!(machine.coffer(["export"]).ok(), text);
    let again = machine.fed(&text, ["import", "-", "--json"]).json();
    assert_eq!(again["left"].as_array().unwrap().len(), 500);
}
