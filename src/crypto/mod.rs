//! Cryptography over bytes: this module knows nothing of values, organizations or files.
//!
//! Read in this order:
//!
//! - [`secret`]: the types that hold secrets; none can be printed, and all are wiped when dropped;
//!   `locked`: the memory that keys are in, which is not swapped;
//! - [`passphrase`]: from the operator's words to a key, by argon2id;
//! - [`keyring`]: the one small file that the passphrase opens, and every key that comes from it;
//! - [`seal`](mod@seal): data keys, and the sealed form of one value;
//! - [`backup`]: what a backup is sealed with, piece by piece;
//! - [`cache`]: what a client keeps under its own credential.
//!
//! `primitives` is the only file that names a cipher, a hash or the system's random numbers (argon2 alone
//! is in [`passphrase`]), and has their published test vectors. `docs/crypto.md` has the formats byte by
//! byte and the reasons.

pub mod backup;
pub mod cache;
pub mod keyring;
mod locked;
pub mod passphrase;
mod primitives;
pub mod seal;
pub mod secret;

pub use backup::BackupKey;
pub use cache::CacheKey;
pub use keyring::{Keyring, KeyringError};
pub use locked::all_keys_are_locked;
pub use passphrase::{KdfError, KdfParameters, Passphrase, WeakPassphrase};
pub use primitives::MacKey;
pub use seal::{AssociatedData, DataKey, KeyId, MalformedSealedValue, OpenError, SealedValue, open, seal};
pub use secret::{Plaintext, SecretKey};

#[cfg(test)]
mod testing {
    //! Hex, for the vectors.

    /// Decodes hex; white space is ignored.
    pub(super) fn unhex(text: &str) -> Vec<u8> {
        let digits: Vec<u8> = text.bytes().filter(|b| !b.is_ascii_whitespace()).collect();
        let digit = |b: u8| (b as char).to_digit(16).unwrap() as u8;
        digits.chunks(2).map(|pair| (digit(pair[0]) << 4) | digit(pair[1])).collect()
    }

    /// Encodes hex.
    pub(super) fn hex(bytes: &[u8]) -> String {
        bytes.iter().map(|b| format!("{b:02x}")).collect()
    }
}
