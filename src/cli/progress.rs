//! How far a command has come, on a terminal only: a line on stderr that is written over.

use std::io::{IsTerminal, Write};
use std::time::{Duration, Instant};

use crate::control::Progress;

/// How often the line is written.
const EVERY: Duration = Duration::from_millis(100);

/// The line; gone when this is dropped.
pub(super) struct ProgressLine {
    is_terminal: bool,
    written: Option<Instant>,
}

impl ProgressLine {
    pub(super) fn new() -> ProgressLine {
        ProgressLine { is_terminal: std::io::stderr().is_terminal(), written: None }
    }

    /// Shows how far it has come.
    pub(super) fn show(&mut self, Progress { of, done, total }: &Progress) {
        if !self.is_terminal || self.written.is_some_and(|at| at.elapsed() < EVERY) {
            return;
        }
        self.written = Some(Instant::now());
        let text = match total {
            Some(total) if *total > 0 => {
                format!("{done} of {total} {of} ({} %)", done.saturating_mul(100) / total)
            }
            _ => format!("{done} {of}"),
        };
        self.write(&text);
    }

    fn write(&self, text: &str) {
        // To the line's beginning, and what was there before is cleared.
        let mut err = std::io::stderr().lock();
        let _ = write!(err, "\r\x1b[K{text}").and_then(|()| err.flush());
    }
}

impl Drop for ProgressLine {
    fn drop(&mut self) {
        if self.written.is_some() {
            self.write("");
        }
    }
}
