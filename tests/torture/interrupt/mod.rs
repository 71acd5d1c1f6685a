//! Commands that are interrupted: killed, or cut off from power, at every step that they take on disk.
//!
//! A command is run once, to its end, under the interposer. Then the store is put together as of each place of
//! that log, as a kill there leaves it and as a power cut does, and everything must be as if the command had
//! not begun, or had ended, or can be begun again. Once it has reported success, it must stand, whatever is cut.

mod commands;
mod kept;

use std::rc::Rc;
use std::sync::Arc;

use crate::disk::{Cut, Disk};
use crate::interposer::Control;
use crate::log::Log;
use crate::prepared::{Ended, Prepared};
use crate::random::Random;
use crate::report::{Form, Run};
use crate::support::Store;
use commands::COMMANDS;

/// A command, and what must hold wherever it was interrupted.
trait Interrupted {
    /// The store as it was before, and what to run on it.
    fn store(&self) -> &Arc<Store>;
    /// Runs the command to its successful end.
    fn act(&mut self, control: &Control);
    /// Checks what is left; `done` where the command had reported success.
    fn check(&mut self, done: bool, random: &mut Random);
}

pub(crate) fn run(run: &mut Run) {
    let mut random = Random::new(run.seed);
    let prepared = Rc::new(Prepared::new(4, Ended::Stopped, &mut random));
    let mut number = 0;
    for (name, can_be_seen, prepare) in COMMANDS {
        let mut command = prepare(&prepared);
        let control = Control::new(command.store().root());
        let mut disk = Disk::load(command.store().root());
        command.act(&control);
        let log = control.log();
        let steps = log.records.len();
        let places = places(&log, run, &mut random);
        run.note(format!("{name} {} of {steps} steps", places.len()));
        if can_be_seen {
            // As if it had reported success without having done anything.
            run.sabotage(&format!("{name} that did nothing"), |random| {
                disk.materialise(Cut::Kill, random);
                command.check(true, random);
            });
        }
        let mut records = log.records.into_iter().enumerate();
        let mut applied = 0;
        for place in places {
            if run.is_over(None) {
                break;
            }
            for (at, record) in records.by_ref().take(place - applied) {
                disk.apply(at, record);
            }
            applied = place;
            for kind in kinds(run.form, &mut random) {
                number += 1;
                let what = format!("{name}, {kind:?} after {place} of {steps} steps");
                run.case(number, &what, |random| {
                    disk.materialise(kind, random);
                    command.check(place == steps, random);
                });
            }
        }
    }
}

/// Which places of a log are tried: all by hand, as long as they are not thousands, and always the end.
fn places(log: &Log, run: &Run, random: &mut Random) -> Vec<usize> {
    let end = log.records.len();
    let most = usize::try_from(run.cases(3, 250).end).expect("few");
    let mut places: Vec<usize> =
        if end < most { (0..end).collect() } else { (1..most).map(|_| random.index(end)).collect() };
    places.push(end);
    places.sort_unstable();
    places.dedup();
    places
}

fn kinds(form: Form, random: &mut Random) -> Vec<Cut> {
    match form {
        Form::Short => vec![*random.pick(&Cut::ALL)],
        Form::Long => vec![Cut::Kill, Cut::Nothing, Cut::Torn],
    }
}
