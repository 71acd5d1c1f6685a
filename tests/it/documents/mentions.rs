//! Commands in the middle of a sentence (`coffer backup create FILE`): that there are such commands, with such flags.

use std::fs;
use std::path::Path;

use regex::Regex;

use super::blocks::documents;

/// What is wrong with `mention`, by what the reference says of each command.
fn wrong(reference: &[(&str, &str)], mention: &str) -> Option<String> {
    let words: Vec<&str> =
        mention.split_whitespace().take_while(|word| !["--", "|"].contains(word)).collect();
    let named = words.iter().take_while(|word| word.chars().all(|c| c.is_ascii_lowercase() || c == '-'));
    let named: Vec<&str> = named.take_while(|word| !word.starts_with('-')).copied().collect();
    let of = |length: usize| {
        let name = named[..length].join(" ");
        reference.iter().find(|(command, _)| *command == name)
    };
    let (length, (_, help)) = (1..=named.len()).rev().find_map(|length| Some((length, of(length)?)))?;
    if named.len() > length && help.contains("\nCommands:\n") {
        return Some(format!("`{mention}`: there is no `{}`", named.join(" ")));
    }
    let flags = words.iter().map(|word| word.trim_matches(['[', ']'])).filter(|word| word.starts_with("--"));
    let flag = |flag: &str| Regex::new(&format!(r"{}\b", regex::escape(flag))).unwrap().is_match(help);
    let missing: Vec<&str> = flags.filter(|name| !flag(name.split('=').next().unwrap_or(name))).collect();
    (!missing.is_empty()).then(|| format!("`{mention}`: there is no {missing:?}"))
}

/// The commands of `docs/cli.md`, and what it says of each.
fn reference(text: &str) -> Vec<(&str, &str)> {
    let sections = text.split("\n## `").skip(1);
    sections.filter_map(|section| section.split_once('`')).collect()
}

#[test]
fn every_command_that_a_sentence_names_is_there() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let cli = fs::read_to_string(root.join("docs/cli.md")).unwrap();
    let reference = reference(&cli);
    let mention = Regex::new(r"`(coffer [^`]+)`").unwrap();
    let (mut mentions, mut strays) = (0, Vec::new());
    for document in documents() {
        let text = fs::read_to_string(root.join(&document)).unwrap();
        for found in mention.captures_iter(&text) {
            mentions += 1;
            strays.extend(wrong(&reference, &found[1]).map(|error| format!("{document}: {error}")));
        }
    }
    assert!(mentions > 50, "the commands were not found");
    assert!(strays.is_empty(), "{strays:#?}");
    for stray in
        ["coffer keys destroy ID", "coffer backup create --quick FILE", "coffer audit verify [--tail HASH]"]
    {
        assert!(wrong(&reference, stray).is_some(), "{stray}");
    }
    assert_eq!(wrong(&reference, "coffer run --watch -- ls --color"), None, "what follows is the program's");
}
