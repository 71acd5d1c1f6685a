//! The types that hold secrets: they cannot be printed or copied by accident, and are wiped when dropped.
//!
//! None of them implements `Debug`, `Display`, `Clone` or `Serialize`, so a secret that strays into a log
//! line, an error or a response does not compile. The bytes live on the heap: moving one of these moves a
//! pointer and leaves no copy behind on the stack.

use std::str::Utf8Error;

use zeroize::Zeroizing;

use super::locked::Locked;

/// The plaintext of a value.
pub struct Plaintext(Zeroizing<Vec<u8>>);

impl Plaintext {
    /// The secret bytes. The name is there to be seen, and searched for, in a review.
    pub fn expose(&self) -> &[u8] {
        &self.0
    }

    /// The secret as text.
    ///
    /// # Errors
    ///
    /// When the bytes are not UTF-8; the error has positions, never bytes.
    pub fn expose_str(&self) -> Result<&str, Utf8Error> {
        std::str::from_utf8(&self.0)
    }

    pub(super) fn from_zeroizing(bytes: Zeroizing<Vec<u8>>) -> Self {
        Self(bytes)
    }

    /// How many bytes there are.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl From<Vec<u8>> for Plaintext {
    fn from(bytes: Vec<u8>) -> Self {
        Self(Zeroizing::new(bytes))
    }
}

impl From<String> for Plaintext {
    fn from(text: String) -> Self {
        Self::from(text.into_bytes())
    }
}

/// A 256-bit key.
pub struct SecretKey(Locked<Zeroizing<[u8; 32]>>);

impl SecretKey {
    /// How many bytes a key has.
    pub const LEN: usize = 32;

    /// A key that `fill` writes in place, so that no copy of it is left on the stack.
    ///
    /// # Errors
    ///
    /// Those of `fill`.
    pub(super) fn try_fill<E>(fill: impl FnOnce(&mut [u8; 32]) -> Result<(), E>) -> Result<Self, E> {
        let mut key = Locked::new(Zeroizing::new([0; 32]));
        fill(&mut key)?;
        Ok(Self(key))
    }

    /// A key that `fill` writes in place.
    pub(super) fn fill(fill: impl FnOnce(&mut [u8; 32])) -> Self {
        let mut key = Locked::new(Zeroizing::new([0; 32]));
        fill(&mut key);
        Self(key)
    }

    /// The key's bytes, for the primitives and for nobody else.
    pub(super) fn expose(&self) -> &[u8; 32] {
        &self.0
    }
}

/// What the passphrase becomes: opens the keyring, and does nothing else.
pub struct KeyEncryptionKey(pub(super) SecretKey);

/// The random key that every other key of a store comes from.
pub(super) struct MasterKey(pub(super) SecretKey);

#[cfg(test)]
mod tests {
    use super::*;

    /// Does not compile if `$type` has `$trait`: which implementation is meant would be ambiguous.
    macro_rules! assert_lacks {
        ($type:ty: $($trait:path),+) => {$({
            trait Ambiguous<A> { fn check() {} }
            impl<T: ?Sized> Ambiguous<()> for T {}
            impl<T: ?Sized + $trait> Ambiguous<u8> for T {}
            <$type as Ambiguous<_>>::check();
        })+};
    }

    #[test]
    fn secrets_cannot_be_printed_cloned_or_serialized() {
        assert_lacks!(Plaintext: std::fmt::Debug, std::fmt::Display, Clone, serde::Serialize);
        assert_lacks!(SecretKey: std::fmt::Debug, std::fmt::Display, Clone, serde::Serialize);
        assert_lacks!(KeyEncryptionKey: std::fmt::Debug, std::fmt::Display, Clone, serde::Serialize);
        assert_lacks!(MasterKey: std::fmt::Debug, std::fmt::Display, Clone, serde::Serialize);
        assert_lacks!(crate::crypto::DataKey: std::fmt::Debug, std::fmt::Display, Clone, serde::Serialize);
        assert_lacks!(crate::crypto::MacKey: std::fmt::Debug, std::fmt::Display, Clone, serde::Serialize);
        assert_lacks!(crate::crypto::Keyring: std::fmt::Debug, std::fmt::Display, Clone, serde::Serialize);
        assert_lacks!(crate::crypto::Passphrase: std::fmt::Display, Clone, serde::Serialize);
    }

    #[test]
    fn secrets_are_wiped_when_dropped() {
        fn wiped<T: zeroize::ZeroizeOnDrop>() {}
        wiped::<Zeroizing<[u8; 32]>>();
        wiped::<Zeroizing<Vec<u8>>>();
        // The two halves of an HMAC key are such hashes; HMAC itself does not say so.
        wiped::<sha2::Sha256>();
        wiped::<chacha20poly1305::XChaCha20Poly1305>();
    }

    #[test]
    fn plaintext_is_text_only_where_it_is_utf8() {
        assert_eq!(Plaintext::from("grün".to_owned()).expose_str(), Ok("grün"));
        assert!(Plaintext::from(vec![0xff]).expose_str().is_err());
        assert!(Plaintext::from(String::new()).is_empty());
    }
}
