//! Writing to the terminal: what a command is asked for goes to stdout, everything else to stderr.

use std::io::{self, Write};

use serde::Serialize;

use crate::cli::failure::Failure;

/// Writes what was asked for. A closed pipe is a failure: the reader may have wanted a key.
pub(super) fn say(text: &str) -> Result<(), Failure> {
    let mut out = io::stdout().lock();
    writeln!(out, "{text}").and_then(|()| out.flush()).map_err(Failure::io("write to stdout"))
}

/// Writes what was asked for as one line of JSON.
pub(super) fn say_json(body: &impl Serialize) -> Result<(), Failure> {
    let text = serde_json::to_string(body).map_err(|error| Failure::Failed(error.to_string()))?;
    say(&text)
}

/// Writes a table, each column as wide as its widest cell.
pub(super) fn say_table<const N: usize>(head: [&str; N], rows: &[[&str; N]]) -> Result<(), Failure> {
    let all = || std::iter::once(&head).chain(rows);
    let width = |column: usize| all().map(|row| row[column].chars().count()).max().unwrap_or(0);
    let widths: [usize; N] = std::array::from_fn(width);
    for row in all() {
        let cells = row.iter().zip(widths).map(|(cell, width)| format!("{cell:width$}"));
        say(cells.collect::<Vec<_>>().join("  ").trim_end())?;
    }
    Ok(())
}

/// Writes progress, warnings and errors. Nothing can be done where stderr is closed.
pub(super) fn complain(text: &str) {
    let _ = writeln!(io::stderr().lock(), "{text}");
}
