//! The ciphers, hashes and random numbers that the rest is built of, each behind one narrow function.
//!
//! Everything here works on fixed key sizes, so that none of it can fail for a reason that a caller could
//! do something about; the tests hold each primitive to its published vectors.

use chacha20poly1305::aead::inout::InOutBuf;
use chacha20poly1305::{AeadInOut, KeyInit, Tag, XChaCha20Poly1305, XNonce};
use hkdf::Hkdf;
use hmac::{Hmac, Mac};
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;

use super::locked::Locked;
use super::secret::SecretKey;

/// Bytes of an XChaCha20 nonce.
pub(super) const NONCE_LEN: usize = 24;
/// Bytes of a Poly1305 tag.
pub(super) const TAG_LEN: usize = 16;

/// Fills `out` from the operating system's random numbers.
///
/// # Panics
///
/// When the system has none. Nothing is safe to do then, and no caller could do better than to stop.
pub(super) fn fill_random(out: &mut [u8]) {
    getrandom::fill(out).expect("the operating system gives random numbers: nothing is safe without them");
}

/// `N` random bytes that need not be secret.
pub(super) fn random<const N: usize>() -> [u8; N] {
    let mut bytes = [0; N];
    fill_random(&mut bytes);
    bytes
}

/// Appends nonce, ciphertext and tag of `plaintext` to `out`.
pub(super) fn encrypt_onto(
    out: &mut Vec<u8>,
    key: &SecretKey,
    nonce: &[u8; NONCE_LEN],
    associated: &[u8],
    plaintext: &[u8],
) {
    out.reserve(NONCE_LEN + plaintext.len() + TAG_LEN);
    out.extend_from_slice(nonce);
    let start = out.len();
    out.extend_from_slice(plaintext);
    encrypt_from(out, start, key, nonce, associated);
}

/// Encrypts what `buffer` has from `start` on in place, and appends the tag.
pub(super) fn encrypt_from(
    buffer: &mut Vec<u8>,
    start: usize,
    key: &SecretKey,
    nonce: &[u8; NONCE_LEN],
    associated: &[u8],
) {
    let tag = XChaCha20Poly1305::new(key.expose().into())
        .encrypt_inout_detached(&XNonce::from(*nonce), associated, InOutBuf::from(&mut buffer[start..]))
        .expect("the plaintext is below the cipher's limit of 256 GiB: it is in memory");
    buffer.extend_from_slice(&tag);
}

/// Decrypts `buffer` in place, from ciphertext and tag to plaintext, and cuts the tag off.
///
/// # Errors
///
/// When the tag does not fit key, nonce, associated data and ciphertext; `buffer` is unchanged then.
pub(super) fn decrypt_in_place(
    buffer: &mut Vec<u8>,
    key: &SecretKey,
    nonce: &[u8; NONCE_LEN],
    associated: &[u8],
) -> Result<(), NotAuthentic> {
    let end = buffer.len().checked_sub(TAG_LEN).ok_or(NotAuthentic)?;
    let (ciphertext, tag) = buffer.split_at_mut(end);
    let tag = Tag::try_from(&*tag).map_err(|_| NotAuthentic)?;
    XChaCha20Poly1305::new(key.expose().into())
        .decrypt_inout_detached(&XNonce::from(*nonce), associated, InOutBuf::from(ciphertext), &tag)
        .map_err(|_| NotAuthentic)?;
    buffer.truncate(end);
    Ok(())
}

/// The tag did not fit. Which part was wrong cannot be known, and would help only an attacker.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct NotAuthentic;

/// The key for one use, named by `label`, of a key that is uniformly random (RFC 5869, no salt).
pub(super) fn derive_key(from: &SecretKey, label: &str) -> SecretKey {
    derive_key_of_bytes(from.expose(), label)
}

/// The same of a secret of any length: what HKDF extracts from it is uniform where enough of it is random.
pub(super) fn derive_key_of_bytes(from: &[u8], label: &str) -> SecretKey {
    let hkdf = Hkdf::<Sha256>::new(None, from);
    SecretKey::fill(|key| {
        hkdf.expand(label.as_bytes(), key).expect("32 bytes: HKDF-SHA-256 gives up to 8,160")
    })
}

/// SHA-256, where no key is involved.
pub(super) fn sha256(bytes: &[u8]) -> [u8; 32] {
    Sha256::digest(bytes).into()
}

/// Whether two equally long secrets are equal, in a time that does not tell where they differ.
pub(super) fn equal(a: &[u8; 32], b: &[u8; 32]) -> bool {
    a.ct_eq(b).into()
}

/// A key for HMAC-SHA-256, with the two blocks that depend only on the key hashed beforehand: one MAC of a
/// short message is two compressions.
pub struct MacKey(Locked<Hmac<Sha256>>);

impl MacKey {
    /// Prepares `key`.
    pub(super) fn new(key: &SecretKey) -> Self {
        Self::from_bytes(key.expose())
    }

    /// A key that nobody else has, for telling whether something is what it was without keeping it.
    #[must_use]
    pub fn random() -> Self {
        Self::new(&SecretKey::fill(|key| fill_random(key)))
    }

