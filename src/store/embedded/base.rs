//! A base: all records in one file, so that journal older than it is no longer needed.
//!
//! ```text
//! header   0  8  "COFFERB\n"
//!          8  4  format                (little-endian, as all numbers here)
//!         12 16  instance
//!         28  8  start: the commit up to which the base is complete
//!         36  4  CRC-32C of bytes 0..36
//! chunk    0  4  length of the payload
//!          4  4  number of records
//!          8  4  CRC-32C of bytes 0..8 and the payload
//!         12  …  payload: postcard of (tree, key, revision, value) for each record
//! trailer  0  4  zero
//!          4  8  number of records
//!         12  8  reached: the last commit of which it may show something
//!         20  4  CRC-32C of the file up to here
//! ```
//!
//! A base is *fuzzy*. It is read from the index while commits go on, so it may hold some commits after its
//! start in part. That does no harm: the journal from the start on is kept, and holds final values, so
//! replaying it puts every key that a later commit touched to where that commit left it. Keys that none
//! touched are as they were at the start. Only a replay to the end of the journal makes a base whole, so
//! its trailer says which commit that end must reach at least. No record tells that: a commit may show in
//! what it deleted.

mod reader;

use std::fs::File;
use std::io::{self, BufWriter, Read, Write};
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};

use serde::{Deserialize, Serialize};

pub(super) use reader::Reader;
use reader::parse_header;

use super::error::{Doing, OpenError, UpkeepError, damaged};
use super::files;
use super::index::Index;
use super::instance::Instance;
use super::logged::Bytes;
use crate::store::{Revision, Tree};

const MAGIC: &[u8; 8] = b"COFFERB\n";
const FORMAT: u32 = 1;
const HEADER: usize = 40;
const TRAILER: usize = 24;
const CHUNK_HEADER: usize = 12;
/// Payload after which a chunk is closed. Also how much the index's readers hold up its writer for.
const CHUNK: usize = 256 << 10;
/// No chunk that we write is larger: one record, at most, above [`CHUNK`].
const CHUNK_LIMIT: usize = 600 << 20;
const ENDING: &str = ".base";
const TEMPORARY: &str = "new";
const MISNAMED: &str = "its name and its header differ";

/// A record as a base keeps it.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
pub(super) struct BaseRecord<'a> {
    pub(super) tree: Tree,
    #[serde(borrow)]
    pub(super) key: Bytes<'a>,
    pub(super) revision: Revision,
    #[serde(borrow)]
    pub(super) value: Bytes<'a>,
}

/// What a whole base says of itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Summary {
    /// The commit up to which it is complete.
    pub(super) start: Revision,
    /// The last commit of which it may show something.
    pub(super) reached: Revision,
    /// Number of records.
    pub(super) records: u64,
    /// Its size.
    pub(super) bytes: u64,
}

/// The path of the base that starts at `start`.
pub(super) fn path(dir: &Path, start: Revision) -> PathBuf {
    dir.join(format!("{:020}{ENDING}", start.0))
}

/// The bases in `dir`, oldest first.
pub(super) fn list(dir: &Path) -> io::Result<Vec<(Revision, PathBuf)>> {
    let mut bases = Vec::new();
    for name in files::names(dir)? {
        let start = name.strip_suffix(ENDING).filter(|digits| digits.len() == 20);
        if let Some(start) = start.and_then(|digits| digits.parse().ok()) {
            bases.push((Revision(start), dir.join(name)));
        }
    }
    bases.sort();
    Ok(bases)
}

/// Writes the first base of a store: one that begins with what `fill` gives the writer, as of commit `start`.
pub(super) fn create<E: From<OpenError>>(
    dir: &Path,
    instance: Instance,
    start: Revision,
    fill: impl FnOnce(&mut Writer) -> Result<(), E>,
) -> Result<(), E> {
    files::create_dir(dir).doing("create", dir)?;
    let mut writer = Writer::begin(&dir.join(TEMPORARY), instance, start).doing("write the base in", dir)?;
    fill(&mut writer)?;
    let end = writer.close_chunk().and_then(|()| writer.finish(start)).and_then(|()| place(dir, start));
    Ok(end.doing("write the base in", dir)?)
}

/// Removes the base that a process was writing when it died.
pub(super) fn remove_unfinished(dir: &Path) -> io::Result<()> {
    files::remove_file(&dir.join(TEMPORARY))
}

