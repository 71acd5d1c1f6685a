//! From the operator's words to a key: argon2id, version 1.3 (RFC 9106).
//!
//! The passphrase is used as the bytes it was given in, never normalized: `é` typed as one code point and
//! as two are different passphrases. Normalization would need Unicode tables that change with each release
//! of Unicode, and a passphrase must open its store for longer than that. It usually comes from a file, so
//! that the same bytes come back.

use std::fmt;

use argon2::{Algorithm, Argon2, Params, Version};
use thiserror::Error;
use zeroize::Zeroizing;

use super::secret::{KeyEncryptionKey, SecretKey};

/// What the operator knows and a thief of the disk does not.
pub struct Passphrase(Zeroizing<String>);

impl Passphrase {
    /// The fewest characters that a new store accepts.
    pub const MIN_CHARS: usize = 12;

    /// The passphrase in the repository's own `config.toml`, known to everyone.
    pub const SAMPLE: &str = "sample passphrase: change me before use";

    /// How many characters (Unicode scalar values) it has.
    pub fn char_count(&self) -> usize {
        self.0.chars().count()
    }

    /// Whether it may protect a new store. An existing one opens with whatever it was made with.
    ///
    /// # Errors
    ///
    /// When it has fewer than [`Passphrase::MIN_CHARS`] characters.
    pub fn check_strength(&self) -> Result<(), WeakPassphrase> {
        if self.char_count() < Self::MIN_CHARS { Err(WeakPassphrase) } else { Ok(()) }
    }

    /// Whether it is the one that everyone knows.
    pub fn is_sample(&self) -> bool {
        self.0.as_str() == Self::SAMPLE
    }

    /// Whether it is `text`; only tests know one to ask about.
    #[cfg(test)]
    pub(crate) fn is(&self, text: &str) -> bool {
        self.0.as_str() == text
    }
}

impl From<String> for Passphrase {
    fn from(text: String) -> Self {
        Self(Zeroizing::new(text))
    }
}

/// A configuration is printed whole in tests and logs; this part of it never is.
impl fmt::Debug for Passphrase {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[REDACTED]")
    }
}

/// The passphrase is too short for a new store.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("the passphrase has fewer than {} characters", Passphrase::MIN_CHARS)]
pub struct WeakPassphrase;

/// What one guess of the passphrase costs.
///
/// Read from a file that somebody else may have written, so there is a floor, below which the file would
/// make guessing cheap, and a cap, above which it would only exhaust this machine.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct KdfParameters {
    /// Memory in KiB.
    pub memory_kib: u32,
    /// Passes over that memory.
    pub passes: u32,
    /// Lanes, which an attacker can compute side by side and this implementation does not.
    pub lanes: u32,
}

impl KdfParameters {
    /// The second recommended option of RFC 9106, section 4, with one lane, since ours run in turn.
    pub const DEFAULT: Self = Self { memory_kib: 64 * 1024, passes: 3, lanes: 1 };
    /// The least that is accepted.
    pub const FLOOR: Self = Self { memory_kib: 8 * 1024, passes: 1, lanes: 1 };
    /// The most that is accepted.
    pub const CAP: Self = Self { memory_kib: 1024 * 1024, passes: 16, lanes: 4 };

    /// Whether these lie between floor and cap.
    ///
    /// # Errors
    ///
    /// [`KdfError::OutOfRange`], naming the first that does not.
    pub fn check(&self) -> Result<(), KdfError> {
        let check = |name, value, floor, cap| {
            if (floor..=cap).contains(&value) { Ok(()) } else { Err(KdfError::OutOfRange(name)) }
        };
        check("memory", self.memory_kib, Self::FLOOR.memory_kib, Self::CAP.memory_kib)?;
        check("passes", self.passes, Self::FLOOR.passes, Self::CAP.passes)?;
        check("lanes", self.lanes, Self::FLOOR.lanes, Self::CAP.lanes)
    }
}

impl Default for KdfParameters {
    fn default() -> Self {
        Self::DEFAULT
    }
}

