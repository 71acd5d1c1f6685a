//! What a command says and hands over while it runs, before its outcome.

use serde::{Deserialize, Serialize};
use tokio::sync::{mpsc, oneshot};

use crate::control::command::{Command, Outcome, Refusal, execute, failed};
use crate::model::Operator;
use crate::vault::Opened;

/// How far a command has come.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Progress {
    /// What is counted.
    pub of: String,
    /// How much of it is done.
    pub done: u64,
    /// How much of it there is, where that is known.
    pub total: Option<u64>,
}

/// Something that a command says before its outcome.
#[derive(Debug)]
pub enum Part {
    /// How far it has come.
    Progress(Progress),
    /// The next bytes of what it was asked for.
    Data(Vec<u8>),
    /// There are no more bytes. Whoever has made them durable says so here.
    Keep(oneshot::Sender<()>),
}

/// What the server answers, each on a line of its own.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum Reply {
    /// It goes on.
    Alive,
    /// [`Part::Progress`].
    Progress(Progress),
    /// [`Part::Data`]: so many bytes follow the line.
    Data(usize),
    /// [`Part::Keep`]: [`KEPT`] is awaited.
    Keep,
    /// The outcome: nothing follows.
    Done(Result<Outcome, Refusal>),
}

/// Takes parts. Whoever is asked for more than can be taken waits; nobody takes them any more where that fails.
pub type Parts = mpsc::Sender<Part>;

/// What the client answers to [`Reply::Keep`] once it has.
pub(super) const KEPT: u8 = b'\n';

/// How many parts may wait to be taken.
const WAITING: usize = 4;

/// A way for parts.
pub(super) fn channel() -> (Parts, mpsc::Receiver<Part>) {
    mpsc::channel(WAITING)
}

/// Carries out a command in this process, on a store that it has open, and gives `take` each part. Where that fails,
/// the command is given up.
///
/// # Errors
/// Those of the command, and those of `take`, in words.
pub async fn execute_here(
    opened: &Opened,
    operator: Operator,
    command: Command,
    take: &mut dyn FnMut(Part) -> Result<(), String>,
) -> Result<Outcome, Refusal> {
    let (parts, mut taken) = channel();
    let running = async {
        // Owned, so that the way ends with the command.
        let parts = parts;
        execute(opened, operator, command, &parts).await
    };
    let taking = async {
        while let Some(part) = taken.recv().await {
            if let Err(error) = take(part) {
                // Whoever sends the next part learns of it.
                taken.close();
                return Err(failed(error));
            }
        }
        Ok(())
    };
    let (outcome, all_taken) = tokio::join!(running, taking);
    all_taken.and(outcome)
}
