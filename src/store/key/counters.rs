//! Keys of the totals in `counters`.

use super::Key;
use crate::model::{AccountId, Environment, Id, Scope, Subject};

/// The counter of an organization's definitions, or of those of one scope.
#[must_use]
pub fn definitions_counter(org: Id, scope: Option<Scope>) -> Vec<u8> {
    let key = Key::new().text("definitions").id(org);
    match scope {
        Some(scope) => key.text(scope.as_str()).end(),
        None => key.end(),
    }
}

/// The counter of the values of one definition, wherever they are.
#[must_use]
pub fn definition_values_counter(org: Id, definition: Id) -> Vec<u8> {
    Key::new().text("definition-values").id(org).id(definition).end()
}

/// What the keys that [`definition_values_counter`] makes for one organization begin with.
#[must_use]
pub fn definition_values_counters(org: Id) -> Vec<u8> {
    Key::new().text("definition-values").id(org).prefix()
}

/// The counter of one subject's values in one environment.
#[must_use]
pub fn values_counter(org: Id, environment: &Environment, subject: &Subject) -> Vec<u8> {
    Key::new().text("values").id(org).text(environment.as_str()).text(&subject.to_string()).end()
}

/// The counter of an environment's linked accounts.
#[must_use]
pub fn accounts_counter(org: Id, environment: &Environment) -> Vec<u8> {
    Key::new().text("accounts").id(org).text(environment.as_str()).end()
}

/// The counter of one account's sessions.
#[must_use]
pub fn sessions_counter(org: Id, environment: &Environment, account: &AccountId) -> Vec<u8> {
    Key::new().text("sessions").id(org).text(environment.as_str()).text(account.as_str()).end()
}

/// What every key that [`sessions_counter`] made begins with.
pub const SESSIONS_COUNTERS: &[u8] = b"sessions/";
