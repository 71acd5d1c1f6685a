//! Resolve and set against the server's own `/healthz`, and one connection's set against the bare disk.

use std::sync::Arc;
use std::time::Duration;

use crate::Result;
use crate::disk::Appending;
use crate::report::Report;
use crate::rounds::{in_turns, median};
use crate::workload::{Loaded, Requests};

const TURN: Duration = Duration::from_millis(500);

pub(crate) fn resolve(loaded: &Loaded, report: &mut Report) -> Result<()> {
    against_healthz(loaded, 32, loaded.resolves(), ("resolve", 0.70), report)
}

pub(crate) fn set(loaded: &Loaded, report: &mut Report) -> Result<()> {
    against_healthz(loaded, 64, loaded.sets(), ("set", 0.25), report)
}

fn against_healthz(
    loaded: &Loaded,
    connections: usize,
    requests: Arc<Requests>,
    (name, bound): (&str, f64),
    report: &mut Report,
) -> Result<()> {
    let healthz = loaded.load(connections, loaded.healthz());
    let rounds = in_turns([&loaded.load(connections, requests), &healthz], TURN)?;
    let rate = median(rounds.iter().map(|[asked, _]| asked.rate()));
    let latency = median(rounds.iter().map(|[asked, _]| asked.latency()));
    let cpu = median(rounds.iter().map(|[asked, _]| asked.cpu()));
    let healthz_cpu = median(rounds.iter().map(|[_, healthz]| healthz.cpu()));
    let healthz = median(rounds.iter().map(|[_, healthz]| healthz.rate()));
    report.at_least(
        &format!("{name} / healthz, {connections} connections"),
        median(rounds.iter().map(|[asked, healthz]| asked.rate() / healthz.rate())),
        bound,
        &format!(
            "{rate:.0}/s and {healthz:.0}/s; median {name} {latency:.2} ms; \
             the server's CPU {cpu:.1} and {healthz_cpu:.1} us each"
        ),
    );
    Ok(())
}

pub(crate) fn single(loaded: &Loaded, report: &mut Report) -> Result<()> {
    let load = loaded.load(1, loaded.sets());
    let mut appending = Appending::new()?;
    let mut rounds = Vec::new();
    for _ in 0..15 {
        let sync = appending.run(TURN)?;
        rounds.push((load.run(TURN)?.latency(), sync));
    }
    let set = median(rounds.iter().map(|(set, _)| *set));
    let sync = median(rounds.iter().map(|(_, sync)| *sync));
    report.at_most(
        "set - fdatasync, 1 connection",
        median(rounds.iter().map(|(set, sync)| set - sync)),
        0.4,
        " ms",
        &format!("median set {set:.3} ms, median fdatasync {sync:.3} ms"),
    );
    Ok(())
}
