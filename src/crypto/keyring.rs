//! The keyring: the one small file that the passphrase opens, and every key that comes from it.
//!
//! ```text
//! passphrase ─argon2id→ key-encryption key ─HKDF→ commitment   (kept in the file, compared first)
//!                                          └HKDF→ wrap key ─opens→ master key (random, kept wrapped)
//! master key ─HKDF→ API-key hash key, session- and refresh-token keys, entity-tag key, audit key, data-key wrap key
//! ```
//!
//! A wrong passphrase and a damaged file are told apart: a checksum over the file finds damage before
//! anything is derived, and the commitment finds a wrong passphrase before anything is decrypted, since
//! Poly1305 alone does not commit to its key.

mod file;

use std::sync::Arc;
use std::time::{Duration, Instant};

use thiserror::Error;

use self::file::KeyringFile;
use super::backup::BackupKey;
use super::passphrase::{self, KdfError, KdfParameters, Passphrase};
use super::primitives::{self, MacKey};
use super::seal::{self, AssociatedData, DataKey, OpenError, WRAPPED_KEY};
use super::secret::{KeyEncryptionKey, MasterKey, SecretKey};

/// One label for each use of a key: two uses never share key material. A label is never reused or changed.
mod label {
    /// From the key-encryption key: kept in the file, tells whether the passphrase is right.
    pub(super) const COMMITMENT: &str = "coffer/keyring/v1/commitment";
    /// From the key-encryption key: wraps the master key.
    pub(super) const MASTER_WRAP: &str = "coffer/keyring/v1/master-key-wrap";
    /// From the master key: hashes API keys.
    pub(super) const API_KEYS: &str = "coffer/master/v1/api-key-hash";
    /// From the master key: signs session tokens.
    pub(super) const SESSION_TOKENS: &str = "coffer/master/v1/session-token";
    /// From the master key: signs refresh tokens.
    pub(super) const REFRESH_TOKENS: &str = "coffer/master/v1/refresh-token";
    /// From the master key: makes entity tags of what must not be guessed from them.
    pub(super) const ENTITY_TAGS: &str = "coffer/master/v1/entity-tag";
    /// From the master key: chains the audit trail.
    pub(super) const AUDIT: &str = "coffer/master/v1/audit";
    /// From the master key: wraps data keys.
    pub(super) const DATA_KEY_WRAP: &str = "coffer/master/v1/data-key-wrap";
    /// From the master key: the keys of backups come from it, one for each.
    pub(super) const BACKUPS: &str = "coffer/master/v1/backups";
}

/// The opened keys of one store.
pub struct Keyring {
    instance: [u8; 16],
    api_keys: MacKey,
    session_tokens: MacKey,
    refresh_tokens: MacKey,
    entity_tags: MacKey,
    audit: Arc<MacKey>,
    data_key_wrap: SecretKey,
    backups: SecretKey,
    derived_in: Duration,
}

impl Keyring {
    /// A new keyring with a new random master key, and the bytes of its file. Slow on purpose.
    ///
    /// Whether the passphrase is strong enough is for the caller to ask first.
    ///
    /// # Errors
    ///
    /// When the parameters are out of range, or the memory they ask for is not there.
    pub fn create(
        passphrase: &Passphrase,
        parameters: KdfParameters,
        instance: [u8; 16],
    ) -> Result<(Self, Vec<u8>), KdfError> {
        let master = MasterKey(SecretKey::fill(|key| primitives::fill_random(key)));
        let salt = primitives::random();
        let (key, took) = derive_timed(passphrase, &salt, parameters)?;
        let bytes = wrap_master(&key, parameters, instance, salt, &primitives::random(), &master);
        Ok((Self::from_master(&master, instance, took), bytes))
    }

