//! Linked accounts: registered, changed, read, deleted with all that is theirs.

use std::collections::BTreeMap;
use std::mem;

use crate::model::{
    Account, AccountId, AuditEvent, Entity, EntityKind, Environment, Id, Session, Subject, Timestamp,
};
use crate::store::{self, Batch, Tree, key, record};
use crate::vault::audit::Act;
use crate::vault::page::each_record;
use crate::vault::set_value::unindex_value;
use crate::vault::{CallerIn, Error, MAX_ATTEMPTS, Need, Seen, SubjectIds, Vault, need};

/// What an account is to be; what is absent stays.
#[derive(Debug, Default)]
pub struct AccountChange {
    /// What people call it.
    pub name: Option<String>,
    /// User-defined fields by key; `None` removes one.
    pub udf: BTreeMap<String, Option<String>>,
}

/// An account with the ids that it goes by.
#[derive(Debug)]
pub struct NamedAccount {
    /// The organization that it is of.
    pub org: Id,
    /// The environment that it is in.
    pub environment: Environment,
    /// The client's own id for it.
    pub account_id: AccountId,
    /// The account.
    pub account: Account,
}

/// An account, and whether it was registered just now.
#[derive(Debug)]
pub struct ChangedAccount {
    /// The account.
    pub account: NamedAccount,
    /// Whether it was not there before.
    pub is_new: bool,
}

const ACCOUNT_NOT_FOUND: Error = Error::NotFound("Linked account");

impl AccountChange {
    fn applied_to(&self, account: &Account) -> Result<Account, Error> {
        let mut changed = account.clone();
        if let Some(name) = &self.name {
            changed.name.clone_from(name);
        }
        for (key, field) in &self.udf {
            match field {
                Some(field) => changed.udf.insert(key.clone(), field.clone()),
                None => changed.udf.remove(key),
            };
        }
        changed.check()?;
        Ok(changed)
    }
}

/// The error where `account` must exist and does not.
pub(super) fn no_such_account(account: &AccountId, environment: &Environment) -> Error {
    Error::InvalidLinkedAccount(format!(
        "No linked account found for account id : {account} in environment {environment}"
    ))
}

/// Refuses an id that would pass for the organization itself.
pub(super) fn check_account_id(org: Id, account: &AccountId) -> Result<(), Error> {
    if account.as_str() == org.to_string() {
        let why = "linked_account_id must not be the organization's id";
        return Err(Error::InvalidLinkedAccount(why.into()));
    }
    Ok(())
}

/// The act of something done to an account.
pub(super) fn account_act<'a>(
    event: AuditEvent,
    environment: &'a Environment,
    account_id: &'a AccountId,
    id: Id,
) -> Act<'a> {
    Act::new(event, Entity::of(EntityKind::Account, id).named(account_id.as_str()))
        .within(environment)
        .concerning(Some(account_id))
}

/// Adds to `batch` all that a new account consists of. That there is none yet is for the caller to require.
pub(super) fn index_new_account(
    batch: Batch,
    org: Id,
    environment: &Environment,
    account_id: &AccountId,
    account: &Account,
) -> Result<Batch, Error> {
    let account_key = key::account(org, environment, account_id);
    Ok(batch
        .put(Tree::AccountIds, key::account_id(org, environment, account.id), account_key.as_slice())
        .put(Tree::Accounts, account_key, record::encode(account)?)
        .add(Tree::Counters, key::accounts_counter(org, environment), 1))
}

impl Vault {
    /// Registers an account.
    ///
    /// # Errors
    /// [`Error::Forbidden`]; [`Error::InvalidLinkedAccount`]; [`Error::InvalidRequest`];
    /// [`Error::DuplicateLinkedAccount`].
    pub async fn create_account(
        &self,
        at: &CallerIn<need::Manage>,
        ids: &SubjectIds,
        change: &AccountChange,
    ) -> Result<NamedAccount, Error> {
        at.caller().permit()?;
        let account_id = required_account(ids)?;
        let (account, batch) = self.plan_new_account(at, &account_id, change).await?;
        if self.commit(batch).await? {
            Ok(named(at, account_id, account))
        } else {
            Err(Error::DuplicateLinkedAccount(at.environment().clone()))
        }
    }

