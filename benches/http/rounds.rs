//! Workloads that are compared take turns in short rounds, so that what else the machine does meets all
//! of them alike.

use std::time::Duration;

use crate::Result;
use crate::load::{Load, Measured};

/// How often each workload has its turn. Many short turns: where the system places the threads of a run
/// decides more of a single figure than anything else.
const ROUNDS: usize = 15;

/// Runs loads in turns.
pub(crate) fn in_turns<const N: usize>(loads: [&Load; N], turn: Duration) -> Result<Vec<[Measured; N]>> {
    (0..ROUNDS)
        .map(|round| {
            let mut measured = [const { None }; N];
            // Whoever goes first goes last the next time.
            for place in 0..N {
                let which = (round + place) % N;
                measured[which] = Some(loads[which].run(turn)?);
            }
            let all: Vec<Measured> = measured.into_iter().flatten().collect();
            all.try_into().map_err(|_| "a load had no turn".into())
        })
        .collect()
}

/// The median.
pub(crate) fn median(figures: impl IntoIterator<Item = f64>) -> f64 {
    let mut figures: Vec<f64> = figures.into_iter().collect();
    figures.sort_by(f64::total_cmp);
    figures.get(figures.len() / 2).copied().unwrap_or(f64::NAN)
}
