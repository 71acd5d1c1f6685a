//! `docs/cli.md`, completions and manual pages follow the commands.

use std::fmt::Write as _;
use std::path::Path;

use crate::support::{command, finish};

fn help(path: &[String]) -> String {
    finish(command().args(path).arg("--help").env("COLUMNS", "100")).ok()
}

/// The commands that a help text lists.
fn listed(help: &str) -> Vec<String> {
    let rows = help.lines().skip_while(|line| *line != "Commands:").skip(1);
    let rows = rows
        .take_while(|line| !line.is_empty())
        .filter(|line| line.starts_with("  ") && !line.starts_with("   "));
    let names = rows.filter_map(|row| row.split_whitespace().next());
    names.filter(|name| *name != "help").map(str::to_owned).collect()
}

fn describe(path: &[String], out: &mut String) {
    let help = help(path);
    let title = [&["coffer".to_owned()], path].concat().join(" ");
    let _ = write!(out, "\n## `{title}`\n\n```text\n{}\n```\n", help.trim_end());
    for name in listed(&help) {
        describe(&[path, &[name]].concat(), out);
    }
}

#[test]
fn the_reference_is_what_help_says() {
    let mut text = String::from(
        "# Command line\n\nWhat `coffer COMMAND --help` prints, for every command; a test compares. To write it anew: \
         `UPDATE_DOCS=1 cargo test --test it reference`.\n",
    );
    describe(&[], &mut text);
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/cli.md");
    if std::env::var_os("UPDATE_DOCS").is_some() {
        std::fs::write(&path, &text).unwrap();
    }
    let written = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(written == text, "docs/cli.md is not what the commands say: write it anew with UPDATE_DOCS=1");
}

#[test]
fn completions_and_manual_pages_know_the_commands() {
    for shell in ["bash", "zsh", "fish", "elvish", "powershell"] {
        let script = finish(command().args(["completions", shell])).ok();
        assert!(script.contains("linked-account"), "{shell}");
    }
    finish(command().args(["completions", "nothing"])).misused();
    assert!(finish(command().arg("man")).ok().contains(".TH coffer 1"));
    assert!(finish(command().args(["man", "run"])).ok().contains("preserve"));
    assert!(finish(command().args(["man", "keys", "create"])).ok().contains("permissions"));
    finish(command().args(["man", "nothing"])).misused();
}
