//! Backups: a store in one file, made while it serves, proved without a store, and turned into one.

mod file;
mod last;
#[cfg(test)]
mod tests;

use std::io;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};

use crate::crypto::{Keyring, KeyringError, Passphrase};
use crate::model::{AuditEvent, Entity, EntityKind, Operator, Timestamp};
use crate::store::embedded::{Embedded, OpenError, UpkeepError};
use crate::store::{Revision, Tree, key};
use crate::vault::examine::{Examined, Examiner};
use crate::vault::opening::{Contents, Opened, OpeningError, contents, read_keyring, write_keyring};
use crate::vault::{Error, Policy, Vault};
use file::{BackupReader, BackupRecord, BackupWriter};

/// Why a backup was not made, is not one, or was not restored.
#[derive(Debug, thiserror::Error)]
pub enum BackupError {
    /// A file cannot be read.
    #[error("{}: {cause}", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// What the system said.
        cause: io::Error,
    },
    /// A later release made the backup.
    #[error("{} has format {found}; this release knows formats up to {known}", path.display())]
    Newer {
        /// The backup.
        path: PathBuf,
        /// Its format.
        found: u32,
        /// The newest format that this release knows.
        known: u32,
    },
    /// The backup is not what was written.
    #[error("{} is no whole backup: {what}", path.display())]
    Damaged {
        /// The backup.
        path: PathBuf,
        /// What is wrong with it.
        what: String,
    },
    /// The keyring in the backup does not open.
    #[error("{}: {}", path.display(), keyring_error(cause))]
    Keyring {
        /// The backup.
        path: PathBuf,
        /// Why.
        cause: KeyringError,
    },
    /// There is a store already where one was to be restored.
    #[error("there is a store in {} already: a backup is restored only where there is none", .0.display())]
    Exists(PathBuf),
    /// Whoever takes the bytes takes no more.
    #[error("nobody takes the backup any more")]
    Untaken,
    /// The store cannot be read.
    #[error(transparent)]
    Store(#[from] UpkeepError),
    /// The restored store cannot be made or opened.
    #[error(transparent)]
    Opening(#[from] OpeningError),
}

/// The keyring's own words speak of a store.
fn keyring_error(cause: &KeyringError) -> String {
    match cause {
        KeyringError::WrongPassphrase => "the passphrase does not open this backup".into(),
        other => other.to_string(),
    }
}

impl BackupError {
    fn file(path: &Path) -> impl FnOnce(io::Error) -> BackupError + '_ {
        move |cause| BackupError::File { path: path.to_owned(), cause }
    }
}

impl From<OpenError> for BackupError {
    fn from(error: OpenError) -> BackupError {
        BackupError::Opening(error.into())
    }
}

/// What a backup has in it.
#[derive(Debug, Clone)]
pub struct BackupSummary {
    /// The commit that it is as of.
    pub revision: Revision,
    /// When it was made.
    pub created_at: Timestamp,
    /// Its records.
    pub found: Examined,
}

/// How far something has come.
pub type Advance<'a> = dyn FnMut(u64, Option<u64>) + 'a;

impl Opened {
    /// Makes a backup of the store as it is, says in it that this was at `now`, and gives its bytes to `take` until
    /// that wants no more. `advance` learns how many records are done. Returns how many there are. Blocks.
    ///
    /// # Errors
    /// Where the store cannot be read, or `take` takes no more.
    pub fn back_up(
        &self,
        now: Timestamp,
        take: &mut dyn FnMut(Vec<u8>) -> ControlFlow<()>,
        advance: &mut Advance<'_>,
    ) -> Result<u64, BackupError> {
        let keyring = read_keyring(self.engine.dir())?;
        let snapshot = self.engine.snapshot()?;
        let (mut writer, first) =
            BackupWriter::begin(self.vault.keyring(), &keyring, snapshot.revision(), now);
        if take(first).is_break() {
            return Err(BackupError::Untaken);
        }
        let taken = snapshot.read(|tree, key, revision, value| {
            match writer.push(&BackupRecord { tree, key, revision, value }) {
                Some(piece) => {
                    advance(writer.records(), None);
                    take(piece)
                }
                None => ControlFlow::Continue(()),
            }
        })?;
        let records = writer.records();
        if !taken || take(writer.end()).is_break() {
            return Err(BackupError::Untaken);
        }
        Ok(records)
    }
}

