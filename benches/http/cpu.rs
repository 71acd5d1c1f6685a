//! Who used the processors: a rate says little on a machine that does something else as well.

use std::fs;
use std::time::Duration;

use crate::Result;

/// How `/proc` counts time, on every Linux that there is.
const TICKS_PER_SECOND: u64 = 100;

/// The processor time that a process has used.
pub(crate) fn of_process(pid: u32) -> Result<Duration> {
    let [user, system, ..] = times(&pid.to_string())?;
    Ok(Duration::from_millis((user + system) * 1000 / TICKS_PER_SECOND))
}

/// Of a process: user, system, and the same of its children that have ended.
fn times(pid: &str) -> Result<[u64; 4]> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat"))?;
    // The name, in parentheses, may hold anything; eleven fields lie between it and the times.
    let fields = stat.rsplit_once(')').map_or("", |(_, fields)| fields).split_whitespace();
    let times = fields.skip(11).take(4).map(str::parse).collect::<std::result::Result<Vec<u64>, _>>()?;
    times.try_into().map_err(|_| "/proc/PID/stat has no times".into())
}

/// What all processors did, and what this process and its children did.
pub(crate) struct Machine {
    all: u64,
    busy: u64,
    own: u64,
}

impl Machine {
    pub(crate) fn now() -> Result<Machine> {
        let stat = fs::read_to_string("/proc/stat")?;
        let fields = stat.lines().next().unwrap_or_default().split_whitespace().skip(1).take(8);
        let ticks = fields.map(str::parse).collect::<std::result::Result<Vec<u64>, _>>()?;
        // user, nice, system, idle, iowait, irq, softirq, steal
        let idle = ticks.iter().skip(3).take(2).sum::<u64>();
        let all = ticks.iter().sum();
        Ok(Machine { all, busy: all - idle, own: times("self")?.iter().sum() })
    }
}

/// The share of the processors that others used since `begun`. Right once every server was waited for.
pub(crate) fn others_since(begun: &Machine) -> Result<f64> {
    let now = Machine::now()?;
    let others = (now.busy - begun.busy).saturating_sub(now.own - begun.own);
    Ok(others as f64 / (now.all - begun.all).max(1) as f64)
}
