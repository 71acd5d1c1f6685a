//! Calls of the system that fail: at a start, and while 8 writers are at work.
//!
//! One case is one number n: the n-th call fails, or all from the n-th on until they are told to work again.

use std::sync::Arc;
use std::time::Duration;

use crate::interposer::{Control, Fault, class};
use crate::prepared::{Ended, Prepared};
use crate::random::Random;
use crate::report::{Form, Run};
use crate::support::{Client, Server, Store, eventually};
use crate::traffic::{Measure, Traffic};

/// How calls fail.
#[derive(Debug, Clone, Copy)]
struct Kind {
    fault: Fault,
    classes: u64,
    /// All from the n-th on.
    lasting: bool,
}

/// A full disk refuses what needs room.
const GROWING: u64 = class::WRITES | class::OPENS | class::NAMES;

const KINDS: [Kind; 6] = [
    Kind { fault: Fault::Io, classes: class::CHANGES, lasting: false },
    Kind { fault: Fault::Io, classes: class::CHANGES, lasting: true },
    Kind { fault: Fault::NoSpace, classes: GROWING, lasting: false },
    Kind { fault: Fault::NoSpace, classes: GROWING, lasting: true },
    Kind { fault: Fault::Short, classes: class::WRITES, lasting: false },
    Kind { fault: Fault::Io, classes: class::READS, lasting: false },
];

/// Calls of a server at work after which a fault meets nothing new.
const AT_WORK: u64 = 160;

pub(crate) fn run(run: &mut Run) {
    let mut random = Random::new(run.seed);
    let prepared = Prepared::new(8, Ended::Killed, &mut random);
    let starting: Vec<u64> = KINDS.iter().map(|kind| calls_of_a_start(&prepared, *kind)).collect();
    run.note(format!("a start makes {starting:?} calls"));
    let (mut hits, mut refused) = (0, 0);
    for number in cases(run, starting.iter().sum::<u64>() + AT_WORK * KINDS.len() as u64) {
        if run.is_over(None) {
            break;
        }
        let (kind, n, is_start) = locate(number, &starting);
        let what = format!("{} {n} of {kind:?}", if is_start { "start" } else { "work" });
        run.case(number, &what, |random| {
            let (hit, served) =
                if is_start { start(&prepared, kind, n) } else { work(&prepared, kind, n, random) };
            hits += u64::from(hit);
            refused += u64::from(!served);
        });
    }
    run.note(format!("{hits} met a fault, {refused} starts refused"));
}

/// All of them by hand, and a spread of them in short.
fn cases(run: &Run, all: u64) -> Vec<u64> {
    let range = run.cases(20, all);
    if run.form == Form::Long || range.end - range.start < 2 || range.start > 0 {
        return range.collect();
    }
    let count = range.end;
    (0..count).map(|index| index * all / count + run.seed % (all / count).max(1)).collect()
}

fn locate(mut number: u64, starting: &[u64]) -> (Kind, u64, bool) {
    for (kind, calls) in KINDS.iter().zip(starting) {
        if number < *calls {
            return (*kind, number + 1, true);
        }
        number -= calls;
    }
    let kind = usize::try_from(number / AT_WORK).expect("few").min(KINDS.len() - 1);
    (KINDS[kind], number % AT_WORK + 1, false)
}

fn calls_of_a_start(prepared: &Prepared, kind: Kind) -> u64 {
    prepared.restore();
    let control = Control::new(prepared.store.root());
    control.arm(kind.fault, kind.classes, u64::MAX, u64::MAX);
    drop(serve(&prepared.store, &control).expect("nothing fails"));
    control.counted()
}

fn serve(store: &Arc<Store>, control: &Control) -> Result<Server, crate::support::Finished> {
    let mut command = store.command(["serve"]);
    control.attach(&mut command);
    Server::try_spawn(store, command)
}

fn arm(control: &Control, kind: Kind, n: u64) {
    control.arm(kind.fault, kind.classes, n, if kind.lasting { u64::MAX } else { n });
}

/// A start during which calls fail. Whether one did, and whether the server came up.
fn start(prepared: &Prepared, kind: Kind, n: u64) -> (bool, bool) {
    let mut traffic = prepared.restore();
    let control = Control::new(prepared.store.root());
    arm(&control, kind, n);
    let started = serve(&prepared.store, &control);
    let (hits, call) = control.hits();
    let served = started.is_ok();
    match started {
        Ok(server) => {
            control.disarm();
            check_readiness(&server, &traffic, &call);
            traffic.clone().check_unrevealed(&server.test());
            check_quiet(&server.stderr(), &call);
        }
        Err(finished) => {
            check_quiet(&finished.stderr, &call);
            assert_eq!(finished.code, Some(1), "{call}: {finished:?}");
            assert!(finished.stderr.lines().any(|line| line.starts_with("error: ")), "{call}: {finished:?}");
        }
    }
    // Whatever it was, the next start finds everything.
    let server = prepared.store.serve();
    traffic.check(&server);
    (hits > 0, served)
}

/// Work during which calls fail.
fn work(prepared: &Prepared, kind: Kind, n: u64, random: &mut Random) -> (bool, bool) {
    let mut traffic = prepared.restore();
    let control = Control::new(prepared.store.root());
    let server = serve(&prepared.store, &control).expect("nothing fails yet");
    arm(&control, kind, n);
    let measure = Measure { least: 60, longest: Duration::from_millis(400), bytes: 3000 };
    let (server, _) = traffic.burst(server, &measure, random, |server| server);
    let (hits, call) = control.hits();
    traffic.settle();
    if kind.classes & class::READS == 0 {
        // Reads go on. They may not show what an unanswered write did, which the next start may.
        traffic.clone().check_unrevealed(&server.test());
    }
    check_readiness(&server, &traffic, &call);
    control.disarm();
    let ready = check_readiness(&server, &traffic, &call);
    check_quiet(&server.stderr(), &call);
    if random.chance(500) && ready {
        server.stop();
    } else {
        server.kill();
    }
    let server = prepared.store.serve();
    traffic.check(&server);
    check_quiet(&server.stderr(), &call);
    (hits > 0, true)
}

/// `/readyz` says whether writes work; whether they do.
fn check_readiness(server: &Server, traffic: &Traffic, call: &str) -> bool {
    let api = server.test();
    let body = serde_json::json!({
        "variable_definition_id": traffic.definitions[0], "value": "v", "linked_account_id": "somebody else"
    });
    let ready = |api: &Client| api.at("GET", "/readyz").send().status;
    // A full disk may be found full, or empty again, a moment later.
    eventually(Duration::from_secs(5), &format!("/readyz agrees with a write after {call}"), || {
        let before = ready(&api);
        let set = api.post("/env/values", &body).send().status;
        let after = ready(&api);
        match (set, before, after) {
            (200, 200, 200) => Some(true),
            (503, _, 503) => Some(false),
            (507, 200, 200) => Some(false),
            _ => None,
        }
    })
}

fn check_quiet(stderr: &str, call: &str) {
    assert!(!stderr.contains("panicked"), "{call}: {stderr}");
}
