//! What the source itself must keep to: who may import whom, and who may say what.

use std::fs;
use std::path::{Path, PathBuf};

use regex::Regex;

/// The crate modules that a room may import beside itself.
const IMPORTS: [(&str, &[&str]); 12] = [
    ("model", &[]),
    ("crypto", &[]),
    ("dotenv", &[]),
    ("secret_file", &[]),
    ("store", &["model"]),
    ("vault", &["model", "crypto", "store"]),
    ("http", &["model", "crypto", "dotenv", "secret_file", "store", "vault"]),
    ("control", &["model", "crypto", "store", "vault"]),
    ("client", &["model", "crypto", "secret_file"]),
    ("telemetry", &[]),
    ("config", &["model", "crypto", "secret_file", "telemetry"]),
    (
        "cli",
        &[
            "model",
            "crypto",
            "store",
            "vault",
            "http",
            "control",
            "client",
            "config",
            "dotenv",
            "secret_file",
            "telemetry",
        ],
    ),
];

/// What only the files under these places may say.
const ONLY: [(&str, &[&str]); 6] = [
    (r"\bsled::", &["store/embedded/"]),
    (r"\bactix", &["http/"]),
    (r"\brustls::", &["http/tls.rs", "client/trust.rs"]),
    (r"\bureq\b", &["client/"]),
    (r"\bchacha20poly1305\b|\bargon2(::|\s*=)", &["crypto/"]),
    (r"\be?print(ln)?!|\bstd(out|err)\(\)", &["cli/", "telemetry"]),
];

const MAX_LINES: usize = 400;

/// Every source file: its path under `src`, and its text.
fn sources() -> Vec<(String, String)> {
    let files = files("src");
    assert!(files.len() > 50, "the sources were not found");
    files
}

/// Every Rust file under a directory of the crate: its path there, and its text.
fn files(place: &str) -> Vec<(String, String)> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join(place);
    let (mut dirs, mut files) = (vec![root.clone()], Vec::new());
    while let Some(dir) = dirs.pop() {
        for entry in fs::read_dir(dir).unwrap() {
            let path: PathBuf = entry.unwrap().path();
            if path.is_dir() {
                dirs.push(path);
            } else if path.extension().is_some_and(|kind| kind == "rs") {
                let name = path.strip_prefix(&root).unwrap().to_str().unwrap().replace('\\', "/");
                files.push((name, fs::read_to_string(&path).unwrap()));
            }
        }
    }
    files
}

/// The text without what only people and logs read: comments and literals may name anything.
fn code(text: &str) -> String {
    let literal = Regex::new(r#"'\\?"'|"(?:[^"\\\n]|\\.)*""#).unwrap();
    let lines = text.lines().filter(|line| !line.trim_start().starts_with("//"));
    lines.map(|line| literal.replace_all(line, "\"\"")).collect::<Vec<_>>().join("\n")
}

/// The crate's modules that a text refers to.
fn imported(code: &str) -> Vec<String> {
    let path = Regex::new(r"\bcrate::(?:\{([^;]*?)\};|([a-z_]+))").unwrap();
    // In a group, the first segment of each item; nested groups are items of their first segment.
    let first = |group: &str| {
        let flat = Regex::new(r"::\{[^{}]*\}").unwrap().replace_all(group, "").into_owned();
        flat.split(',').map(|item| item.trim().split("::").next().unwrap_or_default().to_owned()).collect()
    };
    path.captures_iter(code)
        .flat_map(|found| match (found.get(1), found.get(2)) {
            (Some(group), _) => first(group.as_str()),
            (_, Some(one)) => vec![one.as_str().to_owned()],
            _ => Vec::new(),
        })
        .filter(|module| !module.is_empty())
        .collect()
}

#[test]
fn imports_run_downward() {
    let mut upward = Vec::new();
    for (file, text) in sources() {
        let room = file.split(['/', '.']).next().unwrap();
        let Some((_, allowed)) = IMPORTS.iter().find(|(name, _)| *name == room) else {
            assert!(matches!(room, "lib" | "main" | "allocator"), "{file}: a room that the map lacks");
            continue;
        };
        for module in imported(&code(&text)) {
            if module != room && !allowed.contains(&module.as_str()) {
                upward.push(format!("{file} imports {module}"));
            }
        }
    }
    assert!(upward.is_empty(), "{upward:#?}");
}

#[test]
fn each_dependency_that_matters_is_named_in_one_place_and_only_the_command_line_prints() {
    let mut strays = Vec::new();
    for (file, text) in sources() {
        for (words, places) in ONLY {
            let words = Regex::new(words).unwrap();
            if !places.iter().any(|place| file.starts_with(place))
                && let Some(found) = words.find(&code(&text))
            {
                strays.push(format!("{file} says {}", found.as_str()));
            }
        }
    }
    assert!(strays.is_empty(), "{strays:#?}");
}

#[test]
fn every_file_says_what_it_is_for_and_is_short() {
    for (file, text) in [files("src"), files("tests"), files("benches")].concat() {
        assert!(text.starts_with("//! "), "{file} does not open with its purpose");
        let lines = text.lines().count();
        assert!(lines < MAX_LINES, "{file} has {lines} lines");
    }
}

#[test]
fn imports_are_found_in_every_spelling() {
    let text = "use crate::{store, vault::{self, Error}};\nuse crate::model::Id;\nlet x = crate::http::y();";
    assert_eq!(imported(text), ["store", "vault", "model", "http"]);
}
