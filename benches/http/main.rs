//! Measures the whole server over loopback HTTP, against bounds that are ratios within one run.
//!
//! `cargo bench --bench http` runs everything; `-- resolve set single run growth pages start memory size
//! overwrites` selects parts, and `-- --check` makes a missed bound an error. `docs/benchmarks.md` says what is measured how.

// The figures are what this program is for.
#![allow(clippy::print_stdout, clippy::print_stderr)]

mod cpu;
mod disk;
mod growth;
mod load;
mod overwrites;
mod pages;
mod report;
mod rounds;
mod running;
mod server;
mod starting;
mod throughput;
mod workload;

use std::process::ExitCode;

use report::Report;
use server::Store;
use workload::{Layout, Loaded};

type Result<T> = std::result::Result<T, Box<dyn std::error::Error + Send + Sync>>;

const PARTS: [&str; 10] =
    ["resolve", "set", "single", "run", "growth", "pages", "start", "memory", "size", "overwrites"];

/// 10,000 values.
const MAIN: Layout = Layout { definitions: 10, subjects: 1_000 };
/// 1,000 values; a subject has as many as in [`LARGE`].
const SMALL: Layout = Layout { definitions: 20, subjects: 50 };
/// 200,000 values.
const LARGE: Layout = Layout { definitions: 20, subjects: 10_000 };

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let has = |flag: &str| arguments.iter().any(|argument| argument == flag);
    // Cargo says --bench where it is asked to measure; a test run only has to see that this builds.
    if !has("--bench") || has("--test") {
        return ExitCode::SUCCESS;
    }
    let named: Vec<&str> =
        arguments.iter().map(String::as_str).filter(|argument| !argument.starts_with("--")).collect();
    if let Some(unknown) = named.iter().find(|name| !PARTS.contains(name)) {
        eprintln!("no part is called {unknown}; there are {}", PARTS.join(", "));
        return ExitCode::from(2);
    }
    let wanted = |part: &str| named.is_empty() || named.contains(&part);
    let counted = arguments.iter().find_map(|argument| argument.strip_prefix("--overwrites="));
    let Ok(count) = counted.map_or(Ok(overwrites::OVERWRITES), str::parse) else {
        eprintln!("--overwrites takes a number");
        return ExitCode::from(2);
    };
    let mut report = Report::default();
    match run(&wanted, count, &mut report) {
        Ok(()) if has("--check") && report.missed() > 0 => ExitCode::FAILURE,
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}

fn run(wanted: &dyn Fn(&str) -> bool, overwrites: u64, report: &mut Report) -> Result<()> {
    let begun = cpu::Machine::now()?;
    report.note(&format!(
        "{} cores, {}, Linux {}",
        std::thread::available_parallelism()?,
        disk::described(&server::place())?,
        std::fs::read_to_string("/proc/sys/kernel/osrelease")?.trim(),
    ));
    if wanted("size") {
        starting::size(report)?;
    }
    if wanted("start") {
        starting::empty(report)?;
    }
    if wanted("memory") {
        starting::idle_empty(report)?;
    }
    if wanted("resolve") || wanted("set") || wanted("single") {
        let loaded = Loaded::new(Store::new()?, MAIN)?;
        report.note(&loaded.told());
        if wanted("resolve") {
            throughput::resolve(&loaded, report)?;
        }
        if wanted("set") {
            throughput::set(&loaded, report)?;
        }
        if wanted("single") {
            throughput::single(&loaded, report)?;
        }
    }
    if wanted("run") {
        running::run(report)?;
    }
    if wanted("growth") || wanted("pages") || wanted("start") || wanted("memory") {
        let small = if wanted("growth") { Some(Loaded::new(Store::new()?, SMALL)?) } else { None };
        let large = Loaded::new(Store::new()?, LARGE)?;
        report.note(&large.told());
        if let Some(small) = &small {
            growth::growth(small, &large, report)?;
        }
        drop(small);
        if wanted("pages") {
            pages::pages(&large, report)?;
        }
        if wanted("start") || wanted("memory") {
            starting::large(large, wanted("start"), wanted("memory"), report)?;
        }
    }
    if wanted("overwrites") {
        let loaded = Loaded::new(Store::new()?, MAIN)?;
        overwrites::overwrites(loaded, overwrites, report)?;
    }
    let others = cpu::others_since(&begun)? * 100.0;
    report.note(&format!("what is not part of this took {others:.0} % of the processors meanwhile"));
    report.note(&format!("{} bounds missed", report.missed()));
    Ok(())
}
