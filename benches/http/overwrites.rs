//! What is left on disk and in memory of many overwrites of few values, and how long a start takes then.

use crate::Result;
use crate::disk::megabytes_in;
use crate::report::Report;
use crate::rounds::median;
use crate::server::Server;
use crate::workload::Loaded;

/// How many values are overwritten, unless `--overwrites=` says otherwise.
pub(crate) const OVERWRITES: u64 = 2_000_000;
const STARTS: usize = 3;
const MEMORY: f64 = 200.0;

pub(crate) fn overwrites(loaded: Loaded, count: u64, report: &mut Report) -> Result<()> {
    let sets = loaded.load(64, loaded.sets());
    let (mut disk, mut memory, mut seconds) = (0.0_f64, 0.0_f64, Vec::new());
    for _ in 0..count.div_ceil(sets.requests.count()) {
        seconds.push(sets.run_once()?.elapsed.as_secs_f64());
        disk = disk.max(megabytes_in(loaded.server.data()?)?);
        memory = memory.max(loaded.server.memory()?.0);
    }
    let sum: f64 = seconds.iter().sum();
    report.note(&format!("{count} overwrites in {sum:.0} s; at most {disk:.0} MB on disk meanwhile"));
    report.at_most(&format!("memory during {count} overwrites"), memory, MEMORY, " MB", "VmRSS, at most");

    let (mut stopped, mut killed, mut after_kill) = (Vec::new(), Vec::new(), 0.0_f64);
    let (mut store, _) = loaded.server.stop()?;
    for _ in 0..STARTS {
        let server = store.serve()?;
        stopped.push(server.ready.as_secs_f64());
        let server = server.kill()?.serve()?;
        killed.push(server.ready.as_secs_f64());
        after_kill = after_kill.max(server.memory()?.0);
        store = server.stop()?.0;
    }
    report.at_most("start to ready after a stop", median(stopped), 3.0, " s", "");
    report.at_most("start to ready after kill -9", median(killed), 3.0, " s", "");
    report.at_most("memory after that start", after_kill, MEMORY, " MB", "VmRSS, at most");
    let server = store.serve()?;
    size(&server, report)
}

/// What the store takes of the disk, against a base of it: all live records, once and without gaps.
fn size(server: &Server, report: &mut Report) -> Result<()> {
    let data = server.data()?;
    let (all, live) = (megabytes_in(data)?, megabytes_in(&data.join("base"))?);
    let parts = ["base", "journal", "sled"].map(|part| {
        let megabytes = megabytes_in(&data.join(part)).unwrap_or_default();
        format!("{part} {megabytes:.0} MB")
    });
    report.at_most("the store / its live content", all / live, 4.0, "", &parts.join(", "));
    Ok(())
}
