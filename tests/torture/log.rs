//! What a process did to its files, in order, as `faults.c` wrote it down.

use std::collections::HashMap;
use std::path::{Path, PathBuf};

/// One change, sync or answer.
#[derive(Debug, Clone)]
pub(crate) enum Record {
    /// These bytes at this offset.
    Write { inode: u64, offset: u64, bytes: Bytes },
    /// The file has this length.
    Truncate { inode: u64, length: u64 },
    /// A file was made, or a directory.
    Made { inode: u64, path: PathBuf, is_dir: bool },
    /// A name was changed.
    Rename { from: PathBuf, to: PathBuf },
    /// A name was removed.
    Remove { path: PathBuf },
    /// What was done to this file or directory before the record `begun` is stable.
    Sync { inode: u64, begun: u64 },
    /// The answer to this request is about to go out.
    Answer { request: String },
}

/// What was written: zeros are many, and need no room.
#[derive(Debug, Clone)]
pub(crate) enum Bytes {
    Zeros(usize),
    Some(Vec<u8>),
}

impl Bytes {
    pub(crate) fn len(&self) -> usize {
        match self {
            Bytes::Zeros(len) => *len,
            Bytes::Some(bytes) => bytes.len(),
        }
    }
}

/// All of it. The place of a record is its index.
pub(crate) struct Log {
    pub(crate) records: Vec<Record>,
}

const HEADER: usize = 40;

impl Log {
    /// Reads a log. A process that was killed may have left half a record at its end.
    pub(crate) fn read(path: &Path) -> Log {
        let bytes = std::fs::read(path).expect("the process was logged");
        let mut records = Vec::new();
        let mut rest = bytes.as_slice();
        while let Some((record, after)) = parse(rest) {
            records.push(record);
            rest = after;
        }
        Log { records }
    }

    /// At which place each answer was promised.
    pub(crate) fn answers(&self) -> HashMap<String, usize> {
        let mut answers = HashMap::new();
        for (place, record) in self.records.iter().enumerate() {
            if let Record::Answer { request } = record {
                answers.entry(request.clone()).or_insert(place);
            }
        }
        answers
    }
}

fn parse(bytes: &[u8]) -> Option<(Record, &[u8])> {
    let header = bytes.get(..HEADER)?;
    let small = |at: usize| u32::from_le_bytes(header[at..at + 4].try_into().expect("four bytes"));
    let large = |at: usize| u64::from_le_bytes(header[at..at + 8].try_into().expect("eight bytes"));
    let (kind, zeros, inode, a, b) = (small(0), small(4) == 1, large(8), large(16), large(24));
    let (first_len, second_len) = (small(32) as usize, small(36) as usize);
    let first = bytes.get(HEADER..HEADER + first_len)?;
    let second = bytes.get(HEADER + first_len..HEADER + first_len + second_len)?;
    let rest = &bytes[HEADER + first_len + second_len..];
    let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).expect("paths and ids are text");
    let path = |bytes: &[u8]| PathBuf::from(text(bytes));
    let len = usize::try_from(b).expect("a length");
    let record = match kind {
        1 if zeros => Record::Write { inode, offset: a, bytes: Bytes::Zeros(len) },
        1 => Record::Write { inode, offset: a, bytes: Bytes::Some(first.to_vec()) },
        2 => Record::Truncate { inode, length: a },
        3 => Record::Made { inode, path: path(first), is_dir: false },
        4 => Record::Rename { from: path(first), to: path(second) },
        5 | 7 => Record::Remove { path: path(first) },
        6 => Record::Made { inode, path: path(first), is_dir: true },
        8 => Record::Sync { inode, begun: a },
        9 => Record::Answer { request: text(first) },
        10 => panic!("the model of a disk does not know {}", text(first)),
        other => panic!("no record is of kind {other}: faults.c and log.rs disagree"),
    };
    Some((record, rest))
}

impl Record {
    /// Whether a file of this kind came into its place.
    pub(crate) fn places_a(&self, kind: &str) -> bool {
        matches!(self, Record::Rename { to, .. } if to.extension().is_some_and(|found| found == kind))
    }
}
