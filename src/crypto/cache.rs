//! What a client keeps for when the server is away: sealed under a key that only its credential gives.

use thiserror::Error;

use super::primitives::{self, MacKey, NONCE_LEN};
use super::seal::AssociatedData;
use super::secret::{Plaintext, SecretKey};

/// From a credential: seals what is kept.
const SEAL: &str = "coffer/credential/v1/cache-seal";
/// From a credential: names what is kept, so that a name tells nothing to who lacks the credential.
const NAME: &str = "coffer/credential/v1/cache-name";

/// The first bytes of what is kept: what it is, and in which format.
const MAGIC: [u8; 10] = *b"COFFERCA\0\x01";
const STAMP_LEN: usize = 8;
const HEADER_LEN: usize = MAGIC.len() + STAMP_LEN;

/// The keys that one credential gives.
pub struct CacheKey {
    seal: SecretKey,
    name: MacKey,
}

impl CacheKey {
    /// The keys of `credential`, which has 256 random bits in it or a MAC under a key that has.
    pub fn of_credential(credential: &[u8]) -> CacheKey {
        CacheKey {
            seal: primitives::derive_key_of_bytes(credential, SEAL),
            name: MacKey::new(&primitives::derive_key_of_bytes(credential, NAME)),
        }
    }

    /// What the thing that is bound to `associated` is called: 32 hex digits.
    pub fn name(&self, associated: &AssociatedData) -> String {
        self.name.tag(associated.bytes())[..16].iter().map(|byte| format!("{byte:02x}")).collect()
    }

    /// Seals `plaintext` as of `stamp` (seconds since 1970), bound to `associated`.
    pub fn seal(&self, stamp: u64, associated: &AssociatedData, plaintext: &[u8]) -> Vec<u8> {
        let mut out = [&MAGIC[..], &stamp.to_be_bytes()].concat();
        let bound = [&out, associated.bytes()].concat();
        primitives::encrypt_onto(&mut out, &self.seal, &primitives::random(), &bound, plaintext);
        out
    }

    /// What [`CacheKey::seal`] sealed with the same `associated`, and its stamp.
    ///
    /// # Errors
    /// For anything else.
    pub fn open(&self, associated: &AssociatedData, bytes: &[u8]) -> Result<(u64, Plaintext), NotOurs> {
        let (header, rest) = bytes.split_at_checked(HEADER_LEN).ok_or(NotOurs)?;
        let stamp = header.strip_prefix(&MAGIC).ok_or(NotOurs)?.try_into().map_err(|_| NotOurs)?;
        let (nonce, sealed) = rest.split_first_chunk::<NONCE_LEN>().ok_or(NotOurs)?;
        let mut buffer = zeroize::Zeroizing::new(sealed.to_vec());
        let bound = [header, associated.bytes()].concat();
        primitives::decrypt_in_place(&mut buffer, &self.seal, nonce, &bound).map_err(|_| NotOurs)?;
        Ok((u64::from_be_bytes(stamp), Plaintext::from_zeroizing(buffer)))
    }
}

/// What was kept was changed, or belongs to another credential or place.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("it was changed, or is not of this credential")]
pub struct NotOurs;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::crypto::testing::unhex;

    fn place(url: &str) -> AssociatedData {
        AssociatedData::new("test").field(url)
    }

    #[test]
    fn what_is_sealed_opens_with_its_stamp_and_nowhere_else() {
        let key = CacheKey::of_credential(b"tk_one");
        let sealed = key.seal(1_700_000_000, &place("a"), b"plain");
        let (stamp, opened) = key.open(&place("a"), &sealed).ok().unwrap();
        assert_eq!((stamp, opened.expose()), (1_700_000_000, &b"plain"[..]));
        assert_eq!(key.open(&place("b"), &sealed).err(), Some(NotOurs));
        assert_eq!(CacheKey::of_credential(b"tk_two").open(&place("a"), &sealed).err(), Some(NotOurs));
    }

    #[test]
    fn no_byte_can_be_changed_or_cut_off() {
        let key = CacheKey::of_credential(b"tk_one");
        let sealed = key.seal(7, &place("a"), b"plain");
        for at in 0..sealed.len() {
            let mut changed = sealed.clone();
            changed[at] ^= 1;
            assert_eq!(key.open(&place("a"), &changed).err(), Some(NotOurs), "byte {at}");
            assert_eq!(key.open(&place("a"), &sealed[..at]).err(), Some(NotOurs), "cut at {at}");
        }
    }

    /// Another release must find and open what this one keeps.
    #[test]
    fn names_and_format_are_frozen() {
        let key = CacheKey::of_credential(b"tk_one");
        assert_eq!(key.name(&place("a")), "724364ce83b116a456c519ba75f2ca1f");
        let kept = unhex(
            "434f46464552434100 01 0000000000000007 0b3d6e8aecc1dac111140cc6d236617486ea31cb9232a9f6
             79fbdb2a902c2937490c2d4780ac320348f8156499",
        );
        let (stamp, opened) = key.open(&place("a"), &kept).ok().unwrap();
        assert_eq!((stamp, opened.expose()), (7, &b"plain"[..]));
    }
}
