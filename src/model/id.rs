//! Ids: twelve bytes whose order is the order of creation.

use std::fmt;
use std::str::FromStr;
use std::time::{SystemTime, UNIX_EPOCH};

use parking_lot::Mutex;
use serde::{Deserialize, Serialize};

use super::Invalid;

/// The id of anything that has one: 4 bytes of seconds since 1970, then 8 that make it unique. Written as
/// 24 lower-case hex digits.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Id([u8; 12]);

impl Id {
    /// The id with these bytes.
    #[must_use]
    pub const fn from_bytes(bytes: [u8; 12]) -> Id {
        Id(bytes)
    }

    /// The id's bytes.
    #[must_use]
    pub const fn as_bytes(&self) -> &[u8; 12] {
        &self.0
    }

    /// The 24 hex digits, without an allocation.
    #[must_use]
    pub fn to_hex(&self) -> [u8; 24] {
        const DIGITS: &[u8; 16] = b"0123456789abcdef";
        let mut hex = [0; 24];
        for (pair, byte) in hex.chunks_exact_mut(2).zip(self.0) {
            pair[0] = DIGITS[usize::from(byte >> 4)];
            pair[1] = DIGITS[usize::from(byte & 15)];
        }
        hex
    }
}

impl fmt::Display for Id {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(std::str::from_utf8(&self.to_hex()).map_err(|_| fmt::Error)?)
    }
}

impl fmt::Debug for Id {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl FromStr for Id {
    type Err = Invalid;

    fn from_str(text: &str) -> Result<Id, Invalid> {
        const INVALID: Invalid = Invalid::new("id", "must be 24 lower-case hex digits");
        let digits: &[u8; 24] = text.as_bytes().try_into().map_err(|_| INVALID)?;
        let mut bytes = [0; 12];
        for (byte, pair) in bytes.iter_mut().zip(digits.chunks_exact(2)) {
            *byte = (nibble(pair[0]).ok_or(INVALID)? << 4) | nibble(pair[1]).ok_or(INVALID)?;
        }
        Ok(Id(bytes))
    }
}

fn nibble(digit: u8) -> Option<u8> {
    match digit {
        b'0'..=b'9' => Some(digit - b'0'),
        b'a'..=b'f' => Some(digit - b'a' + 10),
        _ => None,
    }
}

/// Makes ids, each greater than the one before, also when the clock stands still or steps back while the
/// generator lives.
#[derive(Debug, Default)]
pub struct IdGenerator {
    last: Mutex<u128>,
}

impl IdGenerator {
    /// A new id.
    pub fn next(&self) -> Id {
        // Seconds, then the nanosecond (30 bits), then 34 bits that two stores do not share.
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let unique = getrandom::u64().unwrap_or_default() & ((1 << 34) - 1);
        let fresh = (u128::from(now.as_secs() as u32) << 64)
            | (u128::from(now.subsec_nanos()) << 34)
            | u128::from(unique);
        let mut last = self.last.lock();
        *last = fresh.max(*last + 1);
        let bytes = last.to_be_bytes();
        let mut id = [0; 12];
        id.copy_from_slice(&bytes[4..]);
        Id(id)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_read_as_they_are_written() {
        let id = IdGenerator::default().next();
        assert_eq!(id.to_string().parse::<Id>().unwrap(), id);
        assert_eq!("64f1c0ffee00000000000001".parse::<Id>().unwrap().to_string(), "64f1c0ffee00000000000001");
    }

    #[test]
    fn anything_but_24_lower_case_hex_digits_is_no_id() {
        for text in
            ["", "64f1", "64F1C0FFEE00000000000001", "64f1c0ffee0000000000000g", "64f1c0ffee000000000000011"]
        {
            assert!(text.parse::<Id>().is_err(), "{text}");
        }
    }

    #[test]
    fn ids_sort_by_creation_even_when_the_clock_is_behind() {
        let future = 0xffff_fff0_u128 << 64;
        let ids = IdGenerator { last: Mutex::new(future) };
        let mut last = Id([0xff, 0xff, 0xff, 0xf0, 0, 0, 0, 0, 0, 0, 0, 0]);
        for _ in 0..10_000 {
            let id = ids.next();
            assert!(id > last);
            last = id;
        }
    }
}
