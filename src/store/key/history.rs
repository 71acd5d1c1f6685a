//! Keys of the former versions of values.

use super::Key;
use crate::model::Id;
use crate::store::chain;

/// The key of a former version of a value in `value_versions`. They are numbered as a chain is, so that a scan
/// meets the newest first.
#[must_use]
pub fn value_version(org: Id, value: Id, version: u64) -> Vec<u8> {
    chain::key(&Key::of(org).id(value).prefix(), version)
}
