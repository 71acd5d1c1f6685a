//! Composite keys: `org/env/scope/definition` and its like.
//!
//! A segment is percent-encoded outside `[A-Za-z0-9._~-]`, so a client's id can never forge a separator,
//! and a key stays readable in a dump. A prefix ends with the separator, so no organization, environment or
//! subject is inside another's range.

mod audit;
mod counters;
mod history;
mod workflows;

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_decode_str, percent_encode};

use crate::model::{AccountId, Address, Environment, Id, Name, Scope, Subject};
use crate::store::Error;

pub use audit::{
    AuditPlace, audit_account, audit_chain, audit_checkpoint, audit_environment, audit_place, audit_pruned,
};
pub use counters::{
    SESSIONS_COUNTERS, accounts_counter, definition_values_counter, definition_values_counters,
    definitions_counter, sessions_counter, values_counter,
};
pub use history::value_version;
pub use workflows::{beyond_workflow, workflows_prefix};

/// RFC 3986, section 2.3: what never needs encoding.
const ENCODED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'.').remove(b'_').remove(b'~').remove(b'-');

/// The key of an organization in `orgs`.
#[must_use]
pub fn org(org: Id) -> Vec<u8> {
    Key::of(org).end()
}

/// The key of an organization's name in `org_names`.
#[must_use]
pub fn org_name(name: &str) -> Vec<u8> {
    Key::new().text(name).end()
}

/// The key of one data key in `data_keys`.
#[must_use]
pub fn data_key(org: Id, key: Id) -> Vec<u8> {
    Key::of(org).id(key).end()
}

/// Organization and id of the data key that [`data_key`] made `key` from.
///
/// # Errors
/// [`Error::Damaged`] where it is not such a key.
pub fn parse_data_key(key: &[u8]) -> Result<(Id, Id), Error> {
    parse(key, |[org, id]| Some((org.parse().ok()?, id.parse().ok()?)))
}

/// The key of an API key in `api_keys`, from the keyed hash of the key.
#[must_use]
pub fn api_key(hash: &[u8; 32]) -> Vec<u8> {
    hash.iter()
        .flat_map(|byte| [byte >> 4, byte & 15])
        .map(|nibble| b"0123456789abcdef"[usize::from(nibble)])
        .collect()
}

/// The key of an API key's id in `api_key_ids`, and of its last use in `api_key_uses`.
#[must_use]
pub fn api_key_id(org: Id, id: Id) -> Vec<u8> {
    Key::of(org).id(id).end()
}

/// The key of a definition in `definitions`.
#[must_use]
pub fn definition(org: Id, definition: Id) -> Vec<u8> {
    Key::of(org).id(definition).end()
}

/// The key of a definition's name in `definition_names`.
#[must_use]
pub fn definition_name(org: Id, scope: Scope, name: &Name) -> Vec<u8> {
    Key::of(org).text(scope.as_str()).text(name.as_str()).end()
}

/// The key of a definition in `definition_scopes`.
#[must_use]
pub fn definition_scope(org: Id, scope: Scope, definition: Id) -> Vec<u8> {
    Key::of(org).text(scope.as_str()).id(definition).end()
}

/// Organization, scope and id of the definition that [`definition_scope`] made `key` from.
///
/// # Errors
/// [`Error::Damaged`] where it is not such a key.
pub fn scope_of_definition(key: &[u8]) -> Result<(Id, Scope, Id), Error> {
    parse(key, |[org, scope, id]| Some((org.parse().ok()?, scope.parse().ok()?, id.parse().ok()?)))
}

/// Organization and id of the definition that [`definition`] made `key` from.
///
/// # Errors
/// [`Error::Damaged`] where it is not such a key.
pub fn parse_definition(key: &[u8]) -> Result<(Id, Id), Error> {
    parse(key, |[org, id]| Some((org.parse().ok()?, id.parse().ok()?)))
}

/// Scope and name in a key that [`definition_name`] made.
///
/// # Errors
/// [`Error::Damaged`] where it is not such a key.
pub fn parse_definition_name(key: &[u8]) -> Result<(Scope, Name), Error> {
    parse(key, |[_org, scope, name]| Some((scope.parse().ok()?, name.parse().ok()?)))
}

/// What the keys of one scope in `definition_scopes` begin with.
#[must_use]
pub fn definition_scope_prefix(org: Id, scope: Scope) -> Vec<u8> {
    Key::of(org).text(scope.as_str()).prefix()
}