    /// Opens the bytes of a keyring file. Slow on purpose, unless the file is damaged.
    ///
    /// # Errors
    ///
    /// As [`KeyringError`] says.
    pub fn open(bytes: &[u8], passphrase: &Passphrase) -> Result<Self, KeyringError> {
        let file = KeyringFile::parse(bytes)?;
        let (key, took) = derive_timed(passphrase, &file.salt, file.parameters)?;
        let master = unwrap_master(&key, &file)?;
        Ok(Self::from_master(&master, file.instance, took))
    }

    /// The bytes of the same keyring under another passphrase. Slow on purpose.
    ///
    /// Whether the new passphrase is strong enough is for the caller to ask first.
    ///
    /// # Errors
    ///
    /// As [`KeyringError`] says.
    pub fn change_passphrase(
        bytes: &[u8],
        old: &Passphrase,
        new: &Passphrase,
    ) -> Result<Vec<u8>, KeyringError> {
        rewrap(bytes, old, new, None)
    }

    /// The bytes of the same keyring for another store. Slow on purpose.
    ///
    /// # Errors
    ///
    /// As [`KeyringError`] says.
    pub fn for_instance(
        bytes: &[u8],
        passphrase: &Passphrase,
        instance: [u8; 16],
    ) -> Result<Vec<u8>, KeyringError> {
        rewrap(bytes, passphrase, passphrase, Some(instance))
    }

    fn from_master(master: &MasterKey, instance: [u8; 16], derived_in: Duration) -> Self {
        let derive = |label| primitives::derive_key(&master.0, label);
        Self {
            instance,
            api_keys: MacKey::new(&derive(label::API_KEYS)),
            session_tokens: MacKey::new(&derive(label::SESSION_TOKENS)),
            refresh_tokens: MacKey::new(&derive(label::REFRESH_TOKENS)),
            entity_tags: MacKey::new(&derive(label::ENTITY_TAGS)),
            audit: Arc::new(MacKey::new(&derive(label::AUDIT))),
            data_key_wrap: derive(label::DATA_KEY_WRAP),
            backups: derive(label::BACKUPS),
            derived_in,
        }
    }

    /// The store that this keyring was made for.
    pub fn instance(&self) -> [u8; 16] {
        self.instance
    }

    /// How long the key that opened it took to derive from the passphrase.
    pub fn derived_in(&self) -> Duration {
        self.derived_in
    }

    /// What an API key is stored and looked up as. A key has 256 random bits, so a fast hash is right here.
    pub fn hash_api_key(&self, key: &str) -> [u8; 32] {
        self.api_keys.tag(key.as_bytes())
    }

    /// The key that signs session tokens.
    pub fn session_tokens(&self) -> &MacKey {
        &self.session_tokens
    }

    /// The key that signs refresh tokens.
    pub fn refresh_tokens(&self) -> &MacKey {
        &self.refresh_tokens
    }

    /// The key that makes entity tags.
    pub fn entity_tags(&self) -> &MacKey {
        &self.entity_tags
    }

    /// The key that chains the audit trail.
    pub fn audit(&self) -> &Arc<MacKey> {
        &self.audit
    }

    /// The key of the backup with this id.
    pub fn backup_key(&self, id: &[u8; 16]) -> BackupKey {
        BackupKey::derive(&self.backups, id)
    }

    /// A data key in the form that the store keeps, bound to `associated`.
    pub fn wrap(&self, key: &DataKey, associated: &AssociatedData) -> Vec<u8> {
        self.wrap_with_nonce(key, associated, &primitives::random())
    }

    fn wrap_with_nonce(&self, key: &DataKey, associated: &AssociatedData, nonce: &[u8; 24]) -> Vec<u8> {
        seal::seal_as(WRAPPED_KEY, key.id(), &self.data_key_wrap, associated, nonce, key.key().expose())
    }

    /// The data key in `bytes` that [`Keyring::wrap`] made with the same `associated`.
    ///
    /// # Errors
    ///
    /// [`OpenError::NotAuthentic`] for anything else.
    pub fn unwrap(&self, bytes: &[u8], associated: &AssociatedData) -> Result<DataKey, OpenError> {
        seal::check_shape(WRAPPED_KEY, bytes).map_err(|_| OpenError::NotAuthentic)?;
        let opened = seal::open_as(&self.data_key_wrap, associated, bytes)?;
        secret_key(&opened).map(|key| DataKey::new(seal::key_id(bytes), key)).ok_or(OpenError::NotAuthentic)
    }
}

