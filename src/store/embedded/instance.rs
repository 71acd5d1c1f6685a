//! The identity of a store: files of two stores never mix unnoticed.

use std::fmt;

/// A random number that every file of one store carries.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Instance(pub(super) [u8; 16]);

impl Instance {
    /// An identity that no other store has.
    pub(super) fn random() -> std::io::Result<Instance> {
        Ok(Instance(random()?))
    }

    /// The identity that [`fmt::Display`] wrote.
    pub(super) fn parse(text: &str) -> Option<Instance> {
        if text.len() != 32 || !text.bytes().all(|b| b.is_ascii_hexdigit()) {
            return None;
        }
        u128::from_str_radix(text, 16).ok().map(|number| Instance(number.to_be_bytes()))
    }
}

impl fmt::Display for Instance {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:032x}", u128::from_be_bytes(self.0))
    }
}

/// Bytes from the system's random source.
pub(super) fn random<const N: usize>() -> std::io::Result<[u8; N]> {
    let mut bytes = [0; N];
    getrandom::fill(&mut bytes).map_err(std::io::Error::other)?;
    Ok(bytes)
}
