//! Data keys, and the sealed form of one value: XChaCha20-Poly1305 bound to the place the value lives in.
//!
//! A sealed value opens only with the key whose id it names, and only where it was put: the associated data
//! has the value's address and version, so a ciphertext moved elsewhere, or an old one put back, fails.

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::de::{self, Deserialize, Deserializer, Visitor};
use serde::ser::{Serialize, Serializer};
use thiserror::Error;
use zeroize::Zeroizing;

use super::primitives::{self, NONCE_LEN, TAG_LEN};
use super::secret::{Plaintext, SecretKey};

/// The first byte of a sealed value.
const SEALED_VALUE: u8 = 1;
/// The first byte of a wrapped data key.
pub(super) const WRAPPED_KEY: u8 = 2;

/// Format byte and key id.
const HEADER_LEN: usize = 1 + KeyId::LEN;
const OVERHEAD: usize = HEADER_LEN + NONCE_LEN + TAG_LEN;

/// The name of a data key; not secret.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct KeyId(pub [u8; KeyId::LEN]);

impl KeyId {
    /// How many bytes an id has.
    pub const LEN: usize = 12;
}

impl fmt::Display for KeyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for KeyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "KeyId({self})")
    }
}

/// A key that seals values, with the id that they name it by.
pub struct DataKey {
    id: KeyId,
    key: SecretKey,
}

impl DataKey {
    /// A new random key.
    pub fn generate(id: KeyId) -> Self {
        Self { id, key: SecretKey::fill(|key| primitives::fill_random(key)) }
    }

    /// The id that values sealed with this key name.
    pub fn id(&self) -> KeyId {
        self.id
    }

    pub(super) fn new(id: KeyId, key: SecretKey) -> Self {
        Self { id, key }
    }

    pub(super) fn key(&self) -> &SecretKey {
        &self.key
    }
}

/// What a sealed value is bound to: a label that names the format, then fields, each behind its length, so
/// that no two lists of fields are the same bytes.
///
/// The format byte and the key id are added when sealing; they need not be fields.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AssociatedData(Vec<u8>);

impl AssociatedData {
    /// Begins with `label`, which no other use of the same key may share.
    pub fn new(label: &str) -> Self {
        Self(Vec::with_capacity(192)).field(label)
    }

    /// Adds a field.
    ///
    /// # Panics
    ///
    /// When the field has 4 GiB or more.
    #[must_use]
    pub fn field(mut self, bytes: impl AsRef<[u8]>) -> Self {
        let bytes = bytes.as_ref();
        let len = u32::try_from(bytes.len()).expect("a field is an id or a number, far below 4 GiB");
        self.0.extend_from_slice(&len.to_be_bytes());
        self.0.extend_from_slice(bytes);
        self
    }

    /// Adds a number, as eight bytes.
    #[must_use]
    pub fn number(self, number: u64) -> Self {
        self.field(number.to_be_bytes())
    }

    /// The bytes themselves.
    pub(super) fn bytes(&self) -> &[u8] {
        &self.0
    }

    /// What the cipher authenticates: the sealed form's own header has a fixed length and goes first.
    fn behind(&self, header: &[u8]) -> Vec<u8> {
        [header, &self.0].concat()
    }
}

/// A value as it is stored: format byte, key id, nonce, ciphertext and tag.
#[derive(Clone, PartialEq, Eq)]
pub struct SealedValue(Vec<u8>);

impl SealedValue {
    /// Checks the shape of `bytes`; whether they are authentic shows when they are opened.
    ///
    /// # Errors
    ///
    /// When the format is unknown, or the bytes are too few to be any sealed value.
    pub fn parse(bytes: Vec<u8>) -> Result<Self, MalformedSealedValue> {
        check_shape(SEALED_VALUE, &bytes).map(|()| Self(bytes))
    }

    /// The key that opens this value; authenticated, like all of it, when it does.
    pub fn key_id(&self) -> KeyId {
        key_id(&self.0)
    }

    /// The stored bytes.
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    /// The stored bytes in base64, standard alphabet, padded.
    pub fn to_base64(&self) -> String {
        STANDARD.encode(&self.0)
    }
}

/// The ciphertext is no secret, but nobody wants to read it.
impl fmt::Debug for SealedValue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SealedValue({} bytes)", self.0.len())
    }
}

