//! The passphrase opens the keyring; anything else is named for what it is.

use std::time::{Duration, Instant};

use super::*;
use crate::crypto::KeyId;
use crate::crypto::testing::{hex, unhex};

const QUICK: KdfParameters = KdfParameters::FLOOR;
const INSTANCE: [u8; 16] = *b"instance-of-test";

fn passphrase(text: &str) -> Passphrase {
    text.to_owned().into()
}

fn created() -> (Keyring, Vec<u8>) {
    Keyring::create(&passphrase("correct horse battery"), QUICK, INSTANCE).unwrap()
}

fn error(bytes: &[u8], text: &str) -> KeyringError {
    Keyring::open(bytes, &passphrase(text)).err().expect("does not open")
}

fn key_id() -> KeyId {
    KeyId(*b"key-id-12345")
}

fn place() -> AssociatedData {
    AssociatedData::new("coffer/test/v1").field("org")
}

/// A later release must still open these, and derive the same keys from them. All but the file were computed
/// by a second implementation, written from the RFCs.
const FROZEN_FILE: &str = "\
    434f464645524b520001696e7374616e63652d6f662d74657374000020000000\
    00010000000173616c742d6f662d7468652d7465737415d86c33f3731e023285\
    f24608846f87b418b7ba487daf45b04d328c78951a7640414243444546474849\
    4a4b4c4d4e4f5051525354555657757f15a8bfcef47582951c59f6514a78d28d\
    a4e18d69eab99607af838084f5f122d2ef6037015037e87e754d7aba8bf7dfe8\
    8c371336297ea7f2743d7af609e8c57c77cd82bf56e714dc5dcfa7e5118f";
const FROZEN_API_KEY_HASH: &str = "ba6c6e3018eaf351b9ab80e19683158a1d90c92ec9f645f3ed5b73de71fe5cb9";
const FROZEN_SESSION_TAG: &str = "4a5afcc7bf2d1098477017189ee8ace3afdcc48951fcbfbc868a04375b7fa563";
const FROZEN_AUDIT_TAG: &str = "a72a456578def55438a706c4832587166152e4fb4bc579067680096e3c4bda90";
const FROZEN_WRAPPED: &str = "\
    026b65792d69642d3132333435404142434445464748494a4b4c4d4e4f505152\
    5354555657bc90ca014f3df9986857ff249aa4a8e231cf0c976f14fb5a5e0253\
    f9ec2ad6316a67ca00b4b353da082c2754568301a4";

#[test]
fn the_file_and_its_keys_never_change() {
    let passphrase = passphrase("correct horse battery");
    let master = MasterKey(SecretKey::fill(|key| *key = std::array::from_fn(|i| i as u8)));
    let key = passphrase::derive(&passphrase, b"salt-of-the-test", QUICK).unwrap();
    let nonce: [u8; 24] = std::array::from_fn(|i| 0x40 + i as u8);
    let bytes = wrap_master(&key, QUICK, INSTANCE, *b"salt-of-the-test", &nonce, &master);
    assert_eq!(hex(&bytes), FROZEN_FILE);

    let keyring = Keyring::open(&unhex(FROZEN_FILE), &passphrase).unwrap();
    assert_eq!(keyring.instance(), INSTANCE);
    assert_eq!(hex(&keyring.hash_api_key("tk_test")), FROZEN_API_KEY_HASH);
    assert_eq!(hex(&keyring.session_tokens().tag(b"message")), FROZEN_SESSION_TAG);
    assert_eq!(hex(&keyring.audit().tag(b"message")), FROZEN_AUDIT_TAG);
    let data_key = DataKey::new(key_id(), SecretKey::fill(|key| *key = [7; 32]));
    assert_eq!(hex(&keyring.wrap_with_nonce(&data_key, &place(), &nonce)), FROZEN_WRAPPED);
    assert_eq!(keyring.unwrap(&unhex(FROZEN_WRAPPED), &place()).unwrap().key().expose(), &[7; 32]);
}

#[test]
fn the_right_passphrase_opens_the_same_keys() {
    let (made, bytes) = created();
    assert_eq!(bytes.len(), file::LEN);
    let opened = Keyring::open(&bytes, &passphrase("correct horse battery")).unwrap();
    assert_eq!(opened.hash_api_key("tk_1"), made.hash_api_key("tk_1"));
    let wrapped = made.wrap(&DataKey::generate(key_id()), &place());
    assert!(opened.unwrap(&wrapped, &place()).is_ok());
}

#[test]
fn another_passphrase_is_named_as_such() {
    let (_, bytes) = created();
    for text in ["correct horse batterz", "Correct horse battery", "correct horse battery ", ""] {
        assert_eq!(error(&bytes, text), KeyringError::WrongPassphrase);
    }
    assert_eq!(KeyringError::WrongPassphrase.to_string(), "the passphrase does not open this store");
}

