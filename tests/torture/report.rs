//! What was tried, and what was lost.

// What this program finds out is what it is for.
#![allow(clippy::print_stdout, clippy::print_stderr)]

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::Instant;

use crate::random::Random;

/// How much is tried.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Form {
    /// Some seconds for each part.
    Short,
    /// As long as it takes to believe it.
    Long,
}

/// One part's run.
pub(crate) struct Run {
    pub(crate) part: &'static str,
    pub(crate) form: Form,
    pub(crate) seed: u64,
    /// How many cases, where it was said.
    cases: Option<u64>,
    /// The first case, where it was said.
    from: u64,
    begun: Instant,
    tried: u64,
    lost: u64,
    notes: Vec<String>,
}

impl Run {
    pub(crate) fn new(part: &'static str, form: Form, seed: u64, cases: Option<u64>, from: u64) -> Run {
        Run { part, form, seed, cases, from, begun: Instant::now(), tried: 0, lost: 0, notes: Vec::new() }
    }

    /// The numbers of the cases to try.
    pub(crate) fn cases(&self, short: u64, long: u64) -> std::ops::Range<u64> {
        let count = self.cases.unwrap_or(if self.form == Form::Short { short } else { long });
        self.from..self.from + count
    }

    /// Tries one case, with random numbers that are the same wherever a run begins; what it panics with is a
    /// loss. Whether it held.
    pub(crate) fn case(&mut self, number: u64, what: &str, case: impl FnOnce(&mut Random)) -> bool {
        self.tried += 1;
        let mut random = Random::new(self.seed).fork(number);
        match catch_unwind(AssertUnwindSafe(|| case(&mut random))) {
            Ok(()) => true,
            Err(panic) => {
                let text = panic.downcast_ref::<String>().map(String::as_str);
                let text = text.or_else(|| panic.downcast_ref::<&str>().copied()).unwrap_or("a panic");
                self.lost += 1;
                eprintln!("{}: case {number} ({what}) of seed {}: {text}", self.part, self.seed);
                false
            }
        }
    }

    /// Something to say in the end.
    pub(crate) fn note(&mut self, text: String) {
        self.notes.push(text);
    }

    /// Says what was tried and lost; whether nothing was.
    pub(crate) fn say(&self) -> bool {
        let Run { part, seed, tried, lost, .. } = self;
        let seconds = self.begun.elapsed().as_secs_f64();
        let notes: String = self.notes.iter().map(|note| format!(", {note}")).collect();
        println!("{part:10} {tried} tried, {lost} lost{notes} (seed {seed}, {seconds:.0} s)");
        *lost == 0
    }
}
