//! A context, and the variables that a server finds in it.

use std::fmt::Display;
use std::str::FromStr;

use serde::de::Error as _;
use serde::{Deserialize, Deserializer};
use zeroize::Zeroizing;

use crate::client::{Api, Body, ClientError};
use crate::crypto::seal::AssociatedData;
use crate::model::{Name, Scope};

const RESOLVE: &str = "/env/resolve";
const REVEAL: (&str, &str) = ("reveal", "true");

/// Whose variables are meant, as far as the caller says so; the credential settles the rest.
#[derive(Debug, Clone, Default)]
pub struct Context {
    /// The environment.
    pub environment: Option<String>,
    /// The linked account's id.
    pub linked_account: Option<String>,
    /// The workflow's id.
    pub workflow: Option<String>,
}

impl Context {
    /// The same without a linked account and a workflow.
    #[must_use]
    pub fn environment_alone(&self) -> Context {
        Context { environment: self.environment.clone(), linked_account: None, workflow: None }
    }

    fn parts(&self) -> [(&'static str, Option<&str>); 3] {
        [
            ("environment", self.environment.as_deref()),
            ("linked_account_id", self.linked_account.as_deref()),
            ("workflow_id", self.workflow.as_deref()),
        ]
    }

    /// The query that names it.
    pub(super) fn query(&self) -> impl Iterator<Item = (&str, &str)> {
        self.parts().into_iter().filter_map(|(name, value)| Some((name, value?)))
    }

    /// What the answer of the server at `url` is bound to when it is kept. A part that is not named differs
    /// from one that is empty.
    pub(super) fn bound(&self, url: &str) -> AssociatedData {
        let bound = AssociatedData::new("coffer/cache/v1/resolve").field(url);
        self.parts().into_iter().fold(bound, |bound, (_, value)| match value {
            Some(value) => bound.number(1).field(value),
            None => bound.number(0),
        })
    }
}

/// What a context has and lacks.
#[derive(Deserialize)]
pub struct Found {
    /// Those with a value, sorted by name.
    pub variables: Vec<Variable>,
    /// Those without one.
    pub missing: Vec<Missing>,
}

/// A variable with its value.
#[derive(Deserialize)]
pub struct Variable {
    /// What it is called.
    #[serde(deserialize_with = "from_text")]
    pub name: Name,
    /// Its value; `[REDACTED]` where it is encrypted and was not revealed.
    pub value: Zeroizing<String>,
    /// The scope that it comes from.
    #[serde(deserialize_with = "from_text")]
    pub scope: Scope,
    /// Whether it is encrypted.
    pub encrypted: bool,
    /// The value's version.
    pub version: u64,
}

/// A variable without a value.
#[derive(Deserialize)]
pub struct Missing {
    /// What it is called.
    #[serde(deserialize_with = "from_text")]
    pub name: Name,
    /// Its scope.
    #[serde(deserialize_with = "from_text")]
    pub scope: Scope,
    /// Whether a program needs it.
    pub required: bool,
}

/// A noun as the API writes it, which is checked here: what the store writes of it is another form.
pub fn from_text<'de, D: Deserializer<'de>, T: FromStr<Err: Display>>(from: D) -> Result<T, D::Error> {
    String::deserialize(from)?.parse().map_err(D::Error::custom)
}

impl Found {
    /// What a kept answer says.
    ///
    /// # Errors
    /// When another release kept it, which wrote it otherwise.
    pub fn of_kept(answer: &[u8]) -> Result<Found, ClientError> {
        serde_json::from_slice(answer).map_err(|_| {
            ClientError::setup("the cache was written by a release that this one does not understand")
        })
    }

    /// The variables that are missing though a program needs them.
    pub fn lacking(&self) -> impl Iterator<Item = &Missing> {
        self.missing.iter().filter(|missing| missing.required)
    }

    /// The same with the variables that come from `scope` only, where one is given.
    #[must_use]
    pub fn of_scope(mut self, scope: Option<Scope>) -> Found {
        if let Some(scope) = scope {
            self.variables.retain(|variable| variable.scope == scope);
            self.missing.retain(|missing| missing.scope == scope);
        }
        self
    }
}

impl Api {
    /// The server's answer on a whole context; encrypted values are in it only where `reveal` says so.
    ///
    /// # Errors
    /// Where no answer comes, or a refusal does.
    pub fn resolve(&self, context: &Context, reveal: bool) -> Result<Body, ClientError> {
        let reveal: &[(&str, &str)] = if reveal { &[REVEAL] } else { &[] };
        self.get(RESOLVE, context, reveal)
    }

    /// The same with encrypted values; `None` where the answer is still the one with this `ETag`.
    ///
    /// # Errors
    /// As [`Api::resolve`].
    pub fn resolve_unless(&self, context: &Context, tag: &str) -> Result<Option<Body>, ClientError> {
        self.get_unless(RESOLVE, context, &[REVEAL], tag)
    }
}