/// The key of a value in `values`.
#[must_use]
pub fn value(address: &Address) -> Vec<u8> {
    Key::of(address.org)
        .text(address.environment.as_str())
        .text(&address.subject.to_string())
        .id(address.definition)
        .end()
}

/// What the keys of one subject's values in `values` begin with.
#[must_use]
pub fn value_prefix(org: Id, environment: &Environment, subject: &Subject) -> Vec<u8> {
    Key::of(org).text(environment.as_str()).text(&subject.to_string()).prefix()
}

/// The address that [`value`] made `key` from.
///
/// # Errors
/// [`Error::Damaged`] where it is not such a key.
pub fn parse_value(key: &[u8]) -> Result<Address, Error> {
    parse(key, |[org, environment, subject, definition]| address(org, environment, subject, definition))
}

/// The key of a value in `definition_values`.
#[must_use]
pub fn definition_value(address: &Address) -> Vec<u8> {
    Key::of(address.org)
        .id(address.definition)
        .text(address.environment.as_str())
        .text(&address.subject.to_string())
        .end()
}

/// What the keys of one definition's values in `definition_values` begin with.
#[must_use]
pub fn definition_value_prefix(org: Id, definition: Id) -> Vec<u8> {
    Key::of(org).id(definition).prefix()
}

/// What the keys of one definition's values in one environment in `definition_values` begin with.
#[must_use]
pub fn definition_values_in(org: Id, definition: Id, environment: &Environment) -> Vec<u8> {
    Key::of(org).id(definition).text(environment.as_str()).prefix()
}

/// The address that [`definition_value`] made `key` from.
///
/// # Errors
/// [`Error::Damaged`] where it is not such a key.
pub fn parse_definition_value(key: &[u8]) -> Result<Address, Error> {
    parse(key, |[org, definition, environment, subject]| address(org, environment, subject, definition))
}

/// The key of a value's id in `value_ids`.
#[must_use]
pub fn value_id(org: Id, value: Id) -> Vec<u8> {
    Key::of(org).id(value).end()
}

/// The key of a linked account in `accounts`.
#[must_use]
pub fn account(org: Id, environment: &Environment, account: &AccountId) -> Vec<u8> {
    Key::of(org).text(environment.as_str()).text(account.as_str()).end()
}

/// Organization, environment and id of the account whose key in `accounts` [`account`] made.
///
/// # Errors
/// [`Error::Damaged`] where it is not such a key.
pub fn place_of_account(key: &[u8]) -> Result<(Id, Environment, AccountId), Error> {
    parse(key, |[org, environment, account]| {
        Some((org.parse().ok()?, environment.parse().ok()?, account.parse().ok()?))
    })
}

/// What the keys of one environment's accounts in `accounts` and `account_ids` begin with.
#[must_use]
pub fn accounts_prefix(org: Id, environment: &Environment) -> Vec<u8> {
    Key::of(org).text(environment.as_str()).prefix()
}

/// The key of a linked account in `account_ids`.
#[must_use]
pub fn account_id(org: Id, environment: &Environment, id: Id) -> Vec<u8> {
    Key::of(org).text(environment.as_str()).id(id).end()
}

/// The key of a session in `sessions`.
#[must_use]
pub fn session(org: Id, environment: &Environment, account: &AccountId, session: Id) -> Vec<u8> {
    Key::of(org).text(environment.as_str()).text(account.as_str()).id(session).end()
}

/// What the keys of one account's sessions in `sessions` begin with.
#[must_use]
pub fn sessions_prefix(org: Id, environment: &Environment, account: &AccountId) -> Vec<u8> {
    Key::of(org).text(environment.as_str()).text(account.as_str()).prefix()
}

/// Whose session [`session`] made `key` of.
///
/// # Errors
/// [`Error::Damaged`] where it is not such a key.
pub fn parse_session(key: &[u8]) -> Result<(Id, Environment, AccountId), Error> {
    parse(key, |[org, environment, account, _session]| {
        Some((org.parse().ok()?, environment.parse().ok()?, account.parse().ok()?))
    })
}

/// The key of a session in `session_ids`.
#[must_use]
pub fn session_id(session: Id) -> Vec<u8> {
    Key::new().id(session).end()
}

