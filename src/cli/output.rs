//! Writing to the terminal: what a command is asked for goes to stdout, everything else to stderr.

use std::io::{self, Write};

use serde::Serialize;
use zeroize::Zeroizing;

use crate::cli::failure::Failure;

/// Writes what was asked for. Where the reader has gone, as `head` does, it has what it wanted.
pub(super) fn say(text: &str) -> Result<(), Failure> {
    match write(text) {
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
        done => done.map_err(Failure::io("write to stdout")),
    }
}

/// The same without a line end of its own.
pub(super) fn say_exactly(text: &str) -> Result<(), Failure> {
    let mut out = io::stdout().lock();
    match out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
        done => done.map_err(Failure::io("write to stdout")),
    }
}

/// Writes what is shown this once; where that fails, the failure says what is `lost`.
pub(super) fn show_once(text: &str, lost: &str) -> Result<(), Failure> {
    write(text).map_err(|error| Failure::Failed(format!("cannot write to stdout: {error}; {lost}")))
}

/// Writes what was asked for as one line of JSON.
pub(super) fn say_json(body: &impl Serialize) -> Result<(), Failure> {
    say(&json_line(body)?)
}

/// One line of JSON, wiped when dropped: it may have a key in it.
pub(super) fn json_line(body: &impl Serialize) -> Result<Zeroizing<String>, Failure> {
    serde_json::to_string(body).map(Zeroizing::new).map_err(|error| Failure::Failed(error.to_string()))
}

fn write(text: &str) -> io::Result<()> {
    let mut out = io::stdout().lock();
    writeln!(out, "{text}")?;
    out.flush()
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

/// Writes a question, whose answer comes on the same line.
pub(super) fn ask(question: &str) {
    let mut err = io::stderr().lock();
    let _ = write!(err, "{question}").and_then(|()| err.flush());
}

/// Writes progress, warnings and errors. Nothing can be done where stderr is closed.
pub(super) fn complain(text: &str) {
    let _ = writeln!(io::stderr().lock(), "{text}");
}