#[test]
fn two_keyrings_share_no_key() {
    let ((one, first), (two, second)) = (created(), created());
    assert_ne!(first[38..], second[38..]);
    assert_ne!(one.hash_api_key("tk_1"), two.hash_api_key("tk_1"));
    let wrapped = one.wrap(&DataKey::generate(key_id()), &place());
    assert_eq!(two.unwrap(&wrapped, &place()).err(), Some(OpenError::NotAuthentic));
}

#[test]
fn every_flipped_byte_is_damage_and_costs_no_key_derivation() {
    let (_, bytes) = created();
    let begun = Instant::now();
    for at in 0..bytes.len() {
        for mask in [0x01, 0x80, 0xff] {
            let mut flipped = bytes.clone();
            flipped[at] ^= mask;
            let error = error(&flipped, "correct horse battery");
            assert!(matches!(error, KeyringError::Damaged(_) | KeyringError::Newer(_)), "byte {at}: {error}");
            assert_eq!(
                matches!(error, KeyringError::Newer(_)),
                (8..10).contains(&at) && flipped[8..10] != [0, 0]
            );
        }
    }
    assert!(begun.elapsed() < Duration::from_secs(2));
}

#[test]
fn every_truncated_file_is_damage() {
    let (_, bytes) = created();
    for len in 0..bytes.len() {
        assert!(matches!(error(&bytes[..len], "correct horse battery"), KeyringError::Damaged(_)));
    }
    let longer = [&bytes[..], &[0]].concat();
    assert_eq!(error(&longer, "correct horse battery"), KeyringError::Damaged("its length is wrong"));
}

/// What an attacker would write: the checksum fits.
fn doctored(change: impl FnOnce(&mut [u8])) -> Vec<u8> {
    let mut bytes = created().1;
    bytes.truncate(file::LEN - 32);
    change(&mut bytes);
    file::finish(bytes)
}

#[test]
fn doctored_parameters_neither_weaken_nor_exhaust() {
    let check = |at: usize, value: u32| {
        let bytes = doctored(|bytes| bytes[at..at + 4].copy_from_slice(&value.to_be_bytes()));
        let begun = Instant::now();
        let expected = KeyringError::Damaged("its key derivation parameters are out of range");
        assert_eq!(error(&bytes, "correct horse battery"), expected);
        assert!(begun.elapsed() < Duration::from_millis(100));
    };
    check(26, KdfParameters::FLOOR.memory_kib - 1);
    check(26, KdfParameters::CAP.memory_kib + 1);
    check(26, u32::MAX);
    check(30, 0);
    check(30, u32::MAX);
    check(34, 0);
    check(34, 5);
}

#[test]
fn everything_before_the_nonce_is_authenticated() {
    let check = |at: usize, expected| {
        assert_eq!(error(&doctored(|bytes| bytes[at] ^= 1), "correct horse battery"), expected);
    };
    check(10, KeyringError::Damaged("its key is not authentic"));
    check(38, KeyringError::WrongPassphrase);
    check(54, KeyringError::WrongPassphrase);
    check(86, KeyringError::Damaged("its key is not authentic"));
    check(110, KeyringError::Damaged("its key is not authentic"));
}

#[test]
fn a_newer_format_says_so() {
    let bytes = doctored(|bytes| bytes[9] = 2);
    assert_eq!(error(&bytes, "correct horse battery"), KeyringError::Newer(2));
    assert_eq!(
        KeyringError::Newer(2).to_string(),
        "the keyring has format 2, which a newer release of coffer wrote"
    );
}

#[test]
fn a_wrapped_key_opens_whole_and_in_its_place() {
    let (keyring, _) = created();
    let data_key = DataKey::generate(key_id());
    let wrapped = keyring.wrap(&data_key, &place());
    let opened = keyring.unwrap(&wrapped, &place()).unwrap();
    assert_eq!((opened.id(), opened.key().expose()), (data_key.id(), data_key.key().expose()));

    let refused = |bytes: &[u8], place: &AssociatedData| {
        assert_eq!(keyring.unwrap(bytes, place).err(), Some(OpenError::NotAuthentic));
    };
    refused(&wrapped, &AssociatedData::new("coffer/test/v1").field("another org"));
    for at in 0..wrapped.len() {
        refused(&wrapped[..at], &place());
        let mut flipped = wrapped.clone();
        flipped[at] ^= 1;
        refused(&flipped, &place());
    }
}

#[test]
fn each_use_has_a_key_of_its_own() {
    let (keyring, _) = created();
    let tags = [keyring.hash_api_key("m"), keyring.session_tokens().tag(b"m"), keyring.audit().tag(b"m")];
    assert!(tags[0] != tags[1] && tags[1] != tags[2] && tags[0] != tags[2]);
}
