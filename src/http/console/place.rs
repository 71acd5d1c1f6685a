//! Which subject a page is about, as its address says it.

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

use crate::http::error::ApiError;
use crate::http::query::Query;
use crate::model::Scope;
use crate::vault::{Caller, Need, SubjectIds};

const ENCODED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'.').remove(b'_').remove(b'~').remove(b'-');

/// A text as it stands in a query.
pub(super) fn encoded(text: &str) -> String {
    utf8_percent_encode(text, ENCODED).to_string()
}

/// The account or the workflow that a page is about, where it is about one.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Place {
    pub(super) account: Option<String>,
    pub(super) workflow: Option<String>,
}

impl Place {
    pub(super) fn of(query: &Query) -> Result<Place, ApiError> {
        Ok(Place {
            account: query.filter("account")?.map(Into::into),
            workflow: query.filter("workflow")?.map(Into::into),
        })
    }

    /// The ids that `scope` uses of these.
    pub(super) fn ids<N: Need>(&self, caller: &Caller<N>, scope: Scope) -> Result<SubjectIds, ApiError> {
        let mut ids = SubjectIds::of(caller);
        match (scope, &self.account, &self.workflow) {
            (Scope::LinkedAccount, Some(account), _) => ids.name_account(account.as_bytes())?,
            (Scope::Workflow, _, Some(workflow)) => ids.name_workflow(workflow),
            _ => {}
        }
        Ok(ids)
    }

    /// Whether it says enough for a value of `scope`.
    pub(super) fn is_particular(&self, scope: Scope) -> bool {
        match scope {
            Scope::Org | Scope::Workspace => true,
            Scope::LinkedAccount => self.account.is_some(),
            Scope::Workflow => self.workflow.is_some(),
        }
    }

    /// The path with this place in its query, as far as `scope` uses it.
    pub(super) fn add_to(&self, path: &str, scope: Scope) -> String {
        let (name, id) = match (scope, &self.account, &self.workflow) {
            (Scope::LinkedAccount, Some(account), _) => ("account", account),
            (Scope::Workflow, _, Some(workflow)) => ("workflow", workflow),
            _ => return path.into(),
        };
        let separator = if path.contains('?') { '&' } else { '?' };
        format!("{path}{separator}{name}={}", encoded(id))
    }

    /// The id that it names, for people.
    pub(super) fn id(&self, scope: Scope) -> &str {
        let id = match scope {
            Scope::LinkedAccount => self.account.as_deref(),
            Scope::Workflow => self.workflow.as_deref(),
            Scope::Org | Scope::Workspace => None,
        };
        id.unwrap_or_default()
    }
}

/// What people call a scope.
pub(super) fn scope_name(scope: Scope) -> &'static str {
    match scope {
        Scope::Org => "Organization",
        Scope::Workspace => "Workspace",
        Scope::LinkedAccount => "Linked account",
        Scope::Workflow => "Workflow",
    }
}