/// Why no key was derived.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum KdfError {
    /// A parameter lies outside floor and cap.
    #[error("the key derivation's {0} parameter is out of range")]
    OutOfRange(&'static str),
    /// The memory that the parameters ask for is not there.
    #[error("not enough memory to derive the key from the passphrase")]
    OutOfMemory,
}

/// Derives the key that opens a keyring; slow on purpose.
///
/// # Errors
///
/// When the parameters are out of range, which is found before any work is done, or the memory is not there.
///
/// # Panics
///
/// When `salt` has fewer than 8 bytes.
pub fn derive(
    passphrase: &Passphrase,
    salt: &[u8],
    parameters: KdfParameters,
) -> Result<KeyEncryptionKey, KdfError> {
    parameters.check()?;
    let KdfParameters { memory_kib, passes, lanes } = parameters;
    let params = Params::new(memory_kib, passes, lanes, Some(SecretKey::LEN))
        .expect("the floor and the cap lie within argon2's own limits");
    let argon2 = Argon2::new(Algorithm::Argon2id, Version::V0x13, params);
    SecretKey::try_fill(|key| argon2.hash_password_into(passphrase.0.as_bytes(), salt, key))
        .map(KeyEncryptionKey)
        .map_err(|error| match error {
            argon2::Error::OutOfMemory => KdfError::OutOfMemory,
            other => panic!("argon2 refuses arguments that its caller vouches for: {other}"),
        })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::crypto::testing::hex;

    fn check(memory_kib: u32, passes: u32, passphrase: &str, expected: &str) {
        let parameters = KdfParameters { memory_kib, passes, lanes: 1 };
        let key = derive(&passphrase.to_owned().into(), b"somesalt", parameters).unwrap();
        assert_eq!(hex(key.0.expose()), expected);
    }

    /// From `src/test.c` of the reference implementation (P-H-C/phc-winner-argon2), argon2id version 0x13.
    /// RFC 9106's own vector uses a secret and associated data, which we do not.
    #[test]
    fn argon2id_vectors() {
        check(65536, 1, "password", "f6a5adc1ba723dddef9b5ac1d464e180fcd9dffc9d1cbf76cca2fed795d9ca98");
        check(65536, 2, "password", "09316115d5cf24ed5a15a31a3ba326e5cf32edc24702987c02b6566f61913cf7");
    }

    #[test]
    fn parameters_outside_floor_and_cap_are_refused_before_any_work() {
        let refused = |memory_kib, passes, lanes, name| {
            let parameters = KdfParameters { memory_kib, passes, lanes };
            let error = derive(&"passphrase".to_owned().into(), &[0; 16], parameters).err();
            assert_eq!(error, Some(KdfError::OutOfRange(name)));
        };
        refused(8191, 1, 1, "memory");
        refused(u32::MAX, 1, 1, "memory");
        refused(8192, 0, 1, "passes");
        refused(8192, u32::MAX, 1, "passes");
        refused(8192, 1, 0, "lanes");
        refused(8192, 1, 5, "lanes");
        assert_eq!(KdfParameters::default().check(), Ok(()));
    }

    #[test]
    fn strength_counts_characters_and_not_bytes() {
        let strength = |text: &str| Passphrase::from(text.to_owned()).check_strength();
        assert_eq!(strength("twelve chars"), Ok(()));
        assert_eq!(strength("eleven char"), Err(WeakPassphrase));
        assert_eq!(strength("éééééé"), Err(WeakPassphrase));
        assert_eq!(strength("éééééééééééé"), Ok(()));
        assert_eq!(WeakPassphrase.to_string(), "the passphrase has fewer than 12 characters");
    }

    #[test]
    fn debug_says_nothing() {
        assert_eq!(format!("{:?}", Passphrase::from("hunter2hunter2".to_owned())), "[REDACTED]");
    }

    #[test]
    fn the_sample_is_known() {
        assert!(Passphrase::from(Passphrase::SAMPLE.to_owned()).is_sample());
        assert!(!Passphrase::from("a passphrase of one's own".to_owned()).is_sample());
    }
}