/// Proves that `passphrase` opens the backup, that nothing in it was changed, and that each sealed value opens
/// where it belongs.
///
/// # Errors
/// What is wrong with it.
pub fn verify(
    path: &Path,
    passphrase: &Passphrase,
    advance: &mut Advance<'_>,
) -> Result<BackupSummary, BackupError> {
    verify_opened(path, BackupReader::open(path, passphrase)?, advance)
}

fn verify_opened(
    path: &Path,
    mut reader: BackupReader,
    advance: &mut Advance<'_>,
) -> Result<BackupSummary, BackupError> {
    let keyring = reader.keyring.clone();
    let mut examiner = Examiner::new(&keyring);
    let damaged = |error: Error| BackupError::Damaged { path: path.to_owned(), what: error.to_string() };
    each_record(&mut reader, advance, |record| {
        examiner.look(record.tree, record.key, record.value).map_err(damaged)
    })?;
    let found = examiner.end().map_err(damaged)?;
    Ok(BackupSummary { revision: reader.revision, created_at: reader.created_at, found })
}

/// How far the commits of a restored store lie beyond those of the backup: whoever followed the store that was
/// lost, and had seen commits after the backup, cannot take the new ones for those.
const LEAP: u64 = 1_000_000_000;

/// Makes a store in `dir` of a backup, which is verified first. All that it had is there but for sessions,
/// which have ended; and an entry on the trail, that `operator` did this. Until that is durable, the store does not
/// exist.
///
/// # Errors
/// As the variants of [`BackupError`] say.
pub async fn restore(
    operator: Operator,
    dir: &Path,
    path: &Path,
    passphrase: &Passphrase,
    policy: Policy,
    advance: &mut Advance<'_>,
) -> Result<(Opened, BackupSummary), BackupError> {
    if contents(dir)? == Contents::Store {
        return Err(BackupError::Exists(dir.to_owned()));
    }
    let summary = verify(path, passphrase, advance)?;
    let mut reader = BackupReader::open(path, passphrase)?;
    let start = Revision(reader.revision.0 + LEAP);
    let creation = Embedded::restore(dir, start, |restored| {
        each_record(&mut reader, advance, |record| {
            let BackupRecord { tree, key, revision, value } = *record;
            if is_of_sessions(tree, key) {
                return Ok(());
            }
            restored.push(tree, key, revision, value).map_err(|cause| {
                let doing = format!("write the base in {}", dir.display());
                OpenError::Io { doing, source: cause }.into()
            })
        })
    })?;
    let engine = creation.engine();
    let keyring_file = Keyring::for_instance(reader.keyring_file(), passphrase, engine.instance())
        .map_err(|cause| BackupError::Keyring { path: path.to_owned(), cause })?;
    let keyring = Keyring::open(&keyring_file, passphrase).map_err(OpeningError::from)?;
    write_keyring(dir, &keyring_file)?;
    let vault = Vault::open(engine.clone(), keyring, policy).await.map_err(OpeningError::from)?;
    let backup = Entity::unknown(EntityKind::Backup).named(summary.created_at.to_string());
    vault
        .record_operation(operator, None, AuditEvent::BackupRestored, backup)
        .await
        .map_err(OpeningError::from)?;
    vault.note_backup(summary.created_at).await.map_err(OpeningError::from)?;
    let engine = creation.finish()?;
    Ok((Opened { vault, engine }, summary))
}

fn is_of_sessions(tree: Tree, key: &[u8]) -> bool {
    match tree {
        Tree::Sessions | Tree::SessionIds => true,
        Tree::Counters => key.starts_with(key::SESSIONS_COUNTERS),
        _ => false,
    }
}

fn each_record(
    reader: &mut BackupReader,
    advance: &mut Advance<'_>,
    mut visit: impl FnMut(&BackupRecord<'_>) -> Result<(), BackupError>,
) -> Result<(), BackupError> {
    let mut piece = Vec::new();
    while reader.next(&mut piece)? {
        reader.records(&piece)?.iter().try_for_each(&mut visit)?;
        advance(reader.read, Some(reader.len));
    }
    Ok(())
}
