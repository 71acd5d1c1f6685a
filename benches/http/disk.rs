//! What the disk under the stores takes by itself.

use std::fs::{self, File};
use std::os::unix::fs::{FileExt, MetadataExt};
use std::path::Path;
use std::time::{Duration, Instant};

use crate::Result;
use crate::rounds::median;

const PIECE: usize = 4096;
/// As much as a segment of the journal.
const FILE: usize = 16 << 20;

/// The file system that `path` is on.
pub(crate) fn described(path: &Path) -> Result<String> {
    fs::create_dir_all(path)?;
    let path = path.canonicalize()?;
    let mounts = fs::read_to_string("/proc/mounts")?;
    let on = mounts
        .lines()
        .filter_map(|line| {
            let mut fields = line.split(' ').skip(1);
            Some((fields.next()?, fields.next()?))
        })
        .filter(|(point, _)| path.starts_with(point))
        .max_by_key(|(point, _)| point.len())
        .map_or("unknown", |(_, kind)| kind);
    let warning =
        if on == "tmpfs" { " (a sync costs nothing there: figures of writes mean little)" } else { "" };
    Ok(format!("stores on {on}{warning}"))
}

/// What the files below `dir` take.
pub(crate) fn megabytes_in(dir: &Path) -> Result<f64> {
    let mut bytes = 0.0;
    for entry in fs::read_dir(dir)? {
        let entry = entry?;
        // One may be deleted meanwhile.
        let Ok(metadata) = entry.metadata() else { continue };
        bytes += match metadata.is_dir() {
            true => megabytes_in(&entry.path()).unwrap_or_default(),
            false => metadata.blocks() as f64 * 512.0 / 1e6,
        };
    }
    Ok(bytes)
}

/// A file that was written in full once, so that a sync has no metadata to write: the cheapest there is.
pub(crate) struct Appending {
    file: File,
    offset: usize,
}

impl Appending {
    pub(crate) fn new() -> Result<Appending> {
        let file = tempfile::tempfile_in(crate::server::place())?;
        file.write_all_at(&vec![0; FILE], 0)?;
        file.sync_all()?;
        Ok(Appending { file, offset: 0 })
    }

    /// The median time, in milliseconds, of an `fdatasync` after 4 KiB more.
    pub(crate) fn run(&mut self, turn: Duration) -> Result<f64> {
        let piece = [7; PIECE];
        let mut times = Vec::new();
        let begun = Instant::now();
        while begun.elapsed() < turn {
            self.file.write_all_at(&piece, self.offset as u64)?;
            self.offset = (self.offset + PIECE) % FILE;
            let written = Instant::now();
            self.file.sync_data()?;
            times.push(written.elapsed().as_secs_f64() * 1e3);
        }
        Ok(median(times))
    }
}
