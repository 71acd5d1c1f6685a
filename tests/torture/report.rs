//! What was tried, and what was lost.

// What this program finds out is what it is for.
#![allow(clippy::print_stdout, clippy::print_stderr)]

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::{Duration, Instant};

use crate::Asked;
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
    /// After which no new case is begun, where it was said.
    longest: Option<Duration>,
    tried: u64,
    /// Faults of the checks' own making that they noticed.
    noticed: u64,
    notes: Vec<String>,
    /// What was lost.
    losses: Vec<String>,
    /// When it was last said how far it has come.
    said: Instant,
}

/// How often the long form says so.
const SAY: Duration = Duration::from_secs(60);

impl Run {
    pub(crate) fn new(part: &'static str, asked: &Asked) -> Run {
        let Asked { form, seed, cases, from, longest, .. } = *asked;
        let begun = Instant::now();
        let (notes, losses) = (Vec::new(), Vec::new());
        let (tried, noticed, said) = (0, 0, begun);
        Run { part, form, seed, cases, from, begun, longest, tried, noticed, notes, losses, said }
    }

    /// Whether there is no time left for another case; `otherwise` is how long it may take where nobody said.
    pub(crate) fn is_over(&self, otherwise: Option<Duration>) -> bool {
        self.longest.or(otherwise).is_some_and(|longest| self.begun.elapsed() >= longest)
    }

    /// The numbers of the cases to try.
    pub(crate) fn cases(&self, short: u64, long: u64) -> std::ops::Range<u64> {
        let count = self.cases.unwrap_or(if self.form == Form::Short { short } else { long });
        self.from..self.from + count
    }

    /// Tries one case, with random numbers that are the same wherever a run begins; what it panics with is a
    /// loss. Whether it held.
    pub(crate) fn case(&mut self, number: u64, what: &str, case: impl FnOnce(&mut Random)) -> bool {
        if self.form == Form::Long && self.said.elapsed() > SAY {
            self.said = Instant::now();
            eprintln!("{}: {} tried so far, {} lost", self.part, self.tried, self.losses.len());
        }
        self.tried += 1;
        let mut random = Random::new(self.seed).fork(number);
        match catch_unwind(AssertUnwindSafe(|| case(&mut random))) {
            Ok(()) => true,
            Err(panic) => {
                let text = text(panic.as_ref());
                eprintln!("{}: case {number} ({what}) of seed {}: {text}", self.part, self.seed);
                self.losses.push(format!("case {number} ({what}): {}", brief(text)));
                false
            }
        }
    }

    /// Has the checks meet something that they must notice, or they prove nothing: a loss where they do not.
    pub(crate) fn sabotage(&mut self, what: &str, check: impl FnOnce(&mut Random)) {
        let mut random = Random::new(self.seed).fork(u64::MAX - self.noticed);
        let loud = std::panic::take_hook();
        std::panic::set_hook(Box::new(|_| {}));
        let checked = catch_unwind(AssertUnwindSafe(|| check(&mut random)));
        std::panic::set_hook(loud);
        let part = self.part;
        match checked {
            Err(panic) => {
                self.noticed += 1;
                println!("{part:10} noticed {what}: {}", brief(text(panic.as_ref())));
            }
            Ok(()) => {
                eprintln!("{part}: UNNOTICED with seed {}: {what}", self.seed);
                self.losses.push(format!("UNNOTICED: {what}"));
            }
        }
    }

    /// Something to say in the end.
    pub(crate) fn note(&mut self, text: String) {
        self.notes.push(text);
    }

    /// Says what was tried and how much was lost; returns what was.
    pub(crate) fn say(self) -> Vec<String> {
        let Run { part, seed, tried, losses, .. } = &self;
        let lost = losses.len();
        let seconds = self.begun.elapsed().as_secs_f64();
        let noticed = match self.noticed {
            0 => String::new(),
            noticed => format!(", {noticed} sabotages noticed"),
        };
        let notes: String = self.notes.iter().map(|note| format!(", {note}")).collect();
        println!("{part:10} {tried} tried, {lost} lost{noticed}{notes} (seed {seed}, {seconds:.0} s)");
        losses.iter().map(|loss| format!("{part:10} {loss}")).collect()
    }
}

/// A line of it.
fn brief(text: &str) -> String {
    text.chars().take(160).collect::<String>().replace('\n', " ")
}

/// What a panic says.
fn text(panic: &(dyn std::any::Any + Send)) -> &str {
    let text = panic.downcast_ref::<String>().map(String::as_str);
    text.or_else(|| panic.downcast_ref::<&str>().copied()).unwrap_or("a panic")
}
