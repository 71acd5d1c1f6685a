//! Tries to make coffer lose something: kills it, cuts its power, fails its disk, damages its files, interrupts
//! its commands, and compares it with a model.
//!
//! `cargo test --test torture -- --short` tries a little of everything, `-- --long` a lot; named parts only
//! those, `--seed N` and `--from N` the same again, `--seconds N` no longer than that for each part. `docs/faults.md` says what each part proves.

// The figures are what this program is for.
#![allow(clippy::print_stdout, clippy::print_stderr)]

mod checkup;
mod clients;
mod damage;
mod disk;
mod fuzz;
mod interposer;
mod interrupt;
mod io;
mod kill;
mod log;
mod model;
mod power;
mod prepared;
mod promises;
mod random;
mod report;
mod sabotage;
// Made for the tests of the interface, which use all of it.
#[allow(dead_code, unused_imports)]
#[path = "../it/support/mod.rs"]
mod support;
mod traffic;
mod trail;

use std::process::ExitCode;
use std::time::Duration;

use report::{Form, Run};

type Part = (&'static str, fn(&mut Run));

const PARTS: [Part; 8] = [
    ("sabotage", sabotage::run),
    ("kill", kill::run),
    ("power", power::run),
    ("io", io::run),
    ("damage", damage::run),
    ("interrupt", interrupt::run),
    ("model", model::run),
    ("fuzz", fuzz::run),
];

fn main() -> ExitCode {
    let asked = match Asked::read(std::env::args().skip(1)) {
        Ok(Some(asked)) => asked,
        Ok(None) => {
            println!("nothing is tried without --short or --long; docs/faults.md");
            return ExitCode::SUCCESS;
        }
        Err(why) => {
            eprintln!("{why}");
            return ExitCode::from(2);
        }
    };
    let mut losses = Vec::new();
    for (name, part) in PARTS {
        if asked.parts.is_empty() || asked.parts.iter().any(|asked| asked == name) {
            let mut run = Run::new(name, &asked);
            part(&mut run);
            losses.extend(run.say());
        }
    }
    // Once more in the end, since what a server says on the way is long.
    losses.iter().for_each(|loss| println!("{loss}"));
    if losses.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// What the arguments say.
struct Asked {
    form: Form,
    seed: u64,
    cases: Option<u64>,
    from: u64,
    /// How long each part may go on.
    longest: Option<Duration>,
    parts: Vec<String>,
}

impl Asked {
    /// `None` where neither form is asked for, as when all tests are run.
    fn read(mut arguments: impl Iterator<Item = String>) -> Result<Option<Asked>, String> {
        let (mut form, mut seed, mut cases, mut from, mut parts) = (None, None, None, 0, Vec::new());
        let mut longest = None;
        while let Some(argument) = arguments.next() {
            let mut number = || {
                let text = arguments.next().unwrap_or_default();
                text.parse().map_err(|_| format!("{argument} needs a number"))
            };
            match argument.as_str() {
                "--short" => form = Some(Form::Short),
                "--long" => form = Some(Form::Long),
                "--seed" => seed = Some(number()?),
                "--cases" => cases = Some(number()?),
                "--from" => from = number()?,
                "--seconds" => longest = Some(Duration::from_secs(number()?)),
                _ => parts.push(argument),
            }
        }
        let Some(form) = form else { return Ok(None) };
        let names: Vec<&str> = PARTS.iter().map(|(name, _)| *name).collect();
        if let Some(unknown) = parts.iter().find(|part| !names.contains(&part.as_str())) {
            return Err(format!("no part is called {unknown}; there are {}", names.join(", ")));
        }
        let seed = seed.unwrap_or_else(|| {
            let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
            now.map_or(0, |now| now.as_secs())
        });
        Ok(Some(Asked { form, seed, cases, from, longest, parts }))
    }
}
