//! Setting a value: the one write that everything else is there for.

use crate::crypto::Plaintext;
use crate::model::{Account, AccountId, Address, AuditEvent, Content, Definition, Id, Timestamp, Value};
use crate::store::{self, Batch, Tree, key, record};
use crate::vault::accounts::{account_act, check_account_id, index_new_account, no_such_account};
use crate::vault::history::forget_versions;
use crate::vault::values::value_act;
use crate::vault::{
    CallerIn, Error, FoundValue, MAX_ATTEMPTS, Need, Precondition, Seen, SubjectIds, Vault, need,
};

/// A value to set.
pub struct SetValue {
    /// The definition (`None`: a text that is no id).
    pub definition: Option<Id>,
    /// The ids that make the definition's scope particular.
    pub ids: SubjectIds,
    /// What it is to hold.
    pub value: Plaintext,
    /// What must hold of the value that it replaces.
    pub precondition: Precondition,
}

impl Vault {
    /// Sets a value: makes it, or replaces it under the same id. Durable once this is `Ok`.
    ///
    /// # Errors
    /// In this order: [`Error::NotFound`] for the definition, [`Error::Forbidden`],
    /// [`Error::ScopeMismatch`] and malformed ids, [`Error::TooLarge`], [`Error::ValueFormatMismatch`],
    /// [`Error::InvalidToken`] for a session that has ended meanwhile, [`Error::InvalidLinkedAccount`] for an
    /// account that must exist and does not, [`Error::VersionConflict`].
    pub async fn set_value(
        &self,
        at: &CallerIn<need::Write>,
        request: &SetValue,
    ) -> Result<FoundValue, Error> {
        let org = at.caller().org();
        // The gate is the definition's, so it is passed before the definition is read for good.
        let _shared = match request.definition {
            Some(id) => Some(self.definition_gate(id).read().await),
            None => None,
        };
        for _ in 0..MAX_ATTEMPTS {
            let definition = self.definition(org, request.definition).await?;
            at.caller().permit()?;
            at.caller().admit_scope(definition.noun.scope)?;
            let address = Address {
                org,
                environment: at.environment().clone(),
                subject: request.ids.exact_subject(definition.noun.scope)?,
                definition: definition.noun.id,
            };
            self.check_text(&definition.noun, &request.value)?;
            if let Some(value) = self.try_set(at, &definition, &address, request).await? {
                return Ok(FoundValue { address, definition: definition.noun, value });
            }
        }
        Err(store::Error::Busy.into())
    }

    pub(super) fn check_text(&self, definition: &Definition, text: &Plaintext) -> Result<(), Error> {
        let max = self.policy().max_value_bytes;
        if text.len() > max {
            return Err(Error::TooLarge(format!("value must be at most {max} bytes")));
        }
        match text.expose_str() {
            Ok(text) if definition.format.accepts(text) => Ok(()),
            _ => Err(Error::ValueFormatMismatch),
        }
    }

    /// `None` where another change came in between.
    async fn try_set(
        &self,
        at: &CallerIn<need::Write>,
        definition: &Seen<Definition>,
        address: &Address,
        request: &SetValue,
    ) -> Result<Option<Value>, Error> {
        let batch = self.require_owner(at, definition, address).await?;
        let seen = self.get::<Value>(Tree::Values, &key::value(address)).await?;
        request.precondition.check(seen.as_ref().map(|seen| seen.noun.version))?;
        let event = if seen.is_none() { AuditEvent::ValueSet } else { AuditEvent::ValueUpdated };
        let (batch, value) = self.plan_value(at, &definition.noun, address, seen, &request.value, batch)?;
        let act = value_act(event, address, value.id, &definition.noun);
        let batch = self.record(batch, at.caller(), act).await?;
        Ok(self.commit(batch).await?.then_some(value))
    }