    fn from_bytes(key: &[u8]) -> Self {
        let mac = <Hmac<Sha256> as hmac::KeyInit>::new_from_slice(key);
        Self(Locked::new(mac.expect("HMAC takes a key of any length")))
    }

    /// The MAC of `message`.
    pub fn tag(&self, message: &[u8]) -> [u8; 32] {
        Hmac::clone(&self.0).chain_update(message).finalize().into_bytes().into()
    }

    /// Whether `tag`, all of it, is the MAC of `message`; compares in constant time.
    pub fn verify(&self, message: &[u8], tag: &[u8]) -> bool {
        Hmac::clone(&self.0).chain_update(message).verify_slice(tag).is_ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::crypto::testing::{hex, unhex};

    fn key(text: &str) -> SecretKey {
        SecretKey::fill(|key| key.copy_from_slice(&unhex(text)))
    }

    /// draft-irtf-cfrg-xchacha-03, appendix A.3.1.
    #[test]
    fn xchacha20_poly1305_vector() {
        let key = key("808182838485868788898a8b8c8d8e8f909192939495969798999a9b9c9d9e9f");
        let nonce: [u8; 24] = unhex("404142434445464748494a4b4c4d4e4f5051525354555657").try_into().unwrap();
        let associated = unhex("50515253c0c1c2c3c4c5c6c7");
        let plaintext = b"Ladies and Gentlemen of the class of '99: \
            If I could offer you only one tip for the future, sunscreen would be it.";
        let mut out = Vec::new();
        encrypt_onto(&mut out, &key, &nonce, &associated, plaintext);
        assert_eq!(out[..24], nonce);
        let mut sealed = out.split_off(24);
        assert_eq!(
            hex(&sealed),
            "bd6d179d3e83d43b9576579493c0e939572a1700252bfaccbed2902c21396cbb\
             731c7f1b0b4aa6440bf3a82f4eda7e39ae64c6708c54c216cb96b72e1213b452\
             2f8c9ba40db5d945b11b69b982c1bb9e3f3fac2bc369488f76b2383565d3fff9\
             21f9664c97637da9768812f615c68b13b52e\
             c0875924c1c7987947deafd8780acf49"
        );
        decrypt_in_place(&mut sealed, &key, &nonce, &associated).unwrap();
        assert_eq!(sealed, plaintext);
    }

    #[test]
    fn ciphertext_shorter_than_a_tag_is_not_authentic() {
        let key = key(&"00".repeat(32));
        for len in 0..TAG_LEN {
            assert_eq!(decrypt_in_place(&mut vec![0; len], &key, &[0; 24], b""), Err(NotAuthentic));
        }
    }

    /// RFC 5869, appendix A.3: the call as made here, without salt; and A.1 with everything given.
    #[test]
    fn hkdf_sha256_vectors() {
        let check = |salt: Option<&str>, info: &str, okm: &str| {
            let salt = salt.map(unhex);
            let mut out = [0; 42];
            Hkdf::<Sha256>::new(salt.as_deref(), &[0x0b; 22]).expand(&unhex(info), &mut out).unwrap();
            assert_eq!(hex(&out), okm);
        };
        check(
            None,
            "",
            "8da4e775a563c18f715f802a063c5a31b8a11f5c5ee1879ec3454e5f3c738d2d9d201395faa4b61a96c8",
        );
        check(
            Some("000102030405060708090a0b0c"),
            "f0f1f2f3f4f5f6f7f8f9",
            "3cb25f25faacd57a90434f64d0362f2a2d2d0a90cf1a5a4c5db02d56ecc4c5bf34007208d5b887185865",
        );
    }

    /// HKDF as RFC 5869 spells it in terms of HMAC, so that `derive_key` is held to the text itself.
    #[test]
    fn derive_key_is_extract_then_expand() {
        let from = key(&"2a".repeat(32));
        let extracted = MacKey::from_bytes(&[0; 32]).tag(from.expose());
        let expanded = MacKey::from_bytes(&extracted).tag(b"a label\x01");
        assert_eq!(derive_key(&from, "a label").expose(), &expanded);
    }

    /// RFC 4231, test cases 1, 2 and 6.
    #[test]
    fn hmac_sha256_vectors() {
        let check = |key: &[u8], message: &[u8], tag: &str| {
            let key = MacKey::from_bytes(key);
            assert_eq!(hex(&key.tag(message)), tag);
            assert!(key.verify(message, &unhex(tag)));
            assert!(!key.verify(message, &unhex(tag)[..31]));
            assert!(!key.verify(b"another message", &unhex(tag)));
        };
        check(&[0x0b; 20], b"Hi There", "b0344c61d8db38535ca8afceaf0bf12b881dc200c9833da726e9376c2e32cff7");
        check(
            b"Jefe",
            b"what do ya want for nothing?",
            "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843",
        );
        check(
            &[0xaa; 131],
            b"Test Using Larger Than Block-Size Key - Hash Key First",
            "60e431591ee0b67f0d8a26aacbf5b77f8e0bc6213728c5140546040f0ee37f54",
        );
    }

    /// FIPS 180-4's example, "abc".
    #[test]
    fn sha256_vector() {
        assert_eq!(hex(&sha256(b"abc")), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
    }
}
