//! What the documents promise of the source.

use std::fs;
use std::path::Path;

use regex::Regex;

fn read(name: &str) -> String {
    fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(name)).unwrap()
}

/// The text of every Rust file below `place`.
fn sources(place: &Path) -> String {
    let mut text = String::new();
    for entry in fs::read_dir(place).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            text += &sources(&path);
        } else if path.extension().is_some_and(|kind| kind == "rs") {
            text += &fs::read_to_string(path).unwrap();
        }
    }
    text
}

#[test]
fn every_claim_about_security_names_tests_that_exist() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let code = sources(&root.join("src")) + &sources(&root.join("tests"));
    let tests: Vec<&str> = Regex::new(r"#\[test\]\s+fn (\w+)\(")
        .unwrap()
        .captures_iter(&code)
        .map(|c| c.extract::<1>().1[0])
        .collect();
    let document = read("SECURITY.md");
    let claims: Vec<&str> = document
        .lines()
        .skip_while(|line| !line.starts_with("## What is protected"))
        .take_while(|line| !line.starts_with("## What is not"))
        .filter(|line| line.starts_with("| ") && !line.starts_with("| claim"))
        .collect();
    assert!(claims.len() > 20, "the claims were not found");
    for claim in claims {
        let named = claim.trim_end_matches(" |").rsplit(" | ").next().unwrap();
        let named: Vec<&str> = named.split(", ").map(|name| name.trim_matches('`')).collect();
        for name in named {
            assert!(tests.contains(&name), "no test is called `{name}`: {claim}");
        }
    }
}
