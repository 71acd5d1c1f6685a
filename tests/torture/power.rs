//! Power cuts: a server under the interposer, and from its log the disk as a cut at any moment leaves it.
//!
//! The cycles follow each other on one store, so that a recovery works on what an earlier cut left, and is cut
//! itself: a cut may come while the server starts. Each cycle's log is cut at several places. What the last of
//! these cuts left is what the next cycle begins with.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use crate::disk::{Cut, Disk};
use crate::interposer::Control;
use crate::log::{Log, Record};
use crate::random::Random;
use crate::report::{Form, Run};
use crate::support::{Server, Store};
use crate::traffic::{Measure, Traffic};

/// How often the log of one cycle is cut.
const CUTS: usize = 4;
/// The same in the short form.
const FEW_CUTS: usize = 2;

pub(crate) fn run(run: &mut Run) {
    let server = Server::start();
    let traffic = Traffic::new(&server, 16, 6);
    let cuts = if run.form == Form::Short { FEW_CUTS } else { CUTS };
    let mut power = Power { store: server.stop(), traffic, cuts, total: Totals::default() };
    for cycle in run.cases(5, 60) {
        if run.is_over(None) {
            break;
        }
        if !run.case(cycle, "cut off", |random| power.cycle(cycle, random)) {
            // What comes after a loss says nothing.
            break;
        }
    }
    let Totals { cuts, acknowledged, records, while_starting, segments, bases } = power.total;
    run.note(format!("{cuts} cuts, {acknowledged} acknowledged writes in {records} records"));
    run.note(format!(
        "{while_starting} cuts while starting, {segments} after new segments, {bases} after new bases"
    ));
}

struct Power {
    store: Arc<Store>,
    traffic: Traffic,
    cuts: usize,
    total: Totals,
}

#[derive(Default)]
struct Totals {
    cuts: usize,
    acknowledged: u64,
    records: usize,
    while_starting: usize,
    segments: usize,
    bases: usize,
}

impl Power {
    /// Works on the store, cuts the power, and checks what is left.
    fn cycle(&mut self, cycle: u64, random: &mut Random) {
        let mut disk = Disk::load(self.store.root());
        let log = self.work(cycle, random);
        let answers = log.answers();
        let mut places: Vec<usize> = (0..self.cuts).map(|_| place(&log, &answers, random)).collect();
        places.sort_unstable();
        // The cut that goes on is any of them, so that what it leaves is not always the most.
        let mut records = log.records.into_iter().enumerate();
        let mut applied = 0;
        let last = places.len() - 1;
        let (mut segments, mut bases) = (false, false);
        let first_answer = answers.values().copied().min().unwrap_or(usize::MAX);
        for (index, place) in places.into_iter().enumerate() {
            for (at, record) in records.by_ref().take(place - applied) {
                segments |= record.places_a("journal");
                bases |= record.places_a("base");
                disk.apply(at, record);
            }
            applied = place;
            let cut = *random.pick(&Cut::ALL);
            disk.materialise(cut, random);
            let mut traffic = self.traffic.clone();
            // Of `place` records, the last one has the number `place` - 1.
            match place.checked_sub(1) {
                Some(last) => traffic.rewind(last, &answers),
                None => traffic.rewind(0, &HashMap::new()),
            }
            self.total.cuts += 1;
            self.total.while_starting += usize::from(place < first_answer);
            self.total.segments += usize::from(segments);
            self.total.bases += usize::from(bases);
            if index == last {
                self.traffic = traffic;
                return;
            }
            self.check(&mut traffic, &format!("{cut:?} at {place}"));
        }
    }

    fn check(&self, traffic: &mut Traffic, what: &str) {
        let server = match self.store.try_serve() {
            Ok(server) => server,
            Err(finished) => panic!("LOST: {what}: does not start: {}", finished.stderr),
        };
        traffic.check(&server);
        assert!(!server.stderr().contains("panicked"), "{}", server.stderr());
    }

    /// What a server did to the disk, until it was killed; what it was asked and answered is in the promises.
    fn work(&mut self, cycle: u64, random: &mut Random) -> Log {
        let control = Control::new(self.store.root());
        control.pretend_syncs(random.below(3000));
        let mut command = self.store.command(["serve"]);
        control.attach_logged(&mut command);
        let server = Server::spawn(&self.store, command);
        self.traffic.check(&server);
        let measure = match cycle % 8 {
            // So much that segments are filled, and a base is written.
            6 => Measure { least: 2500, longest: Duration::from_secs(60), bytes: 65_000 },
            1 | 4 => {
                Measure { least: 500 + random.below(500), longest: Duration::from_secs(60), bytes: 65_000 }
            }
            _ => Measure { least: random.below(400), longest: Duration::from_secs(60), bytes: 3000 },
        };
        let (_, done) = self.traffic.burst(server, &measure, random, |server| {
            assert!(!server.stderr().contains("panicked"), "{}", server.stderr());
            server.kill()
        });
        let log = control.log();
        self.total.acknowledged += done;
        self.total.records += log.records.len();
        log
    }
}

/// Somewhere in a log: often at its end, where most was promised, and now and then before the first answer.
fn place(log: &Log, answers: &HashMap<String, usize>, random: &mut Random) -> usize {
    let end = log.records.len();
    let first_answer = answers.values().copied().min().unwrap_or(end);
    match random.below(10) {
        0..=2 => end,
        3..=7 => first_answer + random.index(end - first_answer + 1),
        8 => random.index(first_answer + 1),
        // Between a write and its sync, or a name and its.
        _ => {
            let syncs: Vec<usize> =
                (0..end).filter(|at| matches!(log.records[*at], Record::Sync { .. })).collect();
            if syncs.is_empty() { end } else { *random.pick(&syncs) }
        }
    }
}
