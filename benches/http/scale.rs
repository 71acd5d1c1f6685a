//! What changes as a store grows from 1,000 values to 1,000,000: requests, start, memory, disk.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use crate::Result;
use crate::chart::{self, Curves};
use crate::disk::megabytes_in;
use crate::load::Measured;
use crate::report::Report;
use crate::rounds::median;
use crate::server::Store;
use crate::workload::{Layout, Loaded, Requests};

/// Each workflow has 20 values, however many workflows there are.
const DEFINITIONS: usize = 20;
const SUBJECTS: [u64; 4] = [50, 500, 5_000, 50_000];
const TURN: Duration = Duration::from_millis(1000);
const TURNS: usize = 5;
/// How long a server is left alone before its memory is read.
const SETTLE: Duration = Duration::from_secs(3);

/// Measures each size, and draws `into`.
pub(crate) fn scale(into: Option<PathBuf>, report: &Report) -> Result<()> {
    let mut curves = Curves::new(SUBJECTS.map(|subjects| subjects * DEFINITIONS as u64).to_vec());
    for subjects in SUBJECTS {
        size(subjects, &mut curves, report)?;
    }
    into.map_or(Ok(()), |path| chart::draw(&path, |area| curves.draw(area)))
}

fn size(subjects: u64, curves: &mut Curves, report: &Report) -> Result<()> {
    let loaded = Loaded::new(Store::new()?, Layout { definitions: DEFINITIONS, subjects })?;
    report.note(&loaded.told());
    let kinds = [
        ("set, 64 connections", loaded.sets(), 64),
        ("resolve, 32 connections", loaded.resolves(), 32),
        ("list of 10, 32 connections", loaded.lists(), 32),
    ];
    for (what, requests, connections) in kinds {
        let many = rounds(&loaded, &requests, connections)?;
        let one = rounds(&loaded, &requests, 1)?;
        let rate = median(many.iter().map(Measured::rate));
        report.figure(
            what,
            &format!("{rate:.0}/s"),
            &format!(
                "median {:.3} ms at one connection; the server's CPU {:.1} us each",
                median(one.iter().map(Measured::latency)),
                median(many.iter().map(Measured::cpu)),
            ),
        );
        curves.add("requests a second", what, rate);
    }
    std::thread::sleep(SETTLE);
    let grown = loaded.server.memory()?.0;
    let (store, _) = loaded.server.stop()?;
    let server = store.serve()?;
    let stopped = server.ready.as_secs_f64();
    std::thread::sleep(SETTLE);
    let started = server.memory()?.0;
    let disk = megabytes_in(server.data()?)?;
    let server = server.kill()?.serve()?;
    let killed = server.ready.as_secs_f64();
    report.figure("start to ready", &format!("{stopped:.2} s"), &format!("{killed:.2} s after kill -9"));
    report.figure("memory", &format!("{started:.0} MB"), &format!("{grown:.0} MB after the values were set"));
    report.figure("disk", &format!("{disk:.0} MB"), "with history and the audit trail");
    curves.add("start to ready, seconds", "after a stop", stopped);
    curves.add("start to ready, seconds", "after kill -9", killed);
    curves.add("memory, MB", "after a start", started);
    curves.add("memory, MB", "after they were set", grown);
    curves.add("disk, MB", "the store", disk);
    Ok(())
}

fn rounds(loaded: &Loaded, requests: &Arc<Requests>, connections: usize) -> Result<Vec<Measured>> {
    let load = loaded.load(connections, Arc::clone(requests));
    (0..TURNS).map(|_| load.run(TURN)).collect()
}
