//! Every parser that meets bytes from outside, given bytes that are nearly right.
//!
//! What is public in the library is called in this process; the rest is met as outside bytes meet it, over HTTP
//! and on the command line. Nothing may panic, and nothing may be taken for what it is not. The mutations
//! are blind: on stable Rust nothing tells which branches they reach.

mod files;
mod http;
mod inside;
mod mutation;
mod started;

use std::time::Duration;

use crate::random::Random;
use crate::report::{Form, Run};

/// How long the short form goes on where nobody says, so that it takes no longer on a slow machine.
const SHORT: Duration = Duration::from_secs(20);

/// A parser, and one batch of inputs for it.
trait Target {
    fn name(&self) -> &'static str;
    /// Tries some inputs; how many.
    fn batch(&mut self, random: &mut Random) -> u64;
}

pub(crate) fn run(run: &mut Run) {
    let mut targets: Vec<Box<dyn Target>> = inside::targets();
    targets.extend(http::targets());
    targets.extend(started::targets());
    targets.extend(files::targets());
    let mut inputs = vec![0; targets.len()];
    let count = targets.len();
    // Each target gets its turn, however short the time is.
    let budget = (run.form == Form::Short).then_some(SHORT);
    for case in run.cases(4 * count as u64, 400 * count as u64) {
        if case >= count as u64 && run.is_over(budget) {
            break;
        }
        let index = usize::try_from(case).expect("few") % count;
        let name = targets[index].name();
        run.case(case, name, |random| inputs[index] += targets[index].batch(random));
    }
    let mut careless = inside::careless();
    run.sabotage("a parser that panics at times", |random| assert!(careless.batch(random) > 0));
    let said: Vec<String> =
        targets.iter().zip(&inputs).map(|(target, inputs)| format!("{} {inputs}", target.name())).collect();
    run.note(said.join(", "));
}

/// Bytes as they can be put into a test.
fn shown(bytes: &[u8]) -> String {
    bytes.iter().take(400).flat_map(|byte| std::ascii::escape_default(*byte)).map(char::from).collect()
}
