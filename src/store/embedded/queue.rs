//! The way to the committer: bounded in batches and in bytes, never waited for.

use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};

use tokio::sync::oneshot;

use super::index::Index;
use super::shared::Shared;
use crate::store::{Batch, Error, MAX_BATCH_BYTES, Revision};

/// The answer to a batch.
pub(super) type Answer = Result<Revision, Error>;

/// A batch on its way, and whom to answer.
#[derive(Debug)]
pub(super) struct Submission {
    pub(super) batch: Batch,
    pub(super) weight: usize,
    pub(super) reply: oneshot::Sender<Answer>,
}

/// What the committer is told.
#[derive(Debug)]
pub(super) enum Message {
    /// Commit this.
    Commit(Submission),
    /// Do this between two groups.
    Errand(Errand),
    /// Commit what came before this, then end.
    Close,
}

/// What a compaction needs of the committer.
#[derive(Debug)]
pub(super) enum Errand {
    /// Go on in a new segment of the journal.
    LeaveSegment(SyncSender<Result<(), Error>>),
    /// Use this index, which has the commits up to the given one; the one in use is given back.
    Replace(Box<Index>, Revision, SyncSender<Result<Index, Error>>),
}

/// The senders' end.
#[derive(Debug, Clone)]
pub(super) struct Queue {
    sender: SyncSender<Message>,
    shared: Arc<Shared>,
}

impl Queue {
    /// A queue and its receiving end.
    pub(super) fn new(shared: Arc<Shared>) -> (Queue, Receiver<Message>) {
        let (sender, receiver) = sync_channel(shared.tuning.queue_batches);
        (Queue { sender, shared }, receiver)
    }

    /// Queues a batch; the answer arrives once it was decided and is durable.
    pub(super) fn submit(&self, batch: Batch) -> Result<oneshot::Receiver<Answer>, Error> {
        let weight = batch.weight();
        if weight > MAX_BATCH_BYTES {
            return Err(Error::TooLarge);
        }
        if let Some(error) = self.shared.unwritable() {
            return Err(error);
        }
        self.reserve(weight)?;
        let (reply, answer) = oneshot::channel();
        match self.sender.try_send(Message::Commit(Submission { batch, weight, reply })) {
            Ok(()) => Ok(answer),
            Err(refused) => {
                release(&self.shared, weight);
                Err(match refused {
                    TrySendError::Full(_) => Error::Busy,
                    TrySendError::Disconnected(_) => stopped(),
                })
            }
        }
    }

    /// Has the committer do an errand; waits for room in the queue, and until it is done.
    pub(super) fn send<T>(
        &self,
        errand: impl FnOnce(SyncSender<Result<T, Error>>) -> Errand,
    ) -> Result<T, Error> {
        let (reply, answer) = sync_channel(1);
        self.sender.send(Message::Errand(errand(reply))).map_err(|_| stopped())?;
        answer.recv().unwrap_or_else(|_| Err(stopped()))
    }

    /// Asks the committer to end. Waits for room in the queue.
    pub(super) fn close(&self) {
        // An error means that it has ended already.
        let _ = self.sender.send(Message::Close);
    }

    fn reserve(&self, weight: usize) -> Result<(), Error> {
        let counters = &self.shared.counters;
        let bound = self.shared.tuning.queue_bytes;
        // What waits counts, not what comes: else a large batch would have to find the queue nearly empty,
        // which under load it never is.
        let enter = |waiting| (waiting < bound).then_some(waiting + weight as u64);
        counters.queue_bytes.fetch_update(Relaxed, Relaxed, enter).map_err(|_| Error::Busy)?;
        counters.queue_depth.fetch_add(1, Relaxed);
        Ok(())
    }
}

/// Gives back a queued batch's room.
pub(super) fn release(shared: &Shared, weight: usize) {
    shared.counters.queue_bytes.fetch_sub(weight as u64, Relaxed);
    shared.counters.queue_depth.fetch_sub(1, Relaxed);
}

/// The error where the committer is gone.
pub(super) fn stopped() -> Error {
    Error::Unavailable("the committer has ended".into())
}
