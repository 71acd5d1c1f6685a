//! Scopes (what kind of thing owns a value) and subjects (which one).

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use super::{AccountId, Invalid, WorkflowId};

/// The kind of thing that owns the values of a definition. A definition has exactly one, for life.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Scope {
    /// The organization.
    Org,
    /// The workspace that the organization's people share.
    Workspace,
    /// One end customer.
    LinkedAccount,
    /// One workflow.
    Workflow,
}

impl Scope {
    /// Every scope.
    pub const ALL: [Scope; 4] = [Scope::Org, Scope::Workspace, Scope::LinkedAccount, Scope::Workflow];

    /// The scope's name in the API.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Scope::Org => "org",
            Scope::Workspace => "workspace",
            Scope::LinkedAccount => "linked_account",
            Scope::Workflow => "workflow",
        }
    }
}

impl FromStr for Scope {
    type Err = Invalid;

    fn from_str(text: &str) -> Result<Scope, Invalid> {
        Scope::ALL
            .into_iter()
            .find(|scope| scope.as_str() == text)
            .ok_or(Invalid::new("scope", "must be one of org, workspace, linked_account, workflow"))
    }
}

impl fmt::Display for Scope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A scope made particular: the thing that owns a value.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Subject {
    /// The organization itself.
    Org,
    /// Its workspace.
    Workspace,
    /// This end customer.
    LinkedAccount(AccountId),
    /// This workflow.
    Workflow(WorkflowId),
}

impl Subject {
    /// The kind of thing that the subject is.
    #[must_use]
    pub fn scope(&self) -> Scope {
        match self {
            Subject::Org => Scope::Org,
            Subject::Workspace => Scope::Workspace,
            Subject::LinkedAccount(_) => Scope::LinkedAccount,
            Subject::Workflow(_) => Scope::Workflow,
        }
    }

    /// The client's id of the subject; empty where the scope needs none.
    #[must_use]
    pub fn id(&self) -> &str {
        match self {
            Subject::Org | Subject::Workspace => "",
            Subject::LinkedAccount(account) => account.as_str(),
            Subject::Workflow(workflow) => workflow.as_str(),
        }
    }

    /// The linked account, if the subject is one.
    #[must_use]
    pub fn linked_account(&self) -> Option<&AccountId> {
        match self {
            Subject::LinkedAccount(account) => Some(account),
            _ => None,
        }
    }

    /// The workflow, if the subject is one.
    #[must_use]
    pub fn workflow(&self) -> Option<&WorkflowId> {
        match self {
            Subject::Workflow(workflow) => Some(workflow),
            _ => None,
        }
    }
}

impl fmt::Display for Subject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Subject::Org | Subject::Workspace => f.write_str(self.scope().as_str()),
            _ => write!(f, "{}:{}", self.scope(), self.id()),
        }
    }
}

impl FromStr for Subject {
    type Err = Invalid;

    fn from_str(text: &str) -> Result<Subject, Invalid> {
        match text.split_once(':') {
            None if text == "org" => Ok(Subject::Org),
            None if text == "workspace" => Ok(Subject::Workspace),
            Some(("linked_account", id)) => id.parse().map(Subject::LinkedAccount),
            Some(("workflow", id)) => id.parse().map(Subject::Workflow),
            _ => Err(Invalid::new("subject", "must be a scope and its id")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn subjects_are_read_as_they_are_written() {
        for text in ["org", "workspace", "linked_account:mark@acme.com", "workflow:a:b/c"] {
            assert_eq!(text.parse::<Subject>().unwrap().to_string(), text);
        }
        for text in ["", "linked_account", "linked_account:", "org:", "org:x", "team:x"] {
            assert!(text.parse::<Subject>().is_err(), "{text}");
        }
    }
}
