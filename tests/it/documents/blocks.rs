//! The fenced blocks of a document.

use std::fs;
use std::path::{Path, PathBuf};

/// What a block is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// `sh`: a script, each command of which must succeed.
    Script,
    /// `console`: commands after `$ `, each with what it prints.
    Session,
    /// Something else that is no command.
    Text,
}

/// A fenced block, and what its fence says about running it.
#[derive(Debug)]
pub(super) struct Block {
    pub(super) line: usize,
    pub(super) kind: Kind,
    pub(super) text: String,
    /// `no-run: …`: why it is not run.
    pub(super) not_run: Option<String>,
    /// `anew`: it begins in a directory without a store.
    pub(super) anew: bool,
    /// `stays`: its command goes on while the following blocks are run.
    pub(super) stays: bool,
    /// `stopped`: what stayed is stopped before it.
    pub(super) stopped: bool,
    /// `file=NAME`: its text is that file.
    pub(super) file: Option<String>,
}

/// A command of a session, and the lines that are shown after it.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Command {
    pub(super) text: String,
    pub(super) shown: Option<String>,
}

const SHELL: [&str; 2] = ["sh", "console"];
const TEXT: [&str; 13] = [
    "text",
    "toml",
    "json",
    "yaml",
    "ini",
    "dotenv",
    "dockerfile",
    "promql",
    "python",
    "typescript",
    "rust",
    "http",
    "diff",
];

/// Every document of the project, as paths below its root.
pub(super) fn documents() -> Vec<String> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let (mut dirs, mut found) = (vec![PathBuf::new()], Vec::new());
    while let Some(dir) = dirs.pop() {
        for entry in fs::read_dir(root.join(&dir)).unwrap() {
            let entry = entry.unwrap();
            let name = entry.file_name().into_string().unwrap();
            let path = dir.join(&name);
            if entry.file_type().unwrap().is_dir() {
                let foreign = ["target", "data", "node_modules"].contains(&&*name) || name.starts_with('.');
                if !foreign {
                    dirs.push(path);
                }
            } else if name.ends_with(".md") {
                found.push(path.to_str().unwrap().to_owned());
            }
        }
    }
    found.sort();
    found
}

/// The blocks of `document`; what cannot be understood is an error, so that no block is passed over.
pub(super) fn blocks(document: &str) -> Result<Vec<Block>, String> {
    let text = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(document)).unwrap();
    parse(&text).map_err(|(line, error)| format!("{document}:{line}: {error}"))
}

fn parse(text: &str) -> Result<Vec<Block>, (usize, String)> {
    let mut lines = text.lines().enumerate().map(|(index, line)| (index + 1, line));
    let mut blocks = Vec::new();
    while let Some((number, opening)) = lines.next() {
        let trimmed = opening.trim_start();
        let fence: String = trimmed.chars().take_while(|c| *c == '`' || *c == '~').collect();
        if fence.len() < 3 {
            continue;
        }
        let indent = opening.len() - trimmed.len();
        let mut block = head(number, &trimmed[fence.len()..]).map_err(|error| (number, error))?;
        loop {
            let Some((_, line)) = lines.next() else {
                return Err((number, "this block does not end".to_owned()));
            };
            if line.trim() == fence {
                break;
            }
            block.text += line.get(indent..).unwrap_or_default();
            block.text.push('\n');
        }
        if block.kind == Kind::Text && block.text.lines().any(|line| line.starts_with("$ ")) {
            return Err((number, "this block has commands: call it `console`".to_owned()));
        }
        blocks.push(block);
    }
    Ok(blocks)
}

fn head(line: usize, info: &str) -> Result<Block, String> {
    let (words, not_run) = match info.split_once("no-run:") {
        Some((words, why)) if !why.trim().is_empty() => (words, Some(why.trim().to_owned())),
        Some(_) => return Err("`no-run:` says why".to_owned()),
        None => (info, None),
    };
    let mut words = words.split_whitespace();
    let kind = words.next().unwrap_or_default();
    let mut block = Block {
        line,
        kind: match kind {
            "sh" => Kind::Script,
            "console" => Kind::Session,
            _ if TEXT.contains(&kind) => Kind::Text,
            _ => return Err(format!("`{kind}` is none of {SHELL:?} {TEXT:?}: say what this block is")),
        },
        text: String::new(),
        not_run,
        anew: false,
        stays: false,
        stopped: false,
        file: None,
    };
    for word in words {
        match (word, word.split_once('=')) {
            ("anew", _) => block.anew = true,
            ("stays", _) => block.stays = true,
            ("stopped", _) => block.stopped = true,
            (_, Some(("file", name))) if block.kind == Kind::Text => block.file = Some(name.to_owned()),
            _ => return Err(format!("`{word}` means nothing here")),
        }
    }
    Ok(block)
}

/// The commands of a session. A line that ends with a backslash, and one that begins with `> `, goes on.
pub(super) fn commands(session: &str) -> Vec<Command> {
    let mut commands: Vec<Command> = Vec::new();
    for line in session.lines() {
        if let Some(text) = line.strip_prefix("$ ") {
            commands.push(Command { text: text.to_owned(), shown: None });
            continue;
        }
        let Some(command) = commands.last_mut() else { continue };
        match (&mut command.shown, line.strip_prefix("> ")) {
            (None, Some(more)) => command.text += &format!("\n{more}"),
            (None, None) if command.text.ends_with('\\') => command.text += &format!("\n{line}"),
            (shown, _) => *shown.get_or_insert_default() += &format!("{line}\n"),
        }
    }
    commands
}

#[test]
fn a_block_that_nobody_understands_is_refused() {
    for wrong in [
        "```\nls\n```",
        "```bash\nls\n```",
        "```text\n$ ls\n```",
        "```sh no-run:\nls\n```",
        "```sh sometimes\nls\n```",
        "```sh file=x\nls\n```",
        "```sh\nls",
    ] {
        assert!(parse(wrong).is_err(), "{wrong}");
    }
    let blocks = parse("  ```sh no-run: as root\n  ls\n  ```\n\n```console anew\n$ ls\nx\n```\n").unwrap();
    assert_eq!(blocks[0].text, "ls\n");
    assert_eq!(blocks[0].not_run.as_deref(), Some("as root"));
    assert!(blocks[1].anew && blocks[1].kind == Kind::Session);
}

#[test]
fn a_session_is_commands_with_what_they_print() {
    let commands = commands("$ a \\\n  b\n$ cat <<X\n> one\n> X\none\n\n$ c\n");
    let expected = [("a \\\n  b", None), ("cat <<X\none\nX", Some("one\n\n")), ("c", None)];
    let expected = expected.map(|(text, shown): (&str, Option<&str>)| Command {
        text: text.to_owned(),
        shown: shown.map(str::to_owned),
    });
    assert_eq!(commands, expected);
}
