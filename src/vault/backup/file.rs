//! The bytes of a backup. Numbers are little-endian.
//!
//! ```text
//! header   0  8  "COFFERBK"
//!          8  4  format
//!         12 16  id: random, the backup's key follows from it and the master key
//!         28  8  revision: the commit that it is as of
//!         36  8  when it was made, in milliseconds since 1970
//!         44  4  length of the keyring
//!         48  …  the keyring, as it lies beside the store
//! piece    0  1  0: records, 1: the end
//!          1  4  length of what follows
//!          5  …  sealed: postcard of (tree, key, revision, value) for each record; at the end their number,
//!                in 8 bytes
//! ```
//! Each piece is bound to the header, the keyring and its own first five bytes, and to its place in the row
//! ([`Piece`]): no byte of the file can change, and none can be left out or added, without its being noticed.

use std::fs::File;
use std::io::{BufReader, Read};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::crypto::backup::Piece;
use crate::crypto::{BackupKey, Keyring, KeyringError, Passphrase};
use crate::model::Timestamp;
use crate::store::{Revision, Tree};
use crate::vault::backup::BackupError;

const MAGIC: &[u8; 8] = b"COFFERBK";
const FORMAT: u32 = 1;
const HEADER: usize = 48;
const PIECE_HEADER: usize = 5;
/// Bytes of records after which a piece is closed.
const PIECE: usize = 256 << 10;
/// No piece that we write is larger: one record, at most, above [`PIECE`].
const PIECE_LIMIT: usize = 600 << 20;
/// A keyring has 190 bytes; a later one may have more.
const KEYRING_LIMIT: usize = 64 << 10;

const RECORDS: u8 = 0;
const END: u8 = 1;

/// A record as a backup has it.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct BackupRecord<'a> {
    pub(super) tree: Tree,
    #[serde(borrow)]
    pub(super) key: &'a [u8],
    pub(super) revision: Revision,
    #[serde(borrow)]
    pub(super) value: &'a [u8],
}

/// Makes the bytes of a backup, piece by piece.
pub(super) struct BackupWriter {
    key: BackupKey,
    /// What every piece is bound to.
    head: Vec<u8>,
    number: u64,
    records: u64,
    /// The piece in the making, behind room for its header.
    piece: Vec<u8>,
}

impl BackupWriter {
    /// Begins a backup as of commit `revision`, of the store that `file` is the keyring of. Returns its first bytes
    /// too.
    pub(super) fn begin(
        keyring: &Keyring,
        file: &[u8],
        revision: Revision,
        created_at: Timestamp,
    ) -> (BackupWriter, Vec<u8>) {
        let id = BackupKey::random_id();
        let len = u32::try_from(file.len()).expect("a keyring has 190 bytes");
        let mut head = Vec::with_capacity(HEADER + file.len());
        head.extend_from_slice(MAGIC);
        head.extend_from_slice(&FORMAT.to_le_bytes());
        head.extend_from_slice(&id);
        head.extend_from_slice(&revision.0.to_le_bytes());
        head.extend_from_slice(&created_at.as_millis().to_le_bytes());
        head.extend_from_slice(&len.to_le_bytes());
        head.extend_from_slice(file);
        let first = head.clone();
        let key = keyring.backup_key(&id);
        (BackupWriter { key, head, number: 0, records: 0, piece: vec![0; PIECE_HEADER] }, first)
    }

    /// Adds a record. Returns a piece that it made full.
    pub(super) fn push(&mut self, record: &BackupRecord<'_>) -> Option<Vec<u8>> {
        postcard::to_io(record, &mut self.piece).expect("a vector takes all bytes");
        self.records += 1;
        (self.piece.len() >= PIECE).then(|| self.close(RECORDS))
    }

    /// The bytes that end the backup.
    pub(super) fn end(mut self) -> Vec<u8> {
        let mut bytes = if self.piece.len() > PIECE_HEADER { self.close(RECORDS) } else { Vec::new() };
        self.piece.extend_from_slice(&self.records.to_le_bytes());
        bytes.append(&mut self.close(END));
        bytes
    }

    /// How many records it has so far.
    pub(super) fn records(&self) -> u64 {
        self.records
    }

    fn close(&mut self, kind: u8) -> Vec<u8> {
        let mut piece = std::mem::replace(&mut self.piece, vec![0; PIECE_HEADER]);
        let len = piece.len() - PIECE_HEADER + BackupKey::OVERHEAD;
        let len = u32::try_from(len).expect("a record is below 512 MiB: see MAX_BATCH_BYTES");
        piece[0] = kind;
        piece[1..PIECE_HEADER].copy_from_slice(&len.to_le_bytes());
        let associated = [&self.head, &piece[..PIECE_HEADER]].concat();
        let at = Piece { number: self.number, is_last: kind == END };
        self.key.seal(at, &associated, &mut piece, PIECE_HEADER);
        self.number += 1;
        piece
    }
}

/// A backup that is being read.
pub(super) struct BackupReader {
    path: PathBuf,
    from: BufReader<File>,
    /// Length of the file, and how much of it was read.
    pub(super) len: u64,
    pub(super) read: u64,
    head: Vec<u8>,
    key: BackupKey,
    pub(super) keyring: Arc<Keyring>,
    pub(super) revision: Revision,
    pub(super) created_at: Timestamp,
    number: u64,
    records: u64,
}

