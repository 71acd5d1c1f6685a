//! Watching: what changes, as far as a caller may read it, as it is committed.

use std::collections::VecDeque;

use crate::model::{AccountId, Address, Environment, Id, Name, Scope, Subject};
use crate::store::feed::{Change, Commit};
use crate::store::{Revision, Tree, key};
use crate::vault::{CallerIn, Error, SubjectIds, Vault, need};

/// Something that changed. It says what, never what it holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Event {
    /// A value was made or replaced.
    ValueSet(Address, Option<Name>),
    /// A value was deleted.
    ValueDeleted(Address, Option<Name>),
    /// A definition was made.
    DefinitionCreated(Id, Scope, Option<Name>),
    /// A definition was changed.
    DefinitionChanged(Id, Scope, Option<Name>),
    /// A definition was deleted.
    DefinitionDeleted(Id, Scope, Option<Name>),
    /// A linked account was deleted, with all that was its own.
    AccountDeleted(Environment, AccountId),
}

/// What a watch meets next.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Step {
    /// The events of one commit.
    Events(Revision, Vec<Event>),
    /// What happened since it was last looked at cannot be told any more: look at everything, then go on from
    /// this commit.
    Reset(Revision),
}

/// One who follows what changes.
pub struct Watch {
    vault: Vault,
    at: CallerIn<need::Read>,
    /// The subjects whose values are followed; `None`: all.
    subjects: Option<Vec<Subject>>,
    seen: Revision,
    ahead: VecDeque<std::sync::Arc<Commit>>,
}

/// How many commits are looked at before others get their turn.
const AHEAD: usize = 256;

impl Vault {
    /// Follows what changes in the caller's environment from now on. Where `ids` name an account or a workflow,
    /// of values only those of the context that they make.
    ///
    /// # Errors
    /// [`Error::Forbidden`]; malformed ids.
    pub fn watch(&self, at: CallerIn<need::Read>, ids: &SubjectIds) -> Result<Watch, Error> {
        at.caller().permit()?;
        let account = ids.account()?.map(Subject::LinkedAccount);
        let subjects = match at.caller().own_account() {
            Some(_) => Some(account.into_iter().collect()),
            None => {
                let named: Vec<Subject> =
                    account.into_iter().chain(ids.workflow()?.map(Subject::Workflow)).collect();
                (!named.is_empty()).then(|| [named, vec![Subject::Workspace, Subject::Org]].concat())
            }
        };
        let seen = self.0.engine.feed().last();
        Ok(Watch { vault: self.clone(), at, subjects, seen, ahead: VecDeque::new() })
    }
}

impl Watch {
    /// Begins after commit `seen`, which may be some time ago.
    #[must_use]
    pub fn resume(self, seen: Revision) -> Watch {
        Watch { seen, ..self }
    }

    /// What comes next. It may be dropped while it waits; nothing is lost by that.
    ///
    /// # Errors
    /// Only the store's.
    pub async fn next(&mut self) -> Result<Step, Error> {
        loop {
            while let Some(commit) = self.ahead.front().cloned() {
                let events = self.events(&commit).await?;
                self.ahead.pop_front();
                self.seen = commit.revision;
                if !events.is_empty() {
                    return Ok(Step::Events(commit.revision, events));
                }
            }
            let feed = self.vault.0.engine.feed();
            let last = feed.last();
            match feed.after(self.seen, AHEAD) {
                None => {
                    self.seen = last;
                    return Ok(Step::Reset(last));
                }
                Some(commits) if commits.is_empty() => {
                    // None of those up to `last` was worth following.
                    self.seen = self.seen.max(last);
                    feed.beyond(self.seen).await;
                }
                Some(commits) => self.ahead.extend(commits),
            }
            tokio::task::yield_now().await;
        }
    }

