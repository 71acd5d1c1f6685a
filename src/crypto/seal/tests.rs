//! A sealed value opens with its key, in its place, whole; and in no other case.

use std::collections::HashSet;

use super::*;
use crate::crypto::testing::{hex, unhex};

const ID: KeyId = KeyId(*b"key-id-12345");

fn key() -> DataKey {
    DataKey::new(ID, SecretKey::fill(|key| *key = std::array::from_fn(|i| i as u8)))
}

fn place() -> AssociatedData {
    AssociatedData::new("coffer/test/v1").field("org").field("org/env/scope/definition").number(7)
}

fn not_authentic(key: &DataKey, place: &AssociatedData, sealed: &SealedValue) {
    assert_eq!(open(key, place, sealed).err(), Some(OpenError::NotAuthentic));
}

/// A later release must still open this, and make the same of the same nonce. Computed by a second
/// implementation, written from the RFCs.
const FROZEN: &str = "\
    016b65792d69642d3132333435404142434445464748494a4b4c4d4e4f505152\
    5354555657a4567604b7921c65b5dba8cb95ec25fabdde78ddba93f6e1f77b9b\
    def33b3e79dc4c";

#[test]
fn the_sealed_form_never_changes() {
    let nonce: [u8; 24] = std::array::from_fn(|i| 0x40 + i as u8);
    let made = seal_as(SEALED_VALUE, ID, key().key(), &place(), &nonce, "postgres://u:p@h/d".as_bytes());
    assert_eq!(hex(&made), FROZEN);
    let sealed = SealedValue::parse(unhex(FROZEN)).unwrap();
    assert_eq!(open(&key(), &place(), &sealed).unwrap().expose_str(), Ok("postgres://u:p@h/d"));
}

#[test]
fn associated_data_never_changes() {
    assert_eq!(
        hex(&AssociatedData::new("label").field("ab").number(258).behind(&[9])),
        "09 00000005 6c6162656c 00000002 6162 00000008 0000000000000102".replace(' ', "")
    );
}

#[test]
fn a_sealed_value_opens_in_its_place() {
    let key = DataKey::generate(ID);
    for plaintext in [&b""[..], b"x", &[0xa5; 65_536]] {
        let sealed = seal(&key, &place(), plaintext);
        assert_eq!(sealed.key_id(), ID);
        assert_eq!(sealed.as_bytes().len(), plaintext.len() + OVERHEAD);
        assert_eq!(open(&key, &place(), &sealed).unwrap().expose(), plaintext);
    }
}

#[test]
fn no_flipped_byte_opens() {
    let sealed = seal(&key(), &place(), b"secret");
    for at in 0..sealed.0.len() {
        for mask in [0x01, 0x80, 0xff] {
            let mut bytes = sealed.0.clone();
            bytes[at] ^= mask;
            match SealedValue::parse(bytes) {
                Err(error) => assert!(at == 0 && matches!(error, MalformedSealedValue::UnknownFormat(_))),
                Ok(flipped) if at < HEADER_LEN => {
                    assert!(matches!(open(&key(), &place(), &flipped), Err(OpenError::WrongKey { .. })));
                }
                Ok(flipped) => not_authentic(&key(), &place(), &flipped),
            }
        }
    }
}

#[test]
fn no_truncated_value_opens() {
    let sealed = seal(&key(), &place(), b"secret");
    for len in 0..sealed.0.len() {
        match SealedValue::parse(sealed.0[..len].to_vec()) {
            Err(error) => assert_eq!(error, MalformedSealedValue::Truncated),
            Ok(cut) => not_authentic(&key(), &place(), &cut),
        }
    }
    let longer = SealedValue([&sealed.0[..], &[0]].concat());
    not_authentic(&key(), &place(), &longer);
}