/// Writes, verifies and places a base that is complete up to `start`, a commit that the index has.
pub(super) fn write(
    dir: &Path,
    instance: Instance,
    start: Revision,
    index: &Index,
    stop: &AtomicBool,
) -> Result<Summary, UpkeepError> {
    let temporary = dir.join(TEMPORARY);
    let written = write_temporary(&temporary, instance, start, index, stop);
    if written.is_err() {
        // Half a base would only take space.
        remove_unfinished(dir)?;
    }
    let summary = written?;
    place(dir, start)?;
    Ok(summary)
}

fn write_temporary(
    path: &Path,
    instance: Instance,
    start: Revision,
    index: &Index,
    stop: &AtomicBool,
) -> Result<Summary, UpkeepError> {
    let mut writer = Writer::begin(path, instance, start)?;
    for tree in Tree::ALL {
        writer.write_tree(tree, index, stop)?;
    }
    writer.finish(start.max(index.begun()))?;
    forget_cached(path)?;
    verify(path, instance, start, stop)
}

/// Reads a base to its end, unless it is time to stop.
pub(super) fn verify(
    path: &Path,
    instance: Instance,
    start: Revision,
    stop: &AtomicBool,
) -> Result<Summary, UpkeepError> {
    let stopped = || stop.load(Ordering::Relaxed);
    let go_on = &mut |_: &[BaseRecord<'_>]| {
        if stopped() { Err(damaged(path, "it was not read to its end")) } else { Ok(()) }
    };
    match read(path, instance, start, go_on) {
        Err(_) if stopped() => Err(UpkeepError::Stopped),
        other => other.map_err(UpkeepError::Verify),
    }
}

/// Asks the kernel to drop its copy, so that verifying reads what the disk has.
fn forget_cached(path: &Path) -> io::Result<()> {
    use nix::fcntl::{PosixFadviseAdvice, posix_fadvise};
    let file = File::open(path)?;
    Ok(posix_fadvise(&file, 0, 0, PosixFadviseAdvice::POSIX_FADV_DONTNEED)?)
}

fn place(dir: &Path, start: Revision) -> io::Result<()> {
    std::fs::rename(dir.join(TEMPORARY), path(dir, start))?;
    files::sync_dir(dir)
}

/// Deletes the bases older than the one that starts at `newest`.
pub(super) fn free(dir: &Path, newest: Revision) -> io::Result<()> {
    for (start, path) in list(dir)? {
        if start < newest {
            files::remove_file(&path)?;
        }
    }
    files::sync_dir(dir)
}

/// A base in the making.
pub(super) struct Writer {
    out: BufWriter<File>,
    crc: u32,
    payload: Vec<u8>,
    in_chunk: u32,
    records: u64,
    highest: Revision,
}

impl Writer {
    fn begin(path: &Path, instance: Instance, start: Revision) -> io::Result<Writer> {
        let mut writer = Writer {
            out: BufWriter::with_capacity(1 << 16, files::create_file(path)?),
            crc: 0,
            payload: Vec::with_capacity(CHUNK + (CHUNK >> 2)),
            in_chunk: 0,
            records: 0,
            highest: Revision(0),
        };
        let mut header = [0; HEADER];
        header[0..8].copy_from_slice(MAGIC);
        header[8..12].copy_from_slice(&FORMAT.to_le_bytes());
        header[12..28].copy_from_slice(&instance.0);
        header[28..36].copy_from_slice(&start.0.to_le_bytes());
        let crc = crc32c::crc32c(&header[..36]);
        header[36..40].copy_from_slice(&crc.to_le_bytes());
        writer.put(&header)?;
        Ok(writer)
    }

    fn put(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.crc = crc32c::crc32c_append(self.crc, bytes);
        self.out.write_all(bytes)
    }