/// Why a keyring did not open.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum KeyringError {
    /// The file is whole, and another passphrase made it.
    #[error("the passphrase does not open this store")]
    WrongPassphrase,
    /// The file is not what was written; the text says where.
    #[error("the keyring is damaged: {0}")]
    Damaged(&'static str),
    /// A newer release wrote the file.
    #[error("the keyring has format {0}, which a newer release of coffer wrote")]
    Newer(u16),
    /// The memory that deriving the key takes is not there.
    #[error("not enough memory to derive the key from the passphrase")]
    OutOfMemory,
}

impl From<KdfError> for KeyringError {
    fn from(error: KdfError) -> Self {
        match error {
            KdfError::OutOfRange(_) => Self::Damaged("its key derivation parameters are out of range"),
            KdfError::OutOfMemory => Self::OutOfMemory,
        }
    }
}

fn derive_timed(
    passphrase: &Passphrase,
    salt: &[u8],
    parameters: KdfParameters,
) -> Result<(KeyEncryptionKey, Duration), KdfError> {
    let begun = Instant::now();
    let key = passphrase::derive(passphrase, salt, parameters)?;
    Ok((key, begun.elapsed()))
}

/// What opens with `new` to what `bytes` open to with `old`; of the same store, unless told another. Its parameters
/// stay, its salt is new.
fn rewrap(
    bytes: &[u8],
    old: &Passphrase,
    new: &Passphrase,
    instance: Option<[u8; 16]>,
) -> Result<Vec<u8>, KeyringError> {
    let file = KeyringFile::parse(bytes)?;
    let master = unwrap_master(&passphrase::derive(old, &file.salt, file.parameters)?, &file)?;
    let salt = primitives::random();
    let key = passphrase::derive(new, &salt, file.parameters)?;
    let instance = instance.unwrap_or(file.instance);
    Ok(wrap_master(&key, file.parameters, instance, salt, &primitives::random(), &master))
}

/// The file that `key` opens to `master`.
fn wrap_master(
    key: &KeyEncryptionKey,
    parameters: KdfParameters,
    instance: [u8; 16],
    salt: [u8; 16],
    nonce: &[u8; 24],
    master: &MasterKey,
) -> Vec<u8> {
    let commitment = *primitives::derive_key(&key.0, label::COMMITMENT).expose();
    let mut bytes = file::header(instance, parameters, salt, commitment);
    let associated = bytes.clone();
    let wrap = primitives::derive_key(&key.0, label::MASTER_WRAP);
    primitives::encrypt_onto(&mut bytes, &wrap, nonce, &associated, master.0.expose());
    file::finish(bytes)
}

fn unwrap_master(key: &KeyEncryptionKey, file: &KeyringFile<'_>) -> Result<MasterKey, KeyringError> {
    let commitment = primitives::derive_key(&key.0, label::COMMITMENT);
    if !primitives::equal(commitment.expose(), &file.commitment) {
        return Err(KeyringError::WrongPassphrase);
    }
    let wrap = primitives::derive_key(&key.0, label::MASTER_WRAP);
    let mut buffer = zeroize::Zeroizing::new(file.wrapped.to_vec());
    primitives::decrypt_in_place(&mut buffer, &wrap, &file.nonce, file.header)
        .map_err(|_| KeyringError::Damaged("its key is not authentic"))?;
    secret_key(&buffer).map(MasterKey).ok_or(KeyringError::Damaged("its key has the wrong length"))
}

fn secret_key(bytes: &[u8]) -> Option<SecretKey> {
    let bytes: &[u8; SecretKey::LEN] = bytes.try_into().ok()?;
    Some(SecretKey::fill(|key| *key = *bytes))
}

#[cfg(test)]
mod tests;