    async fn events(&self, commit: &Commit) -> Result<Vec<Event>, Error> {
        let mut events = Vec::new();
        for change in &commit.changes {
            let event = match (change.tree, change.is_put) {
                (Tree::Values, _) => self.of_value(commit, change).await?,
                (Tree::Definitions, true) => self.of_definition(commit, change).await?,
                (Tree::DefinitionScopes, is_put) => self.of_scope(commit, change, is_put).await?,
                (Tree::Accounts, false) => self.of_account(change)?,
                _ => None,
            };
            events.extend(event);
        }
        Ok(events)
    }

    async fn of_value(&self, commit: &Commit, change: &Change) -> Result<Option<Event>, Error> {
        let address = key::parse_value(&change.key)?;
        let is_followed = self.subjects.as_ref().is_none_or(|subjects| subjects.contains(&address.subject));
        if address.org != self.org() || address.environment != *self.at.environment() || !is_followed {
            return Ok(None);
        }
        let name = self.name(commit, address.definition).await?;
        let event = if change.is_put { Event::ValueSet } else { Event::ValueDeleted };
        Ok(Some(event(address, name)))
    }

    /// A definition that was put, but not made: then its scope is put too, and tells more.
    async fn of_definition(&self, commit: &Commit, change: &Change) -> Result<Option<Event>, Error> {
        let (org, id) = key::parse_definition(&change.key)?;
        let is_new = scopes(commit).any(|(_, of, is_put)| of == id && is_put);
        if org != self.org() || is_new {
            return Ok(None);
        }
        // One that is gone by now has an event for that to come.
        let Some(seen) = self.vault.find_definition(org, id).await? else { return Ok(None) };
        let may = self.at.caller().admit_scope(seen.noun.scope).is_ok();
        Ok(may.then_some(Event::DefinitionChanged(id, seen.noun.scope, Some(seen.noun.name))))
    }

    async fn of_scope(&self, commit: &Commit, change: &Change, is_put: bool) -> Result<Option<Event>, Error> {
        let (org, scope, id) = key::scope_of_definition(&change.key)?;
        if org != self.org() || self.at.caller().admit_scope(scope).is_err() {
            return Ok(None);
        }
        let name = self.name(commit, id).await?;
        let event = if is_put { Event::DefinitionCreated } else { Event::DefinitionDeleted };
        Ok(Some(event(id, scope, name)))
    }

    fn of_account(&self, change: &Change) -> Result<Option<Event>, Error> {
        let (org, environment, account) = key::place_of_account(&change.key)?;
        let is_theirs = self.at.caller().own_account().is_none_or(|own| *own == account);
        let is_seen = org == self.org() && environment == *self.at.environment() && is_theirs;
        Ok(is_seen.then_some(Event::AccountDeleted(environment, account)))
    }

    /// What a definition is called, or was when `commit` deleted it.
    async fn name(&self, commit: &Commit, definition: Id) -> Result<Option<Name>, Error> {
        if let Some(seen) = self.vault.find_definition(self.org(), definition).await? {
            return Ok(Some(seen.noun.name));
        }
        let was_deleted = scopes(commit).any(|(_, id, is_put)| id == definition && !is_put);
        let names = commit.changes.iter().filter(|change| change.tree == Tree::DefinitionNames);
        match names.filter(|change| !change.is_put).collect::<Vec<_>>()[..] {
            // A deletion deletes one definition.
            [deleted] if was_deleted => Ok(Some(key::parse_definition_name(&deleted.key)?.1)),
            _ => Ok(None),
        }
    }

    fn org(&self) -> Id {
        self.at.caller().org()
    }
}

/// The definitions that a commit made or deleted: scope, id, and whether it was made.
fn scopes(commit: &Commit) -> impl Iterator<Item = (Scope, Id, bool)> {
    let of_tree = commit.changes.iter().filter(|change| change.tree == Tree::DefinitionScopes);
    of_tree.filter_map(|change| {
        key::scope_of_definition(&change.key).ok().map(|(_, scope, id)| (scope, id, change.is_put))
    })
}
