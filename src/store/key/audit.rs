//! Keys of the audit trail: chains, views of them, and how far each was pruned.

use super::Key;
use crate::model::{AccountId, Environment, Id};

/// What the keys of an organization's chain in `audit` begin with; without one, those of the store's.
#[must_use]
pub fn audit_chain(org: Option<Id>) -> Vec<u8> {
    chain(Key::new(), org).prefix()
}

/// The key of a chain's checkpoint in `audit`.
#[must_use]
pub fn audit_checkpoint(org: Option<Id>) -> Vec<u8> {
    chain(Key::new().text("checkpoint"), org).end()
}

/// What the keys of the view of one environment in `audit` begin with.
#[must_use]
pub fn audit_environment(org: Id, environment: &Environment) -> Vec<u8> {
    Key::new().text("environment").id(org).text(environment.as_str()).prefix()
}

/// What the keys of the view of one linked account in `audit` begin with.
#[must_use]
pub fn audit_account(org: Id, environment: &Environment, account: &AccountId) -> Vec<u8> {
    Key::new().text("account").id(org).text(environment.as_str()).text(account.as_str()).prefix()
}

/// The counter of the entries of a view that were pruned.
#[must_use]
pub fn audit_pruned(view: &[u8]) -> Vec<u8> {
    [b"audit-pruned/", view.strip_suffix(b"/").unwrap_or(view)].concat()
}

fn chain(key: Key, org: Option<Id>) -> Key {
    match org {
        Some(org) => key.id(org),
        None => key.text("store"),
    }
}
