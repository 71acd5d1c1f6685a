//! The bytes of a keyring file. Numbers are big-endian.
//!
//! | at | bytes | what |
//! |---|---|---|
//! | 0 | 8 | `COFFERKR` |
//! | 8 | 2 | format, 1 |
//! | 10 | 16 | instance id of the store |
//! | 26 | 4 + 4 + 4 | argon2id: memory in KiB, passes, lanes |
//! | 38 | 16 | argon2id: salt |
//! | 54 | 32 | commitment to the key-encryption key |
//! | 86 | 24 | nonce |
//! | 110 | 48 | master key, wrapped; associated data is everything before the nonce |
//! | 158 | 32 | SHA-256 of everything before it |
//!
//! The checksum finds accidents, not attackers: whoever can write the file can write its checksum too, and
//! meets the bounds on the parameters, the commitment and the cipher's tag.

use super::KeyringError;
use crate::crypto::passphrase::KdfParameters;
use crate::crypto::primitives;

const MAGIC: &[u8; 8] = b"COFFERKR";
const FORMAT: u16 = 1;
const HEADER_LEN: usize = 86;
const WRAPPED_LEN: usize = 48;
const CHECKSUM_LEN: usize = 32;
pub(super) const LEN: usize = HEADER_LEN + primitives::NONCE_LEN + WRAPPED_LEN + CHECKSUM_LEN;

/// A keyring file whose checksum holds and whose parameters are within bounds.
pub(super) struct KeyringFile<'a> {
    /// Everything before the nonce: what the wrapped key is bound to.
    pub(super) header: &'a [u8],
    pub(super) instance: [u8; 16],
    pub(super) parameters: KdfParameters,
    pub(super) salt: [u8; 16],
    pub(super) commitment: [u8; 32],
    pub(super) nonce: [u8; 24],
    pub(super) wrapped: &'a [u8],
}

impl<'a> KeyringFile<'a> {
    /// Parses `bytes`, and finds every accident that could have happened to them.
    pub(super) fn parse(bytes: &'a [u8]) -> Result<Self, KeyringError> {
        let mut reader = Reader(bytes);
        if reader.array()? != *MAGIC {
            return Err(KeyringError::Damaged("it does not begin like a keyring"));
        }
        // Before length and checksum, which a newer format may have elsewhere.
        match u16::from_be_bytes(reader.array()?) {
            FORMAT => {}
            newer if newer > FORMAT => return Err(KeyringError::Newer(newer)),
            _ => return Err(KeyringError::Damaged("its format number is wrong")),
        }
        check_checksum(bytes)?;
        let file = Self {
            header: &bytes[..HEADER_LEN],
            instance: reader.array()?,
            parameters: KdfParameters {
                memory_kib: u32::from_be_bytes(reader.array()?),
                passes: u32::from_be_bytes(reader.array()?),
                lanes: u32::from_be_bytes(reader.array()?),
            },
            salt: reader.array()?,
            commitment: reader.array()?,
            nonce: reader.array()?,
            wrapped: reader.slice(WRAPPED_LEN)?,
        };
        file.parameters.check()?;
        Ok(file)
    }
}

/// Everything before the nonce.
pub(super) fn header(
    instance: [u8; 16],
    parameters: KdfParameters,
    salt: [u8; 16],
    commitment: [u8; 32],
) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(LEN);
    bytes.extend_from_slice(MAGIC);
    bytes.extend_from_slice(&FORMAT.to_be_bytes());
    bytes.extend_from_slice(&instance);
    for number in [parameters.memory_kib, parameters.passes, parameters.lanes] {
        bytes.extend_from_slice(&number.to_be_bytes());
    }
    bytes.extend_from_slice(&salt);
    bytes.extend_from_slice(&commitment);
    bytes
}

/// Adds the checksum to everything before it.
pub(super) fn finish(mut bytes: Vec<u8>) -> Vec<u8> {
    let checksum = primitives::sha256(&bytes);
    bytes.extend_from_slice(&checksum);
    bytes
}

fn check_checksum(bytes: &[u8]) -> Result<(), KeyringError> {
    if bytes.len() != LEN {
        return Err(KeyringError::Damaged("its length is wrong"));
    }
    let (content, checksum) = bytes.split_at(LEN - CHECKSUM_LEN);
    if primitives::sha256(content) == checksum {
        Ok(())
    } else {
        Err(KeyringError::Damaged("its checksum does not match"))
    }
}

/// Takes bytes off the front; too few are damage, never a panic.
struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    fn slice(&mut self, len: usize) -> Result<&'a [u8], KeyringError> {
        let (taken, rest) = self.0.split_at_checked(len).ok_or(KeyringError::Damaged("it is cut short"))?;
        self.0 = rest;
        Ok(taken)
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], KeyringError> {
        Ok(self.slice(N)?.try_into().expect("a slice of N bytes"))
    }
}
