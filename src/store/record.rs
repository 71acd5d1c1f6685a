//! How the model's nouns become bytes: one format byte, then [postcard](https://postcard.jamesmunns.com).
//!
//! The format byte says which layout follows, so a later release can read what an earlier one wrote. Fields
//! and variants are told apart by their order: changing the order is a new format.

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::model::{
    Account, ApiKey, AuditCheckpoint, AuditEntry, Definition, Id, Org, Session, Timestamp, Value,
};
use crate::store::Error;

/// A noun that stands in the store.
pub trait Stored: Serialize + DeserializeOwned {
    /// The format that this release writes.
    const FORMAT: u8;
    /// What the noun is called in errors.
    const NAME: &'static str;
}

macro_rules! stored {
    ($($type:ty, $format:literal, $name:literal;)*) => {
        $(impl Stored for $type {
            const FORMAT: u8 = $format;
            const NAME: &'static str = $name;
        })*
    };
}

stored! {
    Org, 1, "organization";
    ApiKey, 1, "API key";
    Definition, 1, "definition";
    Value, 1, "value";
    Account, 1, "linked account";
    Session, 1, "session";
    AuditEntry, 1, "audit entry";
    AuditCheckpoint, 1, "audit checkpoint";
    Id, 1, "id";
    Timestamp, 1, "time";
}

/// The bytes of `noun`.
///
/// # Errors
/// [`Error::Damaged`] where it cannot be written, which no noun of the model can cause.
pub fn encode<T: Stored>(noun: &T) -> Result<Vec<u8>, Error> {
    let mut bytes = Vec::with_capacity(192);
    bytes.push(T::FORMAT);
    postcard::to_extend(noun, bytes).map_err(|_| damaged::<T>())
}

/// The noun in `bytes`.
///
/// # Errors
/// [`Error::Damaged`] where they are not what this release, or an earlier one, wrote.
pub fn decode<T: Stored>(bytes: &[u8]) -> Result<T, Error> {
    match bytes.split_first() {
        Some((&format, rest)) if format == T::FORMAT => match postcard::take_from_bytes(rest) {
            Ok((noun, [])) => Ok(noun),
            _ => Err(damaged::<T>()),
        },
        _ => Err(damaged::<T>()),
    }
}

fn damaged<T: Stored>() -> Error {
    Error::Damaged(format!("a record is not a valid {}", T::NAME))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{Actor, Content};

    fn value() -> Value {
        Value {
            id: Id::from_bytes([7; 12]),
            content: Content::Plain("https://example.com".into()),
            version: 3,
            oldest: 1,
            created_by: Actor::Operator,
            updated_by: Actor::ApiKey(Id::from_bytes([9; 12])),
            created_at: Timestamp::from_millis(1_781_615_366_023),
            updated_at: Timestamp::from_millis(1_781_615_366_024),
        }
    }

    #[test]
    fn a_record_is_read_as_it_was_written() {
        assert_eq!(decode::<Value>(&encode(&value()).unwrap()).unwrap(), value());
    }

    #[test]
    fn a_damaged_record_is_an_error() {
        let bytes = encode(&value()).unwrap();
        for length in 0..bytes.len() {
            assert!(decode::<Value>(&bytes[..length]).is_err(), "cut to {length}");
        }
        assert!(decode::<Value>(&[bytes.clone(), vec![0]].concat()).is_err(), "a byte too many");
        let mut other_format = bytes;
        other_format[0] = 99;
        assert!(decode::<Value>(&other_format).is_err(), "an unknown format");
    }
}