    fn write_tree(&mut self, tree: Tree, index: &Index, stop: &AtomicBool) -> Result<(), UpkeepError> {
        let mut after: Option<Vec<u8>> = None;
        loop {
            if stop.load(Ordering::Relaxed) {
                return Err(UpkeepError::Stopped);
            }
            // One chunk at a time, and nothing is written to disk while the walk holds up commits.
            let mut last = None;
            index.walk(tree, &[], after.as_deref(), |record| {
                self.add(tree, &record.key, record.revision, &record.value);
                last = Some(record.key);
                if self.payload.len() < CHUNK { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
            })?;
            self.close_chunk()?;
            if last.is_none() {
                return Ok(());
            }
            after = last;
        }
    }

    /// Adds the next record of a base that no index has.
    pub(super) fn push(
        &mut self,
        tree: Tree,
        key: &[u8],
        revision: Revision,
        value: &[u8],
    ) -> io::Result<()> {
        self.add(tree, key, revision, value);
        if self.payload.len() < CHUNK { Ok(()) } else { self.close_chunk() }
    }

    fn add(&mut self, tree: Tree, key: &[u8], revision: Revision, value: &[u8]) {
        let record = BaseRecord { tree, key: Bytes(key), revision, value: Bytes(value) };
        postcard::to_io(&record, &mut self.payload).expect("a vector takes all bytes");
        self.in_chunk += 1;
        self.highest = self.highest.max(revision);
    }

    fn close_chunk(&mut self) -> io::Result<()> {
        if self.in_chunk == 0 {
            return Ok(());
        }
        let len = u32::try_from(self.payload.len()).map_err(io::Error::other)?;
        let mut header = [0; CHUNK_HEADER];
        header[0..4].copy_from_slice(&len.to_le_bytes());
        header[4..8].copy_from_slice(&self.in_chunk.to_le_bytes());
        let crc = crc32c::crc32c_append(crc32c::crc32c(&header[..8]), &self.payload);
        header[8..12].copy_from_slice(&crc.to_le_bytes());
        self.put(&header)?;
        let payload = std::mem::take(&mut self.payload);
        self.put(&payload)?;
        self.payload = payload;
        self.payload.clear();
        self.payload.shrink_to(CHUNK << 1);
        self.records += u64::from(self.in_chunk);
        self.in_chunk = 0;
        Ok(())
    }

    fn finish(&mut self, reached: Revision) -> io::Result<()> {
        let reached = reached.max(self.highest);
        let mut trailer = [0; TRAILER];
        trailer[4..12].copy_from_slice(&self.records.to_le_bytes());
        trailer[12..20].copy_from_slice(&reached.0.to_le_bytes());
        let crc = crc32c::crc32c_append(self.crc, &trailer[..20]);
        trailer[20..24].copy_from_slice(&crc.to_le_bytes());
        self.out.write_all(&trailer)?;
        self.out.flush()?;
        self.out.get_ref().sync_all()
    }
}

/// Takes the records of a base.
pub(super) type Visit<'v> = dyn FnMut(&[BaseRecord<'_>]) -> Result<(), OpenError> + 'v;

/// Reads a whole base, checking all of it.
pub(super) fn read(
    path: &Path,
    instance: Instance,
    start: Revision,
    visit: &mut Visit<'_>,
) -> Result<Summary, OpenError> {
    read_opened(Reader::open(path)?, path, instance, start, visit)
}

/// The same of a base that was opened before: it may have been replaced since.
pub(super) fn read_opened(
    mut reader: Reader,
    path: &Path,
    instance: Instance,
    start: Revision,
    visit: &mut Visit<'_>,
) -> Result<Summary, OpenError> {
    if reader.header(instance)? != start {
        return Err(damaged(path, MISNAMED));
    }
    let mut records = 0;
    let mut highest = Revision(0);
    let mut payload = Vec::new();
    while let Some(count) = reader.chunk(&mut payload)? {
        let chunk = reader.decode(&payload, count)?;
        records += u64::from(count);
        highest = chunk.iter().map(|record| record.revision).fold(highest, Revision::max);
        visit(&chunk)?;
    }
    let reached = reader.trailer(records, highest)?;
    Ok(Summary { start, reached, records, bytes: reader.bytes })
}

/// Checks that `path` begins as the base of this store that starts at `start`.
pub(super) fn check_header(path: &Path, instance: Instance, start: Revision) -> Result<(), OpenError> {
    if Reader::open(path)?.header(instance)? == start { Ok(()) } else { Err(damaged(path, MISNAMED)) }
}

/// The instance in a base's header, if that is whole.
pub(super) fn instance_of(path: &Path) -> Option<Instance> {
    let mut header = [0; HEADER];
    File::open(path).ok()?.read_exact(&mut header).ok()?;
    let instance = Instance(header[12..28].try_into().expect("sixteen bytes"));
    parse_header(&header, instance, path).ok().map(|_| instance)
}
