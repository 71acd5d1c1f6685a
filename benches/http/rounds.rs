//! Workloads that are compared take turns in short rounds, so that what else the machine does meets all
//! of them alike.

use std::time::Duration;

use crate::Result;
use crate::load::{Load, Measured};

/// How often each workload has its turn. Many short turns: where the system places the threads of a run
/// decides more of a single figure than anything else.
const ROUNDS: usize = 15;

/// Runs two loads in turns.
pub(crate) fn alternate(a: &Load, b: &Load, turn: Duration) -> Result<Vec<(Measured, Measured)>> {
    (0..ROUNDS)
        .map(|round| {
            // Whoever goes first goes second the next time.
            if round % 2 == 0 {
                let a = a.run(turn)?;
                Ok((a, b.run(turn)?))
            } else {
                let b = b.run(turn)?;
                Ok((a.run(turn)?, b))
            }
        })
        .collect()
}

/// The median.
pub(crate) fn median(figures: impl IntoIterator<Item = f64>) -> f64 {
    let mut figures: Vec<f64> = figures.into_iter().collect();
    figures.sort_by(f64::total_cmp);
    figures.get(figures.len() / 2).copied().unwrap_or(f64::NAN)
}
