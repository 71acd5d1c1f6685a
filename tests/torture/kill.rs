//! `kill -9` among 64 writers, again and again on one store.

use std::time::Duration;

use crate::checkup;
use crate::report::Run;
use crate::support::Server;
use crate::traffic::{Measure, Traffic};

pub(crate) fn run(run: &mut Run) {
    let mut server = Server::start();
    let mut traffic = Traffic::new(&server, 64, 4);
    let mut acknowledged = 0;
    for cycle in run.cases(20, 200) {
        if run.is_over(None) {
            break;
        }
        let mut next = None;
        let held = run.case(cycle, "killed among 64 writers", |random| {
            // Another moment of the writers' lives each time, early ones included.
            let measure = Measure { least: random.below(600), longest: Duration::from_secs(60), bytes: 600 };
            let (store, done) = traffic.burst(server, &measure, random, Server::kill);
            acknowledged += done;
            traffic.settle();
            let mut server = store.serve();
            traffic.check(&server);
            if cycle % 4 == 3 {
                let store = server.stop();
                checkup::check(&store);
                server = store.serve();
            }
            next = Some(server);
        });
        match next {
            Some(next) if held => server = next,
            // What comes after a loss says nothing.
            _ => break,
        }
    }
    run.note(format!("{acknowledged} acknowledged writes"));
}
