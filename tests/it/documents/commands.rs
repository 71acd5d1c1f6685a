//! Every command in every document is run, in order, and prints what the document shows.

use std::thread;

use super::blocks::{Block, Kind, blocks, commands, documents};
use super::place::Place;
use super::shown::Names;

/// How many blocks of a document are not run. Each says why on its fence; a new one is counted here, where
/// whoever reads the change sees it.
const NOT_RUN: [(&str, usize); 6] = [
    ("CONTRIBUTING.md", 1),
    ("README.md", 1),
    ("docs/benchmarks.md", 2),
    ("docs/faults.md", 1),
    ("docs/install.md", 4),
    ("docs/operations.md", 1),
];

/// The documents whose commands another test runs, as they need more than coffer.
const ELSEWHERE: [&str; 2] = ["docs/generated-clients.md", "docs/migration.md"];

#[test]
fn every_command_in_every_document_works() {
    let documents = documents();
    assert!(documents.len() > 15, "the documents were not found");
    let documents = documents.iter().filter(|name| !ELSEWHERE.contains(&name.as_str()));
    let failures: Vec<String> = thread::scope(|scope| {
        let tried: Vec<_> = documents.map(|name| scope.spawn(|| try_document(name))).collect();
        tried
            .into_iter()
            .filter_map(|tried| tried.join().expect("its own failures are returned").err())
            .collect()
    });
    assert!(failures.is_empty(), "{}", failures.join("\n\n"));
}

#[test]
fn commands_that_are_not_run_are_counted() {
    let mut counted = Vec::new();
    for document in documents() {
        let blocks = blocks(&document).unwrap_or_else(|error| panic!("{error}"));
        let not_run = blocks.iter().filter(|block| block.not_run.is_some()).count();
        if not_run > 0 {
            counted.push((document, not_run));
        }
    }
    assert_eq!(counted, NOT_RUN.map(|(name, count)| (name.to_owned(), count)));
}

fn try_document(document: &str) -> Result<(), String> {
    let (mut place, mut names) = (None, Names::default());
    for block in blocks(document)?.iter().filter(|block| is_run(block)) {
        if block.anew {
            (place, names) = (Some(Place::anew()), Names::default());
        }
        let place = place.get_or_insert_with(Place::served);
        if block.stopped {
            place.stop();
        }
        try_block(block, place, &mut names).map_err(|error| format!("{document}:{}: {error}", block.line))?;
    }
    Ok(())
}

/// Runs one section of a document in `place`. Where something cannot be fetched, nothing after that is run, and
/// why is returned.
pub(crate) fn try_section(
    document: &str,
    section: &str,
    place: &mut Place,
) -> Result<Option<String>, String> {
    let (mut names, blocks) = (Names::default(), blocks(document)?);
    let blocks: Vec<&Block> =
        blocks.iter().filter(|block| block.section == section && is_run(block)).collect();
    assert!(!blocks.is_empty(), "{document} has no commands in {section}");
    for block in blocks {
        match try_block(block, place, &mut names) {
            Err(error) if block.fetches => return Ok(Some(error)),
            tried => tried.map_err(|error| format!("{document}:{}: {error}", block.line))?,
        }
    }
    Ok(None)
}

fn is_run(block: &Block) -> bool {
    block.not_run.is_none() && (block.kind != Kind::Text || block.file.is_some())
}

fn try_block(block: &Block, place: &mut Place, names: &mut Names) -> Result<(), String> {
    if let Some(file) = &block.file {
        place.write(file, &names.put_into(&block.text)?);
        return Ok(());
    }
    if block.kind == Kind::Script {
        let script = names.put_into(&block.text)?;
        return match place.run(&format!("set -e\n{script}\nset +e")) {
            Ok((0, _)) => Ok(()),
            Ok((_, printed)) | Err(printed) => Err(format!("this script fails, after:\n{printed}")),
        };
    }
    for command in commands(&block.text) {
        let text = names.put_into(&command.text)?;
        let shown = command.shown.map(|shown| place.local(&shown));
        if block.stays {
            let shown = shown.unwrap_or_default();
            place
                .start(&text, |printed| names.learn(&shown, printed))
                .map_err(|printed| format!("{text}\nshows\n{shown}\nbut printed\n{printed}"))?;
            continue;
        }
        let (code, printed) =
            place.run(&text).map_err(|printed| format!("{text}: no end, after:\n{printed}"))?;
        match shown {
            Some(shown) if !names.learn(&shown, &printed) => {
                return Err(format!("{text}\nshows\n{shown}\nbut printed\n{printed}"));
            }
            None if code != 0 || !printed.is_empty() => {
                return Err(format!("{text}\nshows nothing but ended with {code}, and printed\n{printed}"));
            }
            _ => {}
        }
    }
    Ok(())
}
