//! What people look through: definitions by name, accounts by id, workflows that have values. In the order of
//! the alphabet and from one entry to the next, so that a page costs the same wherever it begins.

use crate::model::{Account, AccountId, Definition, Environment, Id, Name, Org, Scope, WorkflowId};
use crate::store::{Tree, key, record};
use crate::vault::accounts::named;
use crate::vault::page::SCAN_STEP;
use crate::vault::{Caller, CallerIn, Error, NamedAccount, Need, Vault, need};

/// Which names are looked for: those with each of some words in them, whatever their case.
#[derive(Debug, Clone, Default)]
pub struct Search(Vec<String>);

impl Search {
    /// For the words of `text`; none: every name is found.
    #[must_use]
    pub fn of(text: &str) -> Search {
        Search(text.split_whitespace().map(str::to_lowercase).collect())
    }

    /// Whether `name` is looked for.
    #[must_use]
    pub fn finds(&self, name: &str) -> bool {
        if self.0.is_empty() {
            return true;
        }
        let name = name.to_lowercase();
        self.0.iter().all(|word| name.contains(word))
    }
}

impl Vault {
    /// Up to `limit` definitions of a scope that `search` finds, by name, after the name `after`.
    ///
    /// # Errors
    /// [`Error::Forbidden`].
    pub async fn definitions_by_name(
        &self,
        caller: &Caller<need::ReadAll>,
        scope: Scope,
        search: &Search,
        after: Option<&Name>,
        limit: usize,
    ) -> Result<Vec<Definition>, Error> {
        caller.permit()?;
        let org = caller.org();
        let prefix = key::definition_scope_prefix(org, scope);
        let mut after = after.map(|name| key::definition_name(org, scope, name));
        let mut found = Vec::new();
        // Without words every name is wanted, and no more than those need be read.
        let step_size = if search.0.is_empty() { limit.min(SCAN_STEP) } else { SCAN_STEP };
        loop {
            let step =
                self.0.engine.scan(Tree::DefinitionNames, &prefix, after.as_deref(), step_size).await?;
            let Some(last) = step.last() else { return Ok(found) };
            after = Some(last.key.clone());
            for entry in step {
                let (_, name) = key::parse_definition_name(&entry.key)?;
                if search.finds(name.as_str()) {
                    let id: Id = record::decode(&entry.value)?;
                    // One that was deleted since the scan is not listed.
                    found.extend(self.find_definition(org, id).await?.map(|seen| seen.noun));
                }
                if found.len() >= limit {
                    return Ok(found);
                }
            }
            tokio::task::yield_now().await;
        }
    }

    /// How many definitions a scope has.
    ///
    /// # Errors
    /// [`Error::Forbidden`].
    pub async fn count_definitions(
        &self,
        caller: &Caller<need::ReadAll>,
        scope: Scope,
    ) -> Result<u64, Error> {
        caller.permit()?;
        Ok(self.counter(&key::definitions_counter(caller.org(), Some(scope))).await?.0)
    }

    /// How many values a definition has, in all environments together.
    ///
    /// # Errors
    /// [`Error::Forbidden`].
    pub async fn count_values(&self, caller: &Caller<need::ReadAll>, definition: Id) -> Result<u64, Error> {
        caller.permit()?;
        Ok(self.counter(&key::definition_values_counter(caller.org(), definition)).await?.0)
    }

    /// Up to `limit` accounts whose id `search` finds, by id, after the id `after`.
    ///
    /// # Errors
    /// [`Error::Forbidden`].
    pub async fn accounts_by_id(
        &self,
        at: &CallerIn<need::ReadAll>,
        search: &Search,
        after: Option<&AccountId>,
        limit: usize,
    ) -> Result<Vec<NamedAccount>, Error> {
        at.caller().permit()?;
        let (org, environment) = (at.caller().org(), at.environment());
        let prefix = key::accounts_prefix(org, environment);
        let mut after = after.map(|id| key::account(org, environment, id));
        let mut found = Vec::new();
        let step_size = if search.0.is_empty() { limit.min(SCAN_STEP) } else { SCAN_STEP };
        loop {
            let step = self.0.engine.scan(Tree::Accounts, &prefix, after.as_deref(), step_size).await?;
            let Some(last) = step.last() else { return Ok(found) };
            after = Some(last.key.clone());
            for entry in step {
                let id = key::place_of_account(&entry.key)?.2;
                if search.finds(id.as_str()) {
                    let account: Account = record::decode(&entry.value)?;
                    found.push(named(at, id, account));
                }
                if found.len() >= limit {
                    return Ok(found);
                }
            }
            tokio::task::yield_now().await;
        }
    }

    /// How many accounts the caller's environment has.
    ///
    /// # Errors
    /// [`Error::Forbidden`].
    pub async fn count_accounts(&self, at: &CallerIn<need::ReadAll>) -> Result<u64, Error> {
        at.caller().permit()?;
        Ok(self.counter(&key::accounts_counter(at.caller().org(), at.environment())).await?.0)
    }

    /// Up to `limit` workflows that have a value in the caller's environment, by id, after the id `after`.
    ///
    /// # Errors
    /// [`Error::Forbidden`].
    pub async fn workflows(
        &self,
        at: &CallerIn<need::ReadAll>,
        after: Option<&WorkflowId>,
        limit: usize,
    ) -> Result<Vec<WorkflowId>, Error> {
        at.caller().permit()?;
        let (org, environment) = (at.caller().org(), at.environment());
        let prefix = key::workflows_prefix(org, environment);
        let beyond = |id: &WorkflowId| key::beyond_workflow(org, environment, id);
        let mut after = after.map(beyond);
        let mut found = Vec::new();
        while found.len() < limit {
            let next = self.0.engine.scan(Tree::Values, &prefix, after.as_deref(), 1).await?;
            let Some(entry) = next.first() else { break };
            let address = key::parse_value(&entry.key)?;
            let Some(workflow) = address.subject.workflow() else { break };
            after = Some(beyond(workflow));
            found.push(workflow.clone());
        }
        Ok(found)
    }

    /// The caller's organization, as far as any of its keys may know it.
    ///
    /// # Errors
    /// [`Error::NotFound`] where it is gone.
    pub async fn own_org<N: Need>(&self, caller: &Caller<N>) -> Result<Org, Error> {
        let found = self.get::<Org>(Tree::Orgs, &key::org(caller.org())).await?;
        Ok(found.ok_or(Error::NotFound("Organization"))?.noun)
    }

    /// The environments that the caller's credential opens, in the order in which they were made.
    ///
    /// # Errors
    /// [`Error::NotFound`] where its organization is gone.
    pub async fn open_environments<N: Need>(&self, caller: &Caller<N>) -> Result<Vec<Environment>, Error> {
        let mut environments = self.own_org(caller).await?.environments;
        environments.retain(|environment| caller.reaches(environment));
        Ok(environments)
    }
}