    /// Requires that the definition, the caller's session and the account of a value are as they are now.
    pub(super) async fn require_owner(
        &self,
        at: &CallerIn<need::Write>,
        definition: &Seen<Definition>,
        address: &Address,
    ) -> Result<Batch, Error> {
        let definition_key = key::definition(address.org, address.definition);
        let batch = Batch::new().require_version(Tree::Definitions, definition_key, definition.revision);
        let batch = self.require_session(at, batch).await?;
        match address.subject.linked_account() {
            Some(account) => self.require_account(at, account, batch).await,
            None => Ok(batch),
        }
    }

    /// Adds to `batch` that `address` holds `text`, over what was `seen` there.
    pub(super) fn plan_value<N: Need>(
        &self,
        at: &CallerIn<N>,
        definition: &Definition,
        address: &Address,
        seen: Option<Seen<Value>>,
        text: &Plaintext,
        mut batch: Batch,
    ) -> Result<(Batch, Value), Error> {
        let value_key = key::value(address);
        let seen_revision = seen.as_ref().map(|seen| seen.revision);
        let (now, actor) = (Timestamp::now(), at.caller().actor());
        let mut value = match seen {
            Some(Seen { noun: old, .. }) => {
                let oldest;
                (batch, oldest) = self.keep_version(batch, address, &old)?;
                Value { version: old.version + 1, oldest, updated_by: actor, updated_at: now, ..old }
            }
            None => Value {
                id: self.0.ids.next(),
                content: Content::Plain(String::new()),
                version: 1,
                oldest: 1,
                created_by: actor,
                updated_by: actor,
                created_at: now,
                updated_at: now,
            },
        };
        value.content = self.content(definition, address, &value, text)?;
        if seen_revision.is_none() {
            batch = index_new_value(batch, address, value.id, &value_key);
        }
        batch = batch.require_unchanged(Tree::Values, value_key.as_slice(), seen_revision).put(
            Tree::Values,
            value_key,
            record::encode(&value)?,
        );
        Ok((batch, value))
    }

    fn content(
        &self,
        definition: &Definition,
        address: &Address,
        value: &Value,
        text: &Plaintext,
    ) -> Result<Content, Error> {
        if definition.encrypted {
            return self.0.data_keys.seal(address, value.id, value.version, text);
        }
        let text = text.expose_str().map_err(|_| Error::ValueFormatMismatch)?;
        Ok(Content::Plain(text.into()))
    }

    /// Requires in `batch` that the account is as it is now, and registers it there where it is unknown.
    pub(super) async fn require_account<N: Need>(
        &self,
        at: &CallerIn<N>,
        account: &AccountId,
        batch: Batch,
    ) -> Result<Batch, Error> {
        let (org, environment) = (at.caller().org(), at.environment());
        let account_key = key::account(org, environment, account);
        if let Some(found) = self.0.engine.get(Tree::Accounts, &account_key).await? {
            return Ok(batch.require_version(Tree::Accounts, account_key, found.revision));
        }
        if self.policy().strict_accounts {
            return Err(no_such_account(account, environment));
        }
        check_account_id(org, account)?;
        let registered = Account::registered(self.0.ids.next(), Timestamp::now());
        let batch = batch.require_absent(Tree::Accounts, account_key);
        let batch = index_new_account(batch, org, environment, account, &registered)?;
        let act = account_act(AuditEvent::AccountCreated, environment, account, registered.id);
        self.record(batch, at.caller(), act).await
    }
}

/// Adds to `batch` that a value goes, with its history and all that finds it. Its counters are for the caller,
/// who may take away more than one value.
pub(super) fn unindex_value(batch: Batch, address: &Address, value: &Value) -> Batch {
    forget_versions(batch, address.org, value)
        .delete(Tree::Values, key::value(address))
        .delete(Tree::ValueIds, key::value_id(address.org, value.id))
        .delete(Tree::DefinitionValues, key::definition_value(address))
}

fn index_new_value(batch: Batch, address: &Address, id: Id, value_key: &[u8]) -> Batch {
    let org = address.org;
    batch
        .put(Tree::ValueIds, key::value_id(org, id), value_key)
        .put(Tree::DefinitionValues, key::definition_value(address), [])
        .add(Tree::Counters, key::values_counter(org, &address.environment, &address.subject), 1)
        .add(Tree::Counters, key::definition_values_counter(org, address.definition), 1)
}