impl BackupReader {
    /// Opens a backup with the passphrase of the store that it is of. Slow on purpose.
    pub(super) fn open(path: &Path, passphrase: &Passphrase) -> Result<BackupReader, BackupError> {
        BackupReader::open_with(path, |bytes| Keyring::open(bytes, passphrase).map(Arc::new))
    }

    /// Opens a backup whose keyring `unlock` opens.
    pub(super) fn open_with(
        path: &Path,
        unlock: impl FnOnce(&[u8]) -> Result<Arc<Keyring>, KeyringError>,
    ) -> Result<BackupReader, BackupError> {
        // Before it is opened: a pipe that nobody writes would hold up the opening for good.
        let metadata = std::fs::metadata(path).map_err(BackupError::file(path))?;
        if !metadata.is_file() {
            return Err(damaged(path, "it is no regular file"));
        }
        let file = File::open(path).map_err(BackupError::file(path))?;
        let (len, mut from) = (metadata.len(), BufReader::with_capacity(1 << 16, file));
        let mut head = vec![0; HEADER];
        take(path, &mut from, &mut head)?;
        if head[0..8] != *MAGIC {
            return Err(damaged(path, "it does not begin like a backup"));
        }
        match u32::from_le_bytes(head[8..12].try_into().expect("four bytes")) {
            FORMAT => {}
            found if found > FORMAT => {
                return Err(BackupError::Newer { path: path.to_owned(), found, known: FORMAT });
            }
            _ => return Err(damaged(path, "its format number is wrong")),
        }
        let keyring_len = u32::from_le_bytes(head[44..48].try_into().expect("four bytes")) as usize;
        if keyring_len > KEYRING_LIMIT {
            return Err(damaged(path, "its header does not hold"));
        }
        head.resize(HEADER + keyring_len, 0);
        take(path, &mut from, &mut head[HEADER..])?;
        let keyring =
            unlock(&head[HEADER..]).map_err(|cause| BackupError::Keyring { path: path.to_owned(), cause })?;
        let id = head[12..28].try_into().expect("sixteen bytes");
        let number = |at: usize| -> [u8; 8] { head[at..at + 8].try_into().expect("eight bytes") };
        Ok(BackupReader {
            revision: Revision(u64::from_le_bytes(number(28))),
            created_at: Timestamp::from_millis(i64::from_le_bytes(number(36))),
            key: keyring.backup_key(&id),
            keyring,
            path: path.to_owned(),
            from,
            len,
            read: head.len() as u64,
            head,
            number: 0,
            records: 0,
        })
    }

    /// The bytes of the keyring in it.
    pub(super) fn keyring_file(&self) -> &[u8] {
        &self.head[HEADER..]
    }

    /// Reads the next piece's records into `piece`; `false` at the end, behind which nothing stands.
    pub(super) fn next(&mut self, piece: &mut Vec<u8>) -> Result<bool, BackupError> {
        let mut header = [0; PIECE_HEADER];
        take(&self.path, &mut self.from, &mut header)?;
        self.read += PIECE_HEADER as u64;
        let len = u32::from_le_bytes(header[1..].try_into().expect("four bytes")) as usize;
        // Before memory is taken for what a damaged number says.
        if len > PIECE_LIMIT || len as u64 > self.len.saturating_sub(self.read) {
            return Err(self.damaged("it is cut short"));
        }
        piece.clear();
        piece.resize(len, 0);
        take(&self.path, &mut self.from, piece)?;
        self.read += len as u64;
        let associated = [&self.head, &header[..]].concat();
        let at = Piece { number: self.number, is_last: header[0] == END };
        if self.key.open(at, &associated, piece).is_err() {
            return Err(self.damaged(&format!("the part that ends at byte {} is not authentic", self.read)));
        }
        self.number += 1;
        match header[0] {
            RECORDS => Ok(true),
            END => self.end(piece).map(|()| false),
            _ => Err(self.damaged("a part is of no known kind")),
        }
    }

    fn end(&mut self, piece: &[u8]) -> Result<(), BackupError> {
        if piece != self.records.to_le_bytes() {
            return Err(self.damaged("the number of its records is not what it says"));
        }
        match self.from.read(&mut [0]) {
            Ok(0) => Ok(()),
            Ok(_) => Err(self.damaged("something stands behind its end")),
            Err(error) => Err(BackupError::file(&self.path)(error)),
        }
    }

    /// The records of a piece.
    pub(super) fn records<'p>(&mut self, piece: &'p [u8]) -> Result<Vec<BackupRecord<'p>>, BackupError> {
        let (mut rest, mut records) = (piece, Vec::new());
        while !rest.is_empty() {
            let (record, after) = postcard::take_from_bytes(rest)
                .map_err(|_| self.damaged("a record is not what this release writes"))?;
            records.push(record);
            rest = after;
        }
        self.records += records.len() as u64;
        Ok(records)
    }

    fn damaged(&self, what: &str) -> BackupError {
        damaged(&self.path, what)
    }
}

fn damaged(path: &Path, what: &str) -> BackupError {
    BackupError::Damaged { path: path.to_owned(), what: what.to_owned() }
}

fn take(path: &Path, from: &mut impl Read, into: &mut [u8]) -> Result<(), BackupError> {
    from.read_exact(into).map_err(|error| match error.kind() {
        std::io::ErrorKind::UnexpectedEof => damaged(path, "it is cut short"),
        _ => BackupError::file(path)(error),
    })
}
