//! The one thread that writes: takes what is waiting, decides it, makes it durable, makes it visible.

use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::sync::mpsc::Receiver;
use std::thread::JoinHandle;

use super::compaction;
use super::disk::Disk;
use super::group::{self, Accepted, Decision};
use super::index::{Index, IndexWrite};
use super::journal::{AppendError, FrameBuffer, Journal};
use super::keeper::Waker;
use super::queue::{Answer, Errand, Message, Submission, release, stopped};
use super::quiet;
use super::reached::Reached;
use super::shared::Shared;
use crate::store::chain::Heads;
use crate::store::{Error, Revision};

/// The committer.
#[derive(Debug)]
pub(super) struct Committer {
    shared: Arc<Shared>,
    queue: Receiver<Message>,
    journal: Journal,
    reached: Reached,
    keeper: Waker,
    disk: Disk,
    frame: FrameBuffer,
    last: Revision,
    /// The newest records of chains, so that an append need not look for them.
    heads: Heads,
    closing: bool,
}

impl Committer {
    /// Starts the thread. It ends with [`Message::Close`].
    pub(super) fn start(
        shared: Arc<Shared>,
        queue: Receiver<Message>,
        journal: Journal,
        reached: Reached,
        keeper: Waker,
    ) -> std::io::Result<JoinHandle<()>> {
        let committer = Committer {
            disk: Disk::new(shared.dir.clone()),
            last: shared.applied(),
            frame: FrameBuffer::default(),
            heads: Heads::default(),
            closing: false,
            shared,
            queue,
            journal,
            reached,
            keeper,
        };
        std::thread::Builder::new().name("store-committer".into()).spawn(move || {
            let shared = Arc::clone(&committer.shared);
            if quiet::catch(|| committer.run()).is_err() {
                // The queue is gone with it, so whoever waits is answered; this tells the others.
                shared.fail("the committer panicked".into());
            }
        })
    }

    fn run(mut self) {
        let mut group = Vec::new();
        while !self.closing {
            let errand = self.gather(&mut group);
            if !group.is_empty() {
                self.release(&group);
                self.commit_guarded(&mut group);
            }
            if let Some(errand) = errand {
                self.run_errand(errand);
            }
        }
    }

    fn commit_guarded(&mut self, group: &mut Vec<Submission>) {
        // sled may panic on an index that is damaged underneath it. What was synced is safe in the
        // journal; what the index holds now is unknown, so this is an end like a failed sync. Its message
        // stays here, as it may show what a page holds.
        let answers = quiet::catch(|| self.commit(group)).unwrap_or_else(|_| {
            let error = self.fail("the index broke while a commit was applied".into());
            group.iter().map(|_| Err(error.clone())).collect()
        });
        self.answer(group.drain(..), answers);
    }

    fn run_errand(&mut self, errand: Errand) {
        // Nobody listening any more is no error, here as with commits.
        match errand {
            Errand::LeaveSegment(reply) => {
                let _ = reply.send(self.leave_segment());
            }
            Errand::Replace(index, has, reply) => {
                let _ = reply.send(self.replace_index(*index, has));
            }
        }
    }

    fn leave_segment(&mut self) -> Result<(), Error> {
        if let Some(error) = self.shared.failure() {
            return Err(error);
        }
        match self.journal.leave_segment(Revision(self.last.0 + 1)) {
            Ok(()) => Ok(()),
            Err(AppendError::NoRoom(_)) => Err(Error::Full),
            Err(AppendError::Failed(e)) => Err(self.fail(format!("the journal could not be written: {e}"))),
        }
    }

    /// Brings `index` up to the last commit, and lets everybody use it from now on.
    fn replace_index(&self, index: Index, has: Revision) -> Result<Index, Error> {
        if let Some(error) = self.shared.failure() {
            return Err(error);
        }
        compaction::catch_up(&self.shared, &index, has, self.last)?;
        index.set_begun(self.last);
        self.shared.replace_index(index).ok_or_else(stopped)
    }

    /// Waits for a batch, then takes what is there: a group grows while the one before it is synced, so no
    /// delay is needed to fill it.
    /// An errand ends the group.
    fn gather(&mut self, group: &mut Vec<Submission>) -> Option<Errand> {
        let mut bytes = 0;
        let Ok(mut message) = self.queue.recv() else {
            self.closing = true;
            return None;
        };
        loop {
            match message {
                Message::Close => {
                    self.closing = true;
                    return None;
                }
                Message::Errand(errand) => return Some(errand),
                Message::Commit(submission) => {
                    bytes += submission.weight;
                    group.push(submission);
                }
            }
            if group.len() >= self.shared.tuning.group_batches || bytes >= self.shared.tuning.group_bytes {
                return None;
            }
            match self.queue.try_recv() {
                Ok(next) => message = next,
                Err(_) => return None,
            }
        }
    }

