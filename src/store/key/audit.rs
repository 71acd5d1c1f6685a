//! Keys of the audit trail: chains, views of them, and how far each was pruned.

use super::Key;
use crate::model::{AccountId, Environment, Id};
use crate::store::{Error, chain};

const CHECKPOINT: &str = "checkpoint";
const ENVIRONMENT: &str = "environment";
const ACCOUNT: &str = "account";

/// What a key in `audit` is of.
#[derive(Debug, PartialEq, Eq)]
pub enum AuditPlace<'k> {
    /// An entry of the chain whose keys begin with this.
    Chain(&'k [u8]),
    /// The checkpoint of the chain whose keys begin with this.
    Checkpoint(Vec<u8>),
    /// A run of a view.
    View,
}

/// What a key in `audit` is of.
///
/// # Errors
/// [`Error::Damaged`] where it is none of it.
pub fn audit_place(key: &[u8]) -> Result<AuditPlace<'_>, Error> {
    let under = |name: &str| key.strip_prefix(name.as_bytes())?.strip_prefix(b"/");
    if let Some(chain) = under(CHECKPOINT) {
        return Ok(AuditPlace::Checkpoint([chain, b"/"].concat()));
    }
    if under(ENVIRONMENT).or_else(|| under(ACCOUNT)).is_some() {
        return Ok(AuditPlace::View);
    }
    Ok(AuditPlace::Chain(chain::range(key)?))
}

/// What the keys of an organization's chain in `audit` begin with; without one, those of the store's.
#[must_use]
pub fn audit_chain(org: Option<Id>) -> Vec<u8> {
    of_chain(Key::new(), org).prefix()
}

/// The key of a chain's checkpoint in `audit`.
#[must_use]
pub fn audit_checkpoint(org: Option<Id>) -> Vec<u8> {
    of_chain(Key::new().text(CHECKPOINT), org).end()
}

/// What the keys of the view of one environment in `audit` begin with.
#[must_use]
pub fn audit_environment(org: Id, environment: &Environment) -> Vec<u8> {
    Key::new().text(ENVIRONMENT).id(org).text(environment.as_str()).prefix()
}

/// What the keys of the view of one linked account in `audit` begin with.
#[must_use]
pub fn audit_account(org: Id, environment: &Environment, account: &AccountId) -> Vec<u8> {
    Key::new().text(ACCOUNT).id(org).text(environment.as_str()).text(account.as_str()).prefix()
}

/// The counter of the entries of a view that were pruned.
#[must_use]
pub fn audit_pruned(view: &[u8]) -> Vec<u8> {
    [b"audit-pruned/", view.strip_suffix(b"/").unwrap_or(view)].concat()
}

fn of_chain(key: Key, org: Option<Id>) -> Key {
    match org {
        Some(org) => key.id(org),
        None => key.text("store"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_says_what_it_is_of() {
        let (org, environment) = (Id::from_bytes([7; 12]), Environment::test());
        for of in [None, Some(org)] {
            let keys = audit_chain(of);
            assert_eq!(audit_place(&chain::key(&keys, 9)).unwrap(), AuditPlace::Chain(&keys));
            assert_eq!(audit_place(&audit_checkpoint(of)).unwrap(), AuditPlace::Checkpoint(keys));
        }
        let account = "checkpoint/".parse().unwrap();
        for view in [audit_environment(org, &environment), audit_account(org, &environment, &account)] {
            assert_eq!(audit_place(&chain::key(&view, 9)).unwrap(), AuditPlace::View);
        }
        assert!(audit_place(b"store").is_err());
    }
}