/// What all keys of one organization begin with, in every tree whose keys begin with the organization.
#[must_use]
pub fn org_prefix(org: Id) -> Vec<u8> {
    Key::of(org).prefix()
}

/// A key under construction: segments, each followed by a separator.
struct Key(Vec<u8>);

impl Key {
    fn new() -> Key {
        Key(Vec::with_capacity(96))
    }

    fn of(org: Id) -> Key {
        Key::new().id(org)
    }

    fn id(mut self, id: Id) -> Key {
        self.0.extend_from_slice(&id.to_hex());
        self.0.push(b'/');
        self
    }

    fn text(mut self, text: &str) -> Key {
        for part in percent_encode(text.as_bytes(), ENCODED) {
            self.0.extend_from_slice(part.as_bytes());
        }
        self.0.push(b'/');
        self
    }

    fn prefix(self) -> Vec<u8> {
        self.0
    }

    fn end(mut self) -> Vec<u8> {
        self.0.pop();
        self.0
    }
}

fn address(org: &str, environment: &str, subject: &str, definition: &str) -> Option<Address> {
    Some(Address {
        org: org.parse().ok()?,
        environment: environment.parse().ok()?,
        subject: subject.parse().ok()?,
        definition: definition.parse().ok()?,
    })
}

fn parse<const N: usize, T>(key: &[u8], read: impl Fn([&str; N]) -> Option<T>) -> Result<T, Error> {
    let segments = || {
        let text = std::str::from_utf8(key).ok()?;
        let decoded = text
            .split('/')
            .map(|segment| percent_decode_str(segment).decode_utf8().ok())
            .collect::<Option<Vec<_>>>()?;
        let decoded: Vec<&str> = decoded.iter().map(AsRef::as_ref).collect();
        read(decoded.try_into().ok()?)
    };
    segments().ok_or_else(|| Error::Damaged("a key is not of its tree's form".into()))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn subjects() -> impl Strategy<Value = Subject> {
        let id = "[^\\pC]{1,40}|[/%:.]{1,6}";
        prop_oneof![
            Just(Subject::Org),
            Just(Subject::Workspace),
            id.prop_filter_map("an id", |id| id.parse().ok().map(Subject::LinkedAccount)),
            id.prop_filter_map("an id", |id| id.parse().ok().map(Subject::Workflow)),
        ]
    }

    fn addresses() -> impl Strategy<Value = Address> {
        (any::<[u8; 12]>(), "[a-z][a-z0-9-]{0,31}", subjects(), any::<[u8; 12]>()).prop_filter_map(
            "an environment",
            |(org, environment, subject, definition)| {
                Some(Address {
                    org: Id::from_bytes(org),
                    environment: environment.parse().ok()?,
                    subject,
                    definition: Id::from_bytes(definition),
                })
            },
        )
    }

    proptest! {
        #[test]
        fn an_address_is_read_as_it_was_written(address in addresses()) {
            prop_assert_eq!(parse_value(&value(&address)).unwrap(), address.clone());
            prop_assert_eq!(parse_definition_value(&definition_value(&address)).unwrap(), address);
        }

        #[test]
        fn no_subject_is_inside_the_range_of_another(a in addresses(), b in addresses(), same_org: bool) {
            let b = if same_org { Address { org: a.org, environment: a.environment.clone(), ..b } } else { b };
            let range = value_prefix(a.org, &a.environment, &a.subject);
            let inside = value(&b).starts_with(&range);
            let same = (a.org, &a.environment, &a.subject) == (b.org, &b.environment, &b.subject);
            prop_assert_eq!(inside, same);
        }
    }

    #[test]
    fn a_key_is_readable_and_a_client_cannot_forge_a_separator() {
        let address = Address {
            org: "64f1c0ffee00000000000001".parse().unwrap(),
            environment: Environment::test(),
            subject: "linked_account:a/b%c".parse().unwrap(),
            definition: "64f1c0ffee00000000000002".parse().unwrap(),
        };
        assert_eq!(
            String::from_utf8(value(&address)).unwrap(),
            "64f1c0ffee00000000000001/test/linked_account%3Aa%2Fb%25c/64f1c0ffee00000000000002"
        );
    }

    #[test]
    fn a_damaged_key_is_an_error() {
        for key in [&b""[..], b"a/b/c/d", b"\xff", b"64f1c0ffee00000000000001/test/org"] {
            assert!(parse_value(key).is_err());
        }
    }
}
