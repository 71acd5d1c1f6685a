//! Follows the server for a program that runs: says when it has to have other variables. Whatever happens to the
//! server, the program goes on with those that it has.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::mpsc::{self, Receiver, RecvTimeoutError, Sender};
use std::time::{Duration, Instant};

use parking_lot::Mutex;

use super::Arguments;
use super::supervisor::{Happening, spawn};
use super::variables::{compose, fetch, fetch_unless};
use crate::cli::client::variable;
use crate::cli::failure::Failure;
use crate::cli::output::complain;
use crate::client::{Api, ClientError, Credential};
use crate::crypto::MacKey;

/// Several changes are waited for until none has come for this long,
const QUIET: Duration = Duration::from_millis(250);
/// but no longer than this.
const RESTLESS: Duration = Duration::from_secs(2);
/// The pause before a server that is away is asked again; it doubles, up to the longest.
const FIRST_PAUSE: Duration = Duration::from_millis(500);
const LONGEST_PAUSE: Duration = Duration::from_secs(30);
/// The pause after a refusal, which will hardly change by itself.
const PAUSE_AFTER_REFUSAL: Duration = Duration::from_secs(60);
/// A connection that lasted so long was a good one.
const LASTING: Duration = Duration::from_secs(10);

/// Says what the program is to be started with, and then each time that this has changed.
pub(super) fn follow(arguments: &Arc<Arguments>, tell: &Sender<Happening>) {
    if let Err(failure) = try_follow(arguments, tell) {
        // Nobody is left to be told when this fails.
        let _ = tell.send(Happening::Impossible(failure));
    }
}

fn try_follow(arguments: &Arc<Arguments>, tell: &Sender<Happening>) -> Result<(), Failure> {
    let mut told = BTreeSet::new();
    let (found, tag) = fetch(arguments)?;
    let environment = compose(arguments, &found, &mut told)?;
    drop(found);
    let key = MacKey::random();
    let print = key.tag(environment.block());
    let _ = tell.send(Happening::Variables(environment));
    let (look, due) = mpsc::channel();
    let link = Arc::new(Link::default());
    spawn("watch", {
        let (arguments, link) = (Arc::clone(arguments), Arc::clone(&link));
        move || watch(&arguments, &link, &look)
    })?;
    Comparison { arguments, link: &link, told, key, print, tag, unfit: None }.run(&due, tell);
    Ok(())
}

/// Tells, by what it remembers of the variables of the program, whether they have changed. That is no variable:
/// a tag of the server's answer, and a MAC.
struct Comparison<'a> {
    arguments: &'a Arguments,
    link: &'a Link,
    told: BTreeSet<String>,
    key: MacKey,
    print: [u8; 32],
    tag: Option<String>,
    /// Why the program cannot have the server's variables, as it was said last.
    unfit: Option<String>,
}

impl Comparison<'_> {
    fn run(mut self, due: &Receiver<()>, tell: &Sender<Happening>) {
        let mut pause = FIRST_PAUSE;
        let mut again = None;
        loop {
            let called = match again {
                Some(pause) => due.recv_timeout(pause),
                None => due.recv().map_err(|_| RecvTimeoutError::Disconnected),
            };
            match called {
                Ok(()) => settle(due),
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => return,
            }
            again = match self.look(tell) {
                Ok(()) => {
                    self.link.is_whole();
                    pause = FIRST_PAUSE;
                    None
                }
                Err(error) => {
                    pause = after(&error, pause);
                    match error {
                        ClientError::Unreachable { .. } => self.link.complain(&error),
                        refusal => self.complain(refusal.to_string()),
                    }
                    Some(pause)
                }
            };
        }
    }

    /// Compares, and says so where the program is to have other variables.
    fn look(&mut self, tell: &Sender<Happening>) -> Result<(), ClientError> {
        let Some((found, tag)) = fetch_unless(self.arguments, self.tag.as_deref())? else { return Ok(()) };
        self.tag = tag;
        match compose(self.arguments, &found, &mut self.told) {
            Ok(environment) => {
                self.unfit = None;
                let print = self.key.tag(environment.block());
                if print != self.print {
                    self.print = print;
                    let _ = tell.send(Happening::Variables(environment));
                }
            }
            Err(failure) => self.complain(failure.to_string()),
        }
        Ok(())
    }

    fn complain(&mut self, why: String) {
        if self.unfit.as_ref() != Some(&why) {
            goes_on(&why);
            self.unfit = Some(why);
        }
    }
}

/// Waits until the changes have come to rest.
fn settle(due: &Receiver<()>) {
    let begun = Instant::now();
    while begun.elapsed() < RESTLESS && due.recv_timeout(QUIET).is_ok() {}
}

/// Watches the server, and calls for a look whenever something may have changed: at each such event, and each time
/// that it is connected, as nobody knows what was missed.
fn watch(arguments: &Arguments, link: &Link, look: &Sender<()>) {
    let (mut pause, mut last) = (FIRST_PAUSE, None);
    loop {
        let begun = Instant::now();
        // Anew each time: a file with a key in it may have another one by now.
        let api = Api::find(arguments.target.url(), variable);
        pause = match api.and_then(|api| watch_once(arguments, &api, &mut last, link, look)) {
            Ok(Ended::ByServer) if begun.elapsed() > LASTING => FIRST_PAUSE,
            // Whether it is away will show.
            Ok(Ended::ByServer) => longer(pause),
            Ok(Ended::ByUs) => return,
            Err(error) => {
                link.complain(&error);
                after(&error, pause)
            }
        };
        std::thread::sleep(pause);
    }
}

enum Ended {
    ByServer,
    ByUs,
}

fn watch_once(
    arguments: &Arguments,
    api: &Api,
    last: &mut Option<String>,
    link: &Link,
    look: &Sender<()>,
) -> Result<Ended, ClientError> {
    let context = arguments.target.context();
    let is_token = matches!(api.credential(), Credential::Token(_));
    let mut watch = api.watch(&context, last.as_deref())?;
    link.is_whole();
    let mut may_have_changed = true;
    loop {
        if may_have_changed && look.send(()).is_err() {
            return Ok(Ended::ByUs);
        }
        match watch.next_change() {
            Ok(Some(change)) => {
                may_have_changed = change.may_concern(&context, is_token);
                *last = change.id.or(last.take());
            }
            Ok(None) | Err(ClientError::Unreachable { .. }) => return Ok(Ended::ByServer),
            Err(error) => return Err(error),
        }
    }
}

/// The pause after a failure.
fn after(error: &ClientError, pause: Duration) -> Duration {
    if matches!(error, ClientError::Unreachable { .. }) { longer(pause) } else { PAUSE_AFTER_REFUSAL }
}

fn longer(pause: Duration) -> Duration {
    (pause * 2).min(LONGEST_PAUSE)
}

/// What was said last of the way to the server, so that it is said once.
#[derive(Default)]
struct Link(Mutex<Option<String>>);

impl Link {
    fn complain(&self, error: &ClientError) {
        let what = match error {
            // In which of many ways it is away may change while it is.
            ClientError::Unreachable { .. } => String::new(),
            other => other.to_string(),
        };
        if self.0.lock().replace(what.clone()) != Some(what) {
            goes_on(&error.to_string());
        }
    }

    fn is_whole(&self) {
        if self.0.lock().take().is_some() {
            complain("coffer: the server answers again");
        }
    }
}

fn goes_on(why: &str) {
    complain(&format!("coffer: the program goes on with the variables that it has: {why}"));
}
