//! Reads the journal, and tells the end of it from damage in it.
//!
//! The process may stop in the middle of a frame. That frame was never acknowledged, and nothing follows
//! it: the next frame is only written after it was synced. So the first frame that does not hold is the
//! end if no later one does; else something that was acknowledged is gone, and the store must not open.

use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use super::frame::{self, FrameHeader, SECTOR};
use super::segment::{self, START, Segment};
use crate::store::Revision;
use crate::store::embedded::error::{Doing, OpenError, damaged};
use crate::store::embedded::instance::Instance;
use crate::store::embedded::logged::Logged;

/// Takes the writes of each commit.
pub(in crate::store::embedded) type Visit<'v> =
    dyn FnMut(Revision, &[Logged<'_>]) -> Result<(), OpenError> + 'v;

/// Where the journal ends.
#[derive(Debug)]
pub(in crate::store::embedded) struct End {
    /// The segment to go on in.
    pub(super) segment: Segment,
    /// Where in it.
    pub(super) offset: u64,
    /// Offset and length of that segment's last frame.
    pub(super) last_frame: Option<(u64, u64)>,
    /// The last commit.
    pub(in crate::store::embedded) last: Revision,
    /// Bytes of frames that were read.
    pub(in crate::store::embedded) bytes: u64,
}

/// Reads every commit after `base`, in order. Changes nothing.
///
/// # Errors
/// [`OpenError::Damaged`] where an acknowledged commit is damaged or missing.
pub(in crate::store::embedded) fn read(
    dir: &Path,
    instance: Instance,
    base: Revision,
    visit: &mut Visit<'_>,
) -> Result<End, OpenError> {
    let Needed { first, mut path, later } = needed(dir, base)?;
    let mut reader = Reader { base, next: first, bytes: 0, payload: Vec::new(), visit };
    for (first, next) in later {
        let segment = Segment::open(&path, instance)?;
        reader.read_segment(&segment)?;
        reader.expect_next(&segment, first, &next)?;
        path = next;
    }
    let segment = Segment::open(&path, instance)?;
    let (offset, last_frame) = reader.read_segment(&segment)?;
    let last = Revision(reader.next.0 - 1);
    Ok(End { segment, offset, last_frame, last, bytes: reader.bytes })
}

/// Reads the commits after `after` up to `until`, which was synced: whatever is being written behind it is not
/// looked at. Changes nothing.
///
/// # Errors
/// [`OpenError::Damaged`] where one of them is damaged or missing.
pub(in crate::store::embedded) fn read_range(
    dir: &Path,
    instance: Instance,
    after: Revision,
    until: Revision,
    visit: &mut Visit<'_>,
) -> Result<(), OpenError> {
    if after >= until {
        return Ok(());
    }
    let Needed { first, path, later } = needed(dir, after)?;
    let mut reader = Reader { base: after, next: first, bytes: 0, payload: Vec::new(), visit };
    for path in std::iter::once(path).chain(later.into_iter().map(|(_, path)| path)) {
        let segment = Segment::open(&path, instance)?;
        let mut offset = START;
        while reader.next <= until
            && let Some(header) = reader.expected_frame(&segment, offset)?
        {
            offset += header.len();
        }
        if reader.next > until {
            return Ok(());
        }
    }
    Err(damaged(dir, format_args!("commit {} is missing", reader.next.0)))
}

/// The segments from the one that holds the commit after a base.
struct Needed {
    /// What the first of them begins with.
    first: Revision,
    path: PathBuf,
    later: Vec<(Revision, PathBuf)>,
}

fn needed(dir: &Path, base: Revision) -> Result<Needed, OpenError> {
    let missing = || damaged(dir, format_args!("the segment with commit {} is missing", base.0 + 1));
    let mut segments = segment::list(dir).doing("list", dir)?;
    let behind = segments.partition_point(|(first, _)| first.0 <= base.0 + 1);
    let later = segments.split_off(behind);
    let (first, path) = segments.pop().ok_or_else(missing)?;
    Ok(Needed { first, path, later })
}

struct Reader<'r, 'v> {
    base: Revision,
    next: Revision,
    bytes: u64,
    payload: Vec<u8>,
    visit: &'r mut Visit<'v>,
}

impl Reader<'_, '_> {
    /// Reads one segment's frames. Returns where they end, and where the last one is.
    fn read_segment(&mut self, segment: &Segment) -> Result<(u64, Option<(u64, u64)>), OpenError> {
        let mut offset = START;
        let mut last_frame = None;
        while let Some(header) = self.expected_frame(segment, offset)? {
            last_frame = Some((offset, header.len()));
            offset += header.len();
            self.bytes += header.len();
        }
        self.expect_nothing_after(segment, offset)?;
        Ok((offset, last_frame))
    }

    /// Visits the frame at `offset`, if one holds there, which must be the next one.
    fn expected_frame(&mut self, segment: &Segment, offset: u64) -> Result<Option<FrameHeader>, OpenError> {
        let Some(header) = self.frame_at(segment, offset)? else { return Ok(None) };
        if header.first != self.next {
            return Err(damaged(
                &segment.path,
                format_args!(
                    "commit {} stands at byte {offset}, where {} belongs",
                    header.first.0, self.next.0
                ),
            ));
        }
        self.visit_frame(segment, offset, header)?;
        Ok(Some(header))
    }

    /// The frame at `offset`, if one holds there; its payload is then in `self.payload`.
    fn frame_at(&mut self, segment: &Segment, offset: u64) -> Result<Option<FrameHeader>, OpenError> {
        let left = segment.len.saturating_sub(offset);
        if left < frame::HEADER as u64 {
            return Ok(None);
        }
        let mut raw = [0; frame::HEADER];
        segment.file.read_exact_at(&mut raw, offset).doing("read", &segment.path)?;
        let Some(header) = FrameHeader::parse(&raw, segment.seal) else { return Ok(None) };
        if header.payload as u64 > left - frame::HEADER as u64 {
            return Ok(None);
        }
        self.payload.resize(header.payload, 0);
        segment
            .file
            .read_exact_at(&mut self.payload, offset + frame::HEADER as u64)
            .doing("read", &segment.path)?;
        Ok(header.holds(&self.payload, segment.seal).then_some(header))
    }

    fn visit_frame(&mut self, segment: &Segment, offset: u64, header: FrameHeader) -> Result<(), OpenError> {
        let batches = frame::decode(&self.payload, header.batches).map_err(|e| {
            damaged(
                &segment.path,
                format_args!("the frame at byte {offset} is whole but makes no sense: {e}"),
            )
        })?;
        for writes in batches {
            if self.next > self.base {
                (self.visit)(self.next, &writes)?;
            }
            self.next.0 += 1;
        }
        Ok(())
    }

    /// Refuses if a frame holds anywhere behind `end`.
    fn expect_nothing_after(&mut self, segment: &Segment, end: u64) -> Result<(), OpenError> {
        const WINDOW: usize = 2048 * SECTOR;
        let mut window = vec![0; WINDOW];
        let mut offset = end + SECTOR as u64;
        while offset < segment.len {
            let size = usize::try_from(segment.len - offset).map_or(WINDOW, |left| left.min(WINDOW));
            segment.file.read_exact_at(&mut window[..size], offset).doing("read", &segment.path)?;
            for at in (0..size).step_by(SECTOR) {
                // The mark is random: a sector that begins with it was a frame's first.
                if window[at..size].starts_with(&segment.seal.mark)
                    && let Some(header) = self.frame_at(segment, offset + at as u64)?
                {
                    return Err(self.lost(segment, end, header.first));
                }
            }
            offset += size as u64;
        }
        Ok(())
    }

    fn lost(&self, segment: &Segment, end: u64, later: Revision) -> OpenError {
        damaged(
            &segment.path,
            format_args!(
                "commit {} at byte {end} cannot be read, while commit {} behind it can",
                self.next.0, later.0
            ),
        )
    }

    /// Refuses if the segment after `segment` does not go on where that one ends.
    fn expect_next(&self, segment: &Segment, first: Revision, path: &Path) -> Result<(), OpenError> {
        if first == self.next {
            return Ok(());
        }
        Err(damaged(
            &segment.path,
            format_args!(
                "it ends before commit {}, and {} begins with commit {}",
                self.next.0,
                path.display(),
                first.0
            ),
        ))
    }
}
