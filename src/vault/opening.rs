//! A store's directory: the engine's files and, beside them, the keyring that opens what they hold.
//!
//! A store without its keyring, or a keyring without its store, is refused and never made afresh: whoever
//! moved one of them can still put it back.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::crypto::{KdfError, KdfParameters, Keyring, KeyringError, Passphrase, WeakPassphrase};
use crate::store::embedded::{self, Embedded, Presence};
use crate::store::{Batch, Engine, Tree};
use crate::vault::{self, AuditLinker, Policy, Vault};

/// The keyring's file.
pub(super) const KEYRING: &str = "keyring";
/// In [`Tree::Meta`]: the format of the records.
const META_FORMAT: &[u8] = b"format";
/// The format that this release writes.
const FORMAT: &[u8] = b"1";

/// What a directory holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Contents {
    /// No store, or one whose creation was interrupted and which nobody has used.
    Nothing,
    /// A store and its keyring.
    Store,
}

/// An open store. Clones are the same store.
#[derive(Clone)]
pub struct Opened {
    /// The rules over it.
    pub vault: Vault,
    /// The engine under it, to be closed at the end.
    pub engine: Arc<Embedded>,
}

/// Why a store was not created or opened.
#[derive(Debug, thiserror::Error)]
pub enum OpeningError {
    /// The configuration has no passphrase.
    #[error("a passphrase is needed: encryption.passphrase or encryption.passphrase_file")]
    NoPassphrase,
    /// The passphrase is too weak to make a store with.
    #[error(transparent)]
    WeakPassphrase(#[from] WeakPassphrase),
    /// The key derivation's parameters are out of range.
    #[error(transparent)]
    Kdf(#[from] KdfError),
    /// The store is there, its keyring is not.
    #[error("{} has a store but no keyring: put the keyring back from where the store came from", .0.display())]
    NoKeyring(PathBuf),
    /// The keyring is there, its store is not.
    #[error("{} has a keyring but no store: put the store back, or move the keyring away", .0.display())]
    NoStore(PathBuf),
    /// The keyring opened, but the store was made with another.
    #[error("the keyring in {} belongs to another store", .0.display())]
    ForeignKeyring(PathBuf),
    /// The store's records are of a later release.
    #[error("the store in {} was written by a newer release", .0.display())]
    Newer(PathBuf),
    /// The store does not say of which format its records are.
    #[error("the store in {} is damaged: it does not say its format", .0.display())]
    NoFormat(PathBuf),
    /// The keyring did not open.
    #[error(transparent)]
    Keyring(#[from] KeyringError),
    /// The engine did not open.
    #[error(transparent)]
    Engine(#[from] embedded::OpenError),
    /// The vault did not open.
    #[error(transparent)]
    Vault(#[from] vault::Error),
    /// The keyring's file cannot be read or written.
    #[error("{}: {cause}", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// What the system said.
        cause: io::Error,
    },
}

/// What `dir` holds.
///
/// # Errors
/// [`OpeningError::NoKeyring`] and [`OpeningError::NoStore`] for half of a store.
pub fn contents(dir: &Path) -> Result<Contents, OpeningError> {
    let keyring = dir.join(KEYRING);
    let has_keyring = keyring.try_exists().map_err(|cause| OpeningError::File { path: keyring, cause })?;
    match (Embedded::exists(dir)?, has_keyring) {
        (Presence::Unfinished, _) | (Presence::Nothing, false) => Ok(Contents::Nothing),
        (Presence::Store, true) => Ok(Contents::Store),
        (Presence::Store, false) => Err(OpeningError::NoKeyring(dir.into())),
        (Presence::Nothing, true) => Err(OpeningError::NoStore(dir.into())),
    }
}

/// Makes a store in `dir` that begins with what `found` puts there. Until that is durable, the store does
/// not exist: whatever interrupts, it can be made again.
///
/// # Errors
/// As the variants of [`OpeningError`] say, and those of `found`.
pub async fn create<T>(
    dir: &Path,
    passphrase: &Passphrase,
    kdf: KdfParameters,
    policy: Policy,
    found: impl AsyncFnOnce(&Vault) -> Result<T, vault::Error>,
) -> Result<(Opened, T), OpeningError> {
    passphrase.check_strength()?;
    contents(dir)?;
    let creation = Embedded::create(dir)?;
    let engine = creation.engine();
    let (keyring, bytes) = Keyring::create(passphrase, kdf, engine.instance())?;
    write_keyring(dir, &bytes)?;
    let format = Batch::new().put(Tree::Meta, META_FORMAT, FORMAT);
    engine.commit(format).await.map_err(vault::Error::from)?;
    let vault = Vault::open(engine.clone(), keyring, policy).await?;
    let founded = found(&vault).await?;
    let engine = creation.finish()?;
    Ok((Opened { vault, engine }, founded))
}

/// Opens the store in `dir`.
///
/// # Errors
/// As the variants of [`OpeningError`] say. Where the passphrase is wrong, nothing was touched.
pub async fn open(dir: &Path, passphrase: &Passphrase, policy: Policy) -> Result<Opened, OpeningError> {
    let keyring = open_keyring(dir, passphrase)?;
    let engine = Arc::new(Embedded::open(dir)?);
    match engine
        .get(Tree::Meta, META_FORMAT)
        .await
        .map_err(vault::Error::from)?
        .as_ref()
        .map(|found| &*found.value)
    {
        Some(FORMAT) => {}
        Some(_) => return Err(OpeningError::Newer(dir.into())),
        None => return Err(OpeningError::NoFormat(dir.into())),
    }
    let vault = Vault::open(engine.clone(), keyring, policy).await?;
    if let Some(healing) = Embedded::last_healing(dir)
        && let Err(error) = vault.record_healing(&healing).await
    {
        tracing::warn!("the audit trail has no entry of the store's healing yet: {error}");
    }
    Ok(Opened { vault, engine })
}

/// Whether the passphrase opens the keyring of the store in `dir`, which may be held by another process, and the two
/// belong together.
///
/// # Errors
/// As the variants of [`OpeningError`] say.
pub fn check_keyring(dir: &Path, passphrase: &Passphrase) -> Result<(), OpeningError> {
    open_keyring(dir, passphrase).map(drop)
}

fn open_keyring(dir: &Path, passphrase: &Passphrase) -> Result<Keyring, OpeningError> {
    if contents(dir)? == Contents::Nothing {
        return Err(embedded::OpenError::Missing(dir.into()).into());
    }
    let keyring = Keyring::open(&read_keyring(dir)?, passphrase)?;
    if Embedded::instance_in(dir)? != keyring.instance() {
        return Err(OpeningError::ForeignKeyring(dir.into()));
    }
    Ok(keyring)
}

/// What verifies exports of the audit trail of the store in `dir`, which may be held by another process.
///
/// # Errors
/// As the variants of [`OpeningError`] say.
pub fn audit_linker(dir: &Path, passphrase: &Passphrase) -> Result<AuditLinker, OpeningError> {
    Ok(AuditLinker::new(Keyring::open(&read_keyring(dir)?, passphrase)?.audit().clone()))
}

/// The bytes of the keyring's file.
pub(super) fn read_keyring(dir: &Path) -> Result<Vec<u8>, OpeningError> {
    let path = dir.join(KEYRING);
    let read = fs::metadata(&path).and_then(|found| match found.is_file() {
        true => fs::read(&path),
        // A pipe in its place would hold up the reading for good.
        false => Err(io::Error::other("it is no regular file")),
    });
    read.map_err(|cause| OpeningError::File { path, cause })
}

/// Written whole under another name, synced, renamed: a reader sees all of it or none.
pub(super) fn write_keyring(dir: &Path, bytes: &[u8]) -> Result<(), OpeningError> {
    let path = dir.join(KEYRING);
    let write = || {
        let new = dir.join("keyring.new");
        let mut file = OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&new)?;
        file.write_all(bytes)?;
        file.sync_all()?;
        fs::rename(&new, &path)?;
        File::open(dir)?.sync_all()
    };
    write().map_err(|cause| OpeningError::File { path: path.clone(), cause })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pipe_is_no_keyring() {
        let dir = tempfile::tempdir().unwrap();
        nix::unistd::mkfifo(&dir.path().join(KEYRING), nix::sys::stat::Mode::S_IRUSR).unwrap();
        let refused = read_keyring(dir.path()).unwrap_err().to_string();
        assert!(refused.ends_with("keyring: it is no regular file"), "{refused}");
    }
}
