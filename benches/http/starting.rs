//! How long a start takes, what an idle server holds of memory, how large the binary is.

use std::time::Duration;

use crate::Result;
use crate::report::Report;
use crate::rounds::median;
use crate::server::{Server, Store, binary};
use crate::workload::Loaded;

/// How long a server is left alone before its memory is read.
const SETTLE: Duration = Duration::from_secs(3);
const STARTS: usize = 3;

pub(crate) fn size(report: &mut Report) -> Result<()> {
    let megabytes = std::fs::metadata(binary())?.len() as f64 / 1e6;
    report.at_most("binary, stripped", megabytes, 15.0, " MB", "");
    Ok(())
}

pub(crate) fn empty(report: &mut Report) -> Result<()> {
    let mut store = Store::new()?;
    let mut times = Vec::new();
    for _ in 0..STARTS {
        let server = store.serve()?;
        times.push(server.ready.as_secs_f64());
        store = server.stop()?.0;
    }
    report.at_most("start to ready, empty", median(times), 1.0, " s", "with the default key derivation");
    Ok(())
}

pub(crate) fn idle_empty(report: &mut Report) -> Result<()> {
    let server = Store::new()?.serve()?;
    idle(&server, "idle memory, empty", 60.0, report)
}

fn idle(server: &Server, what: &str, bound: f64, report: &mut Report) -> Result<()> {
    std::thread::sleep(SETTLE);
    let (now, most) = server.memory()?;
    let detail = format!("VmRSS; VmHWM {most:.0} MB, the key derivation's 67 MB included");
    report.at_most(what, now, bound, " MB", &detail);
    Ok(())
}

pub(crate) fn large(loaded: Loaded, starts: bool, memory: bool, report: &mut Report) -> Result<()> {
    if memory {
        idle(&loaded.server, "idle memory, 200,000, after the load", 200.0, report)?;
    }
    let (mut store, stopping) = loaded.server.stop()?;
    report.note(&format!("stopping took {:.2} s", stopping.as_secs_f64()));
    let (mut clean, mut killed) = (Vec::new(), Vec::new());
    for _ in 0..if starts { STARTS } else { 1 } {
        let server = store.serve()?;
        clean.push(server.ready.as_secs_f64());
        if memory && clean.len() == 1 {
            idle(&server, "idle memory, 200,000, after a start", 200.0, report)?;
        }
        let server = server.kill()?.serve()?;
        killed.push(server.ready.as_secs_f64());
        store = server.stop()?.0;
    }
    if starts {
        report.at_most("start to ready, 200,000, after a stop", median(clean), 3.0, " s", "");
        report.at_most("start to ready, 200,000, after kill -9", median(killed), 3.0, " s", "");
    }
    Ok(())
}
