//! Does a request take longer where 200,000 values are stored than where 1,000 are?

use std::time::Duration;

use crate::Result;
use crate::report::Report;
use crate::rounds::{in_turns, median};
use crate::workload::Loaded;

const TURN: Duration = Duration::from_millis(250);
const BOUND: f64 = 1.3;

pub(crate) fn growth(small: &Loaded, large: &Loaded, report: &mut Report) -> Result<()> {
    let kinds = [
        ("resolve", small.resolves(), large.resolves(), 32),
        ("set", small.sets(), large.sets(), 64),
        ("list of 10", small.lists(), large.lists(), 32),
    ];
    for (name, of_small, of_large, many) in kinds {
        let compare = |connections| {
            let small = small.load(connections, of_small.clone());
            in_turns([&small, &large.load(connections, of_large.clone())], TURN)
        };
        let rounds = compare(1)?;
        report.at_most(
            &format!("{name}, 200,000 / 1,000, 1 connection"),
            median(rounds.iter().map(|[small, large]| large.latency() / small.latency())),
            BOUND,
            "",
            &format!(
                "median {:.3} ms and {:.3} ms",
                median(rounds.iter().map(|[_, large]| large.latency())),
                median(rounds.iter().map(|[small, _]| small.latency())),
            ),
        );
        let rounds = compare(many)?;
        report.at_most(
            &format!("{name}, 1,000 / 200,000, {many} connections"),
            median(rounds.iter().map(|[small, large]| small.rate() / large.rate())),
            BOUND,
            "",
            &format!(
                "{:.0}/s of 200,000, {:.0}/s of 1,000",
                median(rounds.iter().map(|[_, large]| large.rate())),
                median(rounds.iter().map(|[small, _]| small.rate())),
            ),
        );
    }
    Ok(())
}