    fn release(&self, group: &[Submission]) {
        for submission in group {
            release(&self.shared, submission.weight);
        }
    }

    fn commit(&mut self, group: &[Submission]) -> Vec<Answer> {
        let shared = Arc::clone(&self.shared);
        let all = |error: Error| group.iter().map(|_| Err(error.clone())).collect();
        if let Some(error) = shared.failure() {
            return all(error);
        }
        let index = match shared.index() {
            Ok(index) => index,
            Err(error) => return all(error),
        };
        let low = self.disk.is_low();
        let decision = group::decide(
            &index,
            self.last,
            &self.heads,
            group
                .iter()
                .map(|submission| &submission.batch)
                .map(|batch| if low && !batch.frees_space() { Err(Error::Full) } else { Ok(batch) }),
        );
        if let Some(why) = decision.answers.iter().find_map(damage) {
            self.keeper.suspect(why);
        }
        match self.write(&index, &decision.accepted) {
            Ok(()) => {
                self.heads.update(decision.heads);
                decision.answers
            }
            Err(error) => withdraw(decision, &error),
        }
    }

    /// Makes the accepted batches durable, then visible.
    fn write(&mut self, index: &Index, accepted: &[Accepted<'_>]) -> Result<(), Error> {
        let (Some(first), Some(last)) = (accepted.first(), accepted.last()) else { return Ok(()) };
        self.frame.begin(first.revision);
        for batch in accepted {
            self.frame.push(batch.writes());
        }
        self.append(accepted.len())?;
        self.reached.note(last.revision);
        if let Err(e) = apply(index, accepted) {
            return Err(self.fail(format!("the index does not take writes: {e}")));
        }
        self.last = last.revision;
        self.shared.set_applied(last.revision);
        for batch in accepted {
            let told = batch.writes().filter(|_| batch.is_announced);
            self.shared.feed.add(batch.revision, told.map(|write| write.change()));
        }
        self.shared.counters.commits.fetch_add(accepted.len() as u64, Relaxed);
        Ok(())
    }

    fn append(&mut self, batches: usize) -> Result<(), Error> {
        match self.journal.append(&mut self.frame) {
            Ok(appended) => {
                self.shared.counters.count_sync(batches, appended.bytes, appended.sync);
                self.keeper.note(appended.bytes);
                Ok(())
            }
            Err(AppendError::NoRoom(e)) => {
                tracing::warn!("no room for another journal segment: {e}");
                Err(Error::Full)
            }
            Err(AppendError::Failed(e)) => Err(self.fail(format!("the journal could not be written: {e}"))),
        }
    }

    fn fail(&self, why: String) -> Error {
        self.shared.fail(why.clone());
        Error::Unavailable(why)
    }

    fn answer(&self, group: impl Iterator<Item = Submission>, answers: Vec<Answer>) {
        let conflicts = answers.iter().filter(|answer| matches!(answer, Err(Error::Conflict))).count();
        self.shared.counters.conflicts.fetch_add(conflicts as u64, Relaxed);
        for (submission, answer) in group.zip(answers) {
            // Nobody listening any more is no error: the commit stands.
            let _ = submission.reply.send(answer);
        }
    }
}

/// What a read of the index met, where that is why a batch was refused.
fn damage(answer: &Answer) -> Option<&str> {
    match answer {
        Err(Error::Damaged(why)) => Some(why),
        _ => None,
    }
}

fn apply(index: &Index, accepted: &[Accepted<'_>]) -> sled::Result<()> {
    index.apply(accepted.iter().flat_map(|batch| {
        batch.writes().map(|write| {
            let (tree, key) = write.key();
            IndexWrite { tree, key, value: write.value(), revision: batch.revision }
        })
    }))
}

/// The answers where what was accepted could not be written. Whatever was decided after the first of those
/// batches was decided with them: a conflict may have been with one that never came to be.
fn withdraw(decision: Decision<'_>, error: &Error) -> Vec<Answer> {
    let mut answers = decision.answers;
    let first = answers.iter().position(Result::is_ok).unwrap_or(answers.len());
    answers[first..].fill_with(|| Err(error.clone()));
    answers
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_decided_after_a_withdrawn_batch_is_withdrawn_with_it() {
        let conflict = || Err(Error::Conflict);
        let answers = vec![conflict(), Ok(Revision(4)), conflict(), Ok(Revision(5)), conflict()];
        let answers = withdraw(Decision { answers, ..Decision::default() }, &Error::Full);
        assert!(matches!(answers[0], Err(Error::Conflict)), "it conflicted with what is there");
        assert!(answers[1..].iter().all(|answer| matches!(answer, Err(Error::Full))), "{answers:?}");
        assert_eq!(answers.len(), 5);
    }
}