    /// Registers an account, or changes the one that is there.
    ///
    /// # Errors
    /// [`Error::Forbidden`]; [`Error::InvalidLinkedAccount`]; [`Error::InvalidRequest`];
    /// [`Error::InvalidToken`] for a session that has ended meanwhile.
    pub async fn upsert_account(
        &self,
        at: &CallerIn<need::ManageOwn>,
        ids: &SubjectIds,
        change: &AccountChange,
    ) -> Result<ChangedAccount, Error> {
        at.caller().permit()?;
        let account_id = required_account(ids)?;
        for _ in 0..MAX_ATTEMPTS {
            let batch = self.require_session(at, Batch::new()).await?;
            let account_key = key::account(at.caller().org(), at.environment(), &account_id);
            let (account, batch, is_new) = match self.get::<Account>(Tree::Accounts, &account_key).await? {
                Some(seen) => {
                    let mut changed = change.applied_to(&seen.noun)?;
                    if changed == seen.noun {
                        let account = named(at, account_id, changed);
                        return Ok(ChangedAccount { account, is_new: false });
                    }
                    changed.updated_at = Timestamp::now();
                    let batch = batch
                        .require_version(Tree::Accounts, account_key.as_slice(), seen.revision)
                        .put(Tree::Accounts, account_key, record::encode(&changed)?);
                    let event = AuditEvent::AccountUpdated;
                    let act = account_act(event, at.environment(), &account_id, changed.id);
                    let batch = self.record(batch, at.caller(), act).await?;
                    (changed, batch, false)
                }
                // It went after its session was read: a token registers nobody.
                None if at.caller().own_account().is_some() => return Err(Error::InvalidToken),
                None => {
                    let (account, batch) = self.plan_new_account(at, &account_id, change).await?;
                    (account, batch, true)
                }
            };
            if self.commit(batch).await? {
                return Ok(ChangedAccount { account: named(at, account_id, account), is_new });
            }
        }
        Err(store::Error::Busy.into())
    }

    async fn plan_new_account<N: Need>(
        &self,
        at: &CallerIn<N>,
        account_id: &AccountId,
        change: &AccountChange,
    ) -> Result<(Account, Batch), Error> {
        let (org, environment) = (at.caller().org(), at.environment());
        check_account_id(org, account_id)?;
        let account = change.applied_to(&Account::registered(self.0.ids.next(), Timestamp::now()))?;
        let batch = Batch::new().require_absent(Tree::Accounts, key::account(org, environment, account_id));
        let batch = index_new_account(batch, org, environment, account_id, &account)?;
        let act = account_act(AuditEvent::AccountCreated, environment, account_id, account.id);
        Ok((account, self.record(batch, at.caller(), act).await?))
    }

    /// An account (`None`: a text that is no id).
    ///
    /// # Errors
    /// [`Error::Forbidden`]; [`Error::NotFound`].
    pub async fn get_account(
        &self,
        at: &CallerIn<need::Read>,
        account_id: Option<AccountId>,
    ) -> Result<NamedAccount, Error> {
        at.caller().permit()?;
        let account_id = account_id.ok_or(ACCOUNT_NOT_FOUND)?;
        let seen = self.account(at, &account_id).await?.ok_or(ACCOUNT_NOT_FOUND)?;
        Ok(named(at, account_id, seen.noun))
    }

    /// The account whose session token the caller holds.
    ///
    /// # Errors
    /// [`Error::InvalidToken`] where it is gone.
    pub async fn active_account(&self, at: &CallerIn<need::Session>) -> Result<NamedAccount, Error> {
        at.caller().permit()?;
        let account_id = at.caller().own_account().cloned().ok_or(Error::InvalidToken)?;
        let seen = self.account(at, &account_id).await?.ok_or(Error::InvalidToken)?;
        Ok(named(at, account_id, seen.noun))
    }

