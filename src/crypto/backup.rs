//! What a backup is sealed with: pieces in a row, none of which can be changed, moved, repeated or left out.
//!
//! XChaCha20-Poly1305 under a key of the backup's own. The nonce says which piece it is and whether it is the
//! last: a piece at another place does not open, nor does a backup that ends early or goes on. So it needs no
//! random nonce, as the key seals each number once.

use super::primitives::{self, NONCE_LEN, TAG_LEN};
use super::seal::OpenError;
use super::secret::SecretKey;

const LABEL: &str = "coffer/backup/v1/";

/// The key of one backup.
pub struct BackupKey(SecretKey);

/// Which piece of a backup is meant.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Piece {
    /// From 0 on.
    pub number: u64,
    /// Whether none follows.
    pub is_last: bool,
}

impl Piece {
    fn nonce(self) -> [u8; NONCE_LEN] {
        let mut nonce = [0; NONCE_LEN];
        nonce[15..23].copy_from_slice(&self.number.to_be_bytes());
        nonce[23] = u8::from(self.is_last);
        nonce
    }
}

impl BackupKey {
    /// Bytes by which a piece is longer when sealed.
    pub const OVERHEAD: usize = TAG_LEN;

    /// A random id, which no other backup has.
    pub fn random_id() -> [u8; 16] {
        primitives::random()
    }

    pub(super) fn derive(from: &SecretKey, id: &[u8; 16]) -> Self {
        Self(primitives::derive_key(from, &format!("{LABEL}{:032x}", u128::from_be_bytes(*id))))
    }

    /// Seals what `buffer` has from `start` on in place, bound to `associated`.
    pub fn seal(&self, piece: Piece, associated: &[u8], buffer: &mut Vec<u8>, start: usize) {
        primitives::encrypt_from(buffer, start, &self.0, &piece.nonce(), associated);
    }

    /// Opens in place what [`BackupKey::seal`] sealed as the same piece with the same `associated`.
    ///
    /// # Errors
    ///
    /// [`OpenError::NotAuthentic`] for anything else.
    pub fn open(&self, piece: Piece, associated: &[u8], buffer: &mut Vec<u8>) -> Result<(), OpenError> {
        primitives::decrypt_in_place(buffer, &self.0, &piece.nonce(), associated)
            .map_err(|_| OpenError::NotAuthentic)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(id: u8) -> BackupKey {
        BackupKey::derive(&SecretKey::fill(|key| *key = [7; 32]), &[id; 16])
    }

    #[test]
    fn a_piece_opens_in_its_place_only() {
        let piece = Piece { number: 3, is_last: false };
        let mut sealed = b"headcontent".to_vec();
        key(1).seal(piece, b"header", &mut sealed, 4);
        let sealed = sealed.split_off(4);
        assert_eq!(sealed.len(), 7 + BackupKey::OVERHEAD);
        let opens = |key: BackupKey, piece, associated: &[u8], sealed: &[u8]| {
            let mut buffer = sealed.to_vec();
            key.open(piece, associated, &mut buffer).map(|()| buffer)
        };
        assert_eq!(opens(key(1), piece, b"header", &sealed), Ok(b"content".to_vec()));
        let refused = Err(OpenError::NotAuthentic);
        assert_eq!(opens(key(2), piece, b"header", &sealed), refused);
        assert_eq!(opens(key(1), piece, b"another", &sealed), refused);
        assert_eq!(opens(key(1), Piece { number: 4, ..piece }, b"header", &sealed), refused);
        assert_eq!(opens(key(1), Piece { is_last: true, ..piece }, b"header", &sealed), refused);
        for bit in 0..sealed.len() * 8 {
            let mut changed = sealed.clone();
            changed[bit / 8] ^= 1 << (bit % 8);
            assert_eq!(opens(key(1), piece, b"header", &changed), refused, "bit {bit}");
        }
        for len in 0..sealed.len() {
            assert_eq!(opens(key(1), piece, b"header", &sealed[..len]), refused, "cut to {len}");
        }
    }
}