#[test]
fn value_moved_to_another_place_does_not_open() {
    let sealed = seal(&key(), &place(), b"secret");
    let label = |label| AssociatedData::new(label).field("org").field("org/env/scope/definition").number(7);
    let fields = |org: &str, address: &str, version| {
        AssociatedData::new("coffer/test/v1").field(org).field(address).number(version)
    };
    assert!(open(&key(), &fields("org", "org/env/scope/definition", 7), &sealed).is_ok());
    not_authentic(&key(), &label("coffer/test/v2"), &sealed);
    not_authentic(&key(), &fields("gro", "org/env/scope/definition", 7), &sealed);
    not_authentic(&key(), &fields("org", "org/env/scope/definitiom", 7), &sealed);
    not_authentic(&key(), &fields("org", "org/env/scope/definition", 6), &sealed);
    not_authentic(&key(), &place().field(""), &sealed);
    not_authentic(&key(), &AssociatedData::new("coffer/test/v1"), &sealed);
}

#[test]
fn bytes_shifted_between_fields_do_not_open() {
    let two = |a: &str, b: &str| AssociatedData::new("label").field(a).field(b);
    let sealed = seal(&key(), &two("ab", "c"), b"secret");
    not_authentic(&key(), &two("a", "bc"), &sealed);
    not_authentic(&key(), &two("abc", ""), &sealed);
    not_authentic(&key(), &AssociatedData::new("label").field("abc"), &sealed);
    not_authentic(&key(), &AssociatedData::new("labela").field("b").field("c"), &sealed);
}

#[test]
fn another_key_does_not_open() {
    let sealed = seal(&key(), &place(), b"secret");
    let other_id = KeyId([0; 12]);
    assert_eq!(
        open(&DataKey::generate(other_id), &place(), &sealed).err(),
        Some(OpenError::WrongKey { needed: ID, given: other_id })
    );
    not_authentic(&DataKey::generate(ID), &place(), &sealed);
}

#[test]
fn key_id_is_authenticated() {
    let key = key();
    let renamed = DataKey::new(KeyId([1; 12]), SecretKey::fill(|bytes| *bytes = *key.key().expose()));
    let mut bytes = seal(&key, &place(), b"secret").0;
    bytes[1..HEADER_LEN].copy_from_slice(&[1; 12]);
    not_authentic(&renamed, &place(), &SealedValue::parse(bytes).unwrap());
}

#[test]
fn nonces_never_repeat() {
    let (key, place) = (key(), place());
    let mut seen = HashSet::new();
    for _ in 0..10_000 {
        assert!(seen.insert(seal(&key, &place, b"").0[HEADER_LEN..HEADER_LEN + NONCE_LEN].to_vec()));
    }
}

#[test]
fn wrapped_keys_are_not_sealed_values() {
    let wrapped = seal_as(WRAPPED_KEY, ID, key().key(), &place(), &[0; 24], &[0; 32]);
    assert_eq!(SealedValue::parse(wrapped), Err(MalformedSealedValue::UnknownFormat(WRAPPED_KEY)));
}

#[test]
fn records_store_the_bytes_as_they_are() {
    let sealed = seal(&key(), &place(), b"secret");
    let stored = postcard::to_stdvec(&sealed).unwrap();
    assert_eq!(stored[1..], sealed.0, "one byte of length, then the bytes");
    assert_eq!(postcard::from_bytes::<SealedValue>(&stored).unwrap(), sealed);
    assert!(postcard::from_bytes::<SealedValue>(&[3, 1, 2, 3]).is_err());
}

#[test]
fn base64_is_standard_and_padded() {
    assert_eq!(SealedValue(vec![1, 0xff, 0xfe, 0xfb]).to_base64(), "Af/++w==");
}

#[test]
fn debug_and_errors_show_no_content() {
    let sealed = seal(&key(), &place(), b"secret");
    assert_eq!(format!("{sealed:?}"), "SealedValue(59 bytes)");
    assert_eq!(
        OpenError::WrongKey { needed: ID, given: KeyId([0; 12]) }.to_string(),
        "the value is sealed with the data key 6b65792d69642d3132333435, not 000000000000000000000000"
    );
}