    pub(super) async fn account<N: Need>(
        &self,
        at: &CallerIn<N>,
        account_id: &AccountId,
    ) -> Result<Option<Seen<Account>>, Error> {
        let account_key = key::account(at.caller().org(), at.environment(), account_id);
        self.get(Tree::Accounts, &account_key).await
    }

    /// Deletes an account, with its values and its sessions, in one change: its tokens are refused from then
    /// on.
    ///
    /// # Errors
    /// [`Error::Forbidden`]; [`Error::NotFound`].
    pub async fn delete_account(
        &self,
        at: &CallerIn<need::Manage>,
        account_id: Option<AccountId>,
    ) -> Result<AccountId, Error> {
        at.caller().permit()?;
        let account_id = account_id.ok_or(ACCOUNT_NOT_FOUND)?;
        for _ in 0..MAX_ATTEMPTS {
            let seen = self.account(at, &account_id).await?.ok_or(ACCOUNT_NOT_FOUND)?;
            let batch = self.plan_account_deletion(at, &account_id, seen).await?;
            if self.commit(batch).await? {
                return Ok(account_id);
            }
        }
        Err(store::Error::Busy.into())
    }

    async fn plan_account_deletion(
        &self,
        at: &CallerIn<need::Manage>,
        account_id: &AccountId,
        seen: Seen<Account>,
    ) -> Result<Batch, Error> {
        let (org, environment) = (at.caller().org(), at.environment());
        let subject = Subject::LinkedAccount(account_id.clone());
        let values = key::values_counter(org, environment, &subject);
        let sessions = key::sessions_counter(org, environment, account_id);
        let account_key = key::account(org, environment, account_id);
        let mut batch = Batch::new()
            .require_version(Tree::Accounts, account_key.as_slice(), seen.revision)
            .delete(Tree::Accounts, account_key)
            .delete(Tree::AccountIds, key::account_id(org, environment, seen.noun.id))
            .add(Tree::Counters, key::accounts_counter(org, environment), -1)
            .freeing_space();
        // A new value or session changes its counter, so none is overlooked that comes in between. The
        // counters are read before what they count.
        for counter in [values, sessions] {
            let (_, revision) = self.counter(&counter).await?;
            batch = batch
                .require_unchanged(Tree::Counters, counter.as_slice(), revision)
                .delete(Tree::Counters, counter);
        }
        let engine = self.0.engine.as_ref();
        let prefix = key::value_prefix(org, environment, &subject);
        let mut count = 0;
        each_record(engine, Tree::Values, &prefix, |found| {
            count += 1;
            let address = key::parse_value(&found.key)?;
            let counter = key::definition_values_counter(org, address.definition);
            // One that was set again has one more version, which would be left.
            let planned = mem::take(&mut batch).require_version(Tree::Values, found.key, found.revision);
            batch = unindex_value(planned, &address, &record::decode(&found.value)?).add(
                Tree::Counters,
                counter,
                -1,
            );
            Ok(())
        })
        .await?;
        let act = account_act(AuditEvent::AccountDeleted, environment, account_id, seen.noun.id);
        batch = self.record(batch, at.caller(), act.counting(count)).await?;
        let mut sessions = Vec::new();
        let prefix = key::sessions_prefix(org, environment, account_id);
        each_record(engine, Tree::Sessions, &prefix, |found| {
            sessions.push((found.key, record::decode::<Session>(&found.value)?.id));
            Ok(())
        })
        .await?;
        Ok(sessions.into_iter().fold(batch, |batch, (session_key, id)| {
            batch.delete(Tree::Sessions, session_key).delete(Tree::SessionIds, key::session_id(id))
        }))
    }
}

fn required_account(ids: &SubjectIds) -> Result<AccountId, Error> {
    ids.account()?.ok_or_else(|| Error::InvalidLinkedAccount("account_id is required".into()))
}

pub(super) fn named<N: Need>(at: &CallerIn<N>, account_id: AccountId, account: Account) -> NamedAccount {
    NamedAccount { org: at.caller().org(), environment: at.environment().clone(), account_id, account }
}