/// As one run of bytes, not as a sequence of numbers.
impl Serialize for SealedValue {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_bytes(&self.0)
    }
}

impl<'de> Deserialize<'de> for SealedValue {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Bytes;
        impl Visitor<'_> for Bytes {
            type Value = SealedValue;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("the bytes of a sealed value")
            }

            fn visit_bytes<E: de::Error>(self, bytes: &[u8]) -> Result<SealedValue, E> {
                self.visit_byte_buf(bytes.to_vec())
            }

            fn visit_byte_buf<E: de::Error>(self, bytes: Vec<u8>) -> Result<SealedValue, E> {
                SealedValue::parse(bytes).map_err(E::custom)
            }
        }
        deserializer.deserialize_byte_buf(Bytes)
    }
}

/// These bytes cannot be a sealed value.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum MalformedSealedValue {
    /// The first byte is none that this release knows.
    #[error("a sealed value has the unknown format {0}")]
    UnknownFormat(u8),
    /// There are fewer bytes than an empty value has when sealed.
    #[error("a sealed value is cut short")]
    Truncated,
}

/// Why a sealed value did not open.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum OpenError {
    /// It names another key; the caller chose the wrong one.
    #[error("the value is sealed with the data key {needed}, not {given}")]
    WrongKey {
        /// The key that it names.
        needed: KeyId,
        /// The key that was tried.
        given: KeyId,
    },
    /// It was changed, or it is not in the place it was sealed for.
    #[error("the sealed value is damaged, or was moved from another place")]
    NotAuthentic,
}

/// Seals `plaintext` with a fresh random nonce: 192 bits, so that no count of values makes two alike likely.
pub fn seal(key: &DataKey, associated: &AssociatedData, plaintext: &[u8]) -> SealedValue {
    SealedValue(seal_as(SEALED_VALUE, key.id, &key.key, associated, &primitives::random(), plaintext))
}

/// Opens what [`seal`] made with the same key and associated data.
///
/// # Errors
///
/// When the value names another key, or is not authentic.
pub fn open(
    key: &DataKey,
    associated: &AssociatedData,
    sealed: &SealedValue,
) -> Result<Plaintext, OpenError> {
    if sealed.key_id() != key.id {
        return Err(OpenError::WrongKey { needed: sealed.key_id(), given: key.id });
    }
    open_as(&key.key, associated, &sealed.0).map(Plaintext::from_zeroizing)
}

/// The layout that sealed values and wrapped keys share.
pub(super) fn seal_as(
    format: u8,
    id: KeyId,
    key: &SecretKey,
    associated: &AssociatedData,
    nonce: &[u8; NONCE_LEN],
    plaintext: &[u8],
) -> Vec<u8> {
    let mut out = Vec::with_capacity(OVERHEAD + plaintext.len());
    out.push(format);
    out.extend_from_slice(&id.0);
    let associated = associated.behind(&out);
    primitives::encrypt_onto(&mut out, key, nonce, &associated, plaintext);
    out
}

/// Opens that layout; `bytes` have passed [`check_shape`].
pub(super) fn open_as(
    key: &SecretKey,
    associated: &AssociatedData,
    bytes: &[u8],
) -> Result<Zeroizing<Vec<u8>>, OpenError> {
    let (header, rest) = bytes.split_at(HEADER_LEN);
    let (nonce, sealed) = rest.split_first_chunk().expect("the shape has room for a nonce");
    let mut buffer = Zeroizing::new(sealed.to_vec());
    primitives::decrypt_in_place(&mut buffer, key, nonce, &associated.behind(header))
        .map_err(|_| OpenError::NotAuthentic)?;
    Ok(buffer)
}

/// Whether `bytes` begin with `format` and are long enough for everything but the content.
pub(super) fn check_shape(format: u8, bytes: &[u8]) -> Result<(), MalformedSealedValue> {
    match bytes.first() {
        Some(&first) if first != format => Err(MalformedSealedValue::UnknownFormat(first)),
        Some(_) if bytes.len() >= OVERHEAD => Ok(()),
        _ => Err(MalformedSealedValue::Truncated),
    }
}

/// The key id in the header of `bytes`, which have passed [`check_shape`].
pub(super) fn key_id(bytes: &[u8]) -> KeyId {
    KeyId(*bytes[1..].first_chunk().expect("the shape has room for a key id"))
}

#[cfg(test)]
mod tests;
