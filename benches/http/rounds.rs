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
    let rounds = all_in_turns(&loads, turn)?.into_iter();
    rounds.map(|round| round.try_into().map_err(|_| "a load had no turn".into())).collect()
}

/// The same of any number of loads; a round has as many figures, in the same order.
pub(crate) fn all_in_turns(loads: &[&Load], turn: Duration) -> Result<Vec<Vec<Measured>>> {
    (0..ROUNDS)
        .map(|round| {
            // Whoever goes first goes last the next time.
            let first = round % loads.len();
            let (last, now) = loads.split_at(first);
            let mut measured =
                now.iter().chain(last).map(|load| load.run(turn)).collect::<Result<Vec<_>>>()?;
            measured.rotate_right(first);
            Ok(measured)
        })
        .collect()
}

/// The median.
pub(crate) fn median(figures: impl IntoIterator<Item = f64>) -> f64 {
    let mut figures: Vec<f64> = figures.into_iter().collect();
    figures.sort_by(f64::total_cmp);
    figures.get(figures.len() / 2).copied().unwrap_or(f64::NAN)
}
