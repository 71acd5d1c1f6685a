//! The ids that a request passes, and the subject that they and a scope make.

use crate::model::{AccountId, Scope, Subject, WorkflowId};
use crate::vault::{Caller, Error, Need};

/// The linked account and the workflow that a request names. Either may be named in several places: those
/// must agree.
///
/// For a session token its own account is named, whatever the request says, and naming another is refused at
/// once: nothing is compared with an account that is not the caller's.
#[derive(Debug, Clone, Default)]
pub struct SubjectIds {
    own: Option<AccountId>,
    accounts: Vec<Vec<u8>>,
    workflows: Vec<String>,
}

impl SubjectIds {
    /// What `caller` names before its request was looked at.
    #[must_use]
    pub fn of<N: Need>(caller: &Caller<N>) -> SubjectIds {
        SubjectIds { own: caller.own_account().cloned(), ..SubjectIds::default() }
    }

    /// Refuses an account's id that the caller may not speak of.
    ///
    /// # Errors
    /// [`Error::Forbidden`] where the caller may speak of one account, and this is another.
    pub fn admit_account(&self, id: &[u8]) -> Result<(), Error> {
        match &self.own {
            Some(own) if own.as_str().as_bytes() != id => {
                Err(Error::Forbidden("a session token reaches only its own account"))
            }
            _ => Ok(()),
        }
    }

    /// Adds an account's id as it was sent, in one of the places where it may stand.
    ///
    /// # Errors
    /// As [`SubjectIds::admit_account`].
    pub fn name_account(&mut self, id: &[u8]) -> Result<(), Error> {
        self.admit_account(id)?;
        self.accounts.push(id.to_vec());
        Ok(())
    }

    /// Adds a workflow's id as it was sent, in one of the places where it may stand.
    pub fn name_workflow(&mut self, id: &str) {
        self.workflows.push(id.into());
    }

    /// The account named, if one is.
    ///
    /// # Errors
    /// [`Error::InvalidLinkedAccount`] where the places disagree or the id is malformed.
    pub fn account(&self) -> Result<Option<AccountId>, Error> {
        let Some(first) = self.accounts.first() else { return Ok(self.own.clone()) };
        if self.accounts.iter().any(|other| other != first) {
            return Err(Error::InvalidLinkedAccount(
                "linked_account_id differs between header, query and body".into(),
            ));
        }
        let text = std::str::from_utf8(first).unwrap_or_default();
        Ok(Some(text.parse::<AccountId>()?))
    }

    /// The subject that these ids make of `scope`, where they must fit it exactly.
    ///
    /// # Errors
    /// [`Error::ScopeMismatch`], naming what is missing or too much; [`Error::InvalidLinkedAccount`] or
    /// [`Error::InvalidRequest`] where an id is malformed.
    pub fn exact_subject(&self, scope: Scope) -> Result<Subject, Error> {
        let too_much = match scope {
            Scope::Org if self.names_account() => Some("linked_account_id is not allowed for org scope"),
            Scope::Org if self.names_workflow() => Some("workflow_id is not allowed for org scope"),
            Scope::Workspace if self.names_account() => {
                Some("linked_account_id is not allowed for workspace scope")
            }
            Scope::Workspace if self.names_workflow() => {
                Some("workflow_id is not allowed for workspace scope")
            }
            Scope::LinkedAccount if self.names_workflow() => {
                Some("workflow_id is not allowed for linked_account scope")
            }
            Scope::Workflow if self.names_account() => {
                Some("linked_account_id is not allowed for workflow scope")
            }
            _ => None,
        };
        match too_much {
            Some(message) => Err(Error::ScopeMismatch(message)),
            None => self.subject(scope),
        }
    }

    /// The subject that these ids make of `scope`; ids that the scope does not use are ignored.
    ///
    /// # Errors
    /// As [`SubjectIds::exact_subject`], but nothing is too much.
    pub fn subject(&self, scope: Scope) -> Result<Subject, Error> {
        match scope {
            Scope::Org => Ok(Subject::Org),
            Scope::Workspace => Ok(Subject::Workspace),
            Scope::LinkedAccount => self
                .account()?
                .map(Subject::LinkedAccount)
                .ok_or(Error::ScopeMismatch("linked_account_id is required for linked_account scope")),
            Scope::Workflow => self
                .workflow()?
                .map(Subject::Workflow)
                .ok_or(Error::ScopeMismatch("workflow_id is required for workflow scope")),
        }
    }

    /// The workflow named, if one is.
    ///
    /// # Errors
    /// [`Error::InvalidRequest`] where the places disagree or the id is malformed.
    pub fn workflow(&self) -> Result<Option<WorkflowId>, Error> {
        match self.workflows.as_slice() {
            [] => Ok(None),
            [first, others @ ..] if others.iter().any(|other| other != first) => {
                Err(Error::InvalidRequest("workflow_id differs between query and body".into()))
            }
            [id, ..] => Ok(Some(id.parse::<WorkflowId>()?)),
        }
    }

    fn names_account(&self) -> bool {
        !self.accounts.is_empty()
    }

    fn names_workflow(&self) -> bool {
        !self.workflows.is_empty()
    }
}
