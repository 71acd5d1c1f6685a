//! The journal: the groups of commits that were accepted, in order, each one made durable by one sync.
//!
//! Together with the newest base this is the store; all else is derived from it. Segments of fixed size
//! ([`segment`]) hold frames ([`frame`]), one frame a group. [`read`](mod@read) reads them back.

mod frame;
mod read;
mod segment;
mod spares;

#[cfg(test)]
mod tests;

use std::io;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

pub(super) use frame::FrameBuffer;
pub(super) use read::{End, Visit, read, read_range};

use super::error::{Doing, OpenError};
use super::files;
use super::instance::Instance;
use crate::store::Revision;
use segment::{Directory, START, Segment};
use spares::Spares;

/// The end of the journal, where frames are added.
#[derive(Debug)]
pub(super) struct Journal {
    dir: Directory,
    segment: Segment,
    offset: u64,
    spares: Spares,
}

/// Why a frame was not added.
#[derive(Debug)]
pub(super) enum AppendError {
    /// There was no room for a new segment: nothing was written, and a later try may succeed.
    NoRoom(io::Error),
    /// A write or a sync failed: what is on disk is not known, and must be read anew to be known.
    Failed(io::Error),
}

/// What one append cost.
#[derive(Debug, Clone, Copy)]
pub(super) struct Appended {
    pub(super) bytes: u64,
    pub(super) sync: Duration,
}

impl Journal {
    /// Makes the first segment of a new store, whose first commit is the one after `start`.
    pub(super) fn create(
        dir: &Path,
        instance: Instance,
        start: Revision,
        segment_bytes: u64,
    ) -> io::Result<()> {
        files::create_dir(dir)?;
        Segment::prepare(&segment::spare(dir, 0), instance, segment_bytes)?
            .place(&Directory::open(dir)?, Revision(start.0 + 1))
    }

    /// Continues a journal at the end that reading it found.
    pub(super) fn resume(
        dir: &Path,
        instance: Instance,
        end: End,
        segment_bytes: u64,
    ) -> Result<Journal, OpenError> {
        let End { segment, offset, .. } = end;
        segment::remove_spares(dir).doing("clear", dir)?;
        let spares = Spares::start(dir.to_owned(), instance, segment_bytes).doing("prepare", dir)?;
        let dir = Directory::open(dir).doing("open", dir)?;
        Ok(Journal { dir, segment, offset, spares })
    }

    /// Adds a frame; durable once this is `Ok`.
    pub(super) fn append(&mut self, frame: &mut FrameBuffer) -> Result<Appended, AppendError> {
        let bytes = frame.len();
        if !self.segment.has_room(self.offset, bytes) {
            self.roll(frame.first(), bytes)?;
        }
        let sync = self.write(frame).map_err(AppendError::Failed)?;
        self.offset += bytes;
        Ok(Appended { bytes, sync })
    }

    fn write(&mut self, frame: &mut FrameBuffer) -> io::Result<Duration> {
        self.segment.file.write_all_at(frame.seal(self.segment.seal), self.offset)?;
        let begun = Instant::now();
        self.segment.file.sync_data()?;
        Ok(begun.elapsed())
    }

    /// Leaves the segment, as full as it is, so that none of what is in it is needed once a base has it. Goes on
    /// with commit `first`. A segment that had none yet is replaced.
    pub(super) fn leave_segment(&mut self, first: Revision) -> Result<(), AppendError> {
        self.roll(first, 0)
    }

    /// Goes on in a new segment, which begins with commit `first`.
    fn roll(&mut self, first: Revision, frame_bytes: u64) -> Result<(), AppendError> {
        let mut segment = self.spares.take(START + frame_bytes).map_err(AppendError::NoRoom)?;
        segment.place(&self.dir, first).map_err(AppendError::Failed)?;
        self.segment = segment;
        self.offset = START;
        Ok(())
    }
}

/// Makes the end that was read the end on disk too. To be called before anything else relies on that end.
pub(super) fn settle(end: &End) -> Result<(), OpenError> {
    let End { segment, last_frame, .. } = end;
    resync(segment, *last_frame).doing("write the last frame again in", &segment.path)
}

/// Writes the last frame again, as it is, and syncs it. It may be here only because the page cache had it:
/// when a sync fails, the kernel forgets that the pages were never written, and a later sync would
/// succeed without them. Its sectors get the bytes that they have, so tearing cannot hurt.
fn resync(segment: &Segment, last_frame: Option<(u64, u64)>) -> io::Result<()> {
    let Some((mut offset, len)) = last_frame else { return Ok(()) };
    let end = offset + len;
    let mut piece = vec![0; 1 << 20];
    while offset < end {
        let size = usize::try_from(end - offset).map_or(piece.len(), |left| left.min(piece.len()));
        // A file that was cut may lack the last frame's padding.
        let there = usize::try_from(segment.len.saturating_sub(offset)).map_or(size, |left| left.min(size));
        segment.file.read_exact_at(&mut piece[..there], offset)?;
        piece[there..size].fill(0);
        segment.file.write_all_at(&piece[..size], offset)?;
        offset += size as u64;
    }
    segment.file.sync_data()
}

/// The segment that was written to last.
pub(super) fn newest(dir: &Path) -> io::Result<Option<PathBuf>> {
    Ok(segment::list(dir)?.pop().map(|(_, path)| path))
}

/// Deletes the segments that hold nothing after commit `covered`.
pub(super) fn free(dir: &Path, covered: Revision) -> io::Result<()> {
    let segments = segment::list(dir)?;
    for pair in segments.windows(2) {
        // A segment ends where the next one begins; the last one is being written to.
        if pair[1].0.0 <= covered.0 + 1 {
            files::remove_file(&pair[0].1)?;
        }
    }
    files::sync_dir(dir)
}
