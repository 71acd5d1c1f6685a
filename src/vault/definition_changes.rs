//! Definitions: changed and deleted, with their values in the same durable change.

use crate::model::{
    Address, AuditEvent, Content, Definition, Description, Format, Id, Name, Scope, Timestamp, Value,
};
use crate::store::{self, Batch, Tree, key, record};
use crate::vault::definitions::definition_act;
use crate::vault::page::SCAN_STEP;
use crate::vault::set_value::unindex_value;
use crate::vault::{Caller, Error, MAX_ATTEMPTS, Seen, Vault, need};

/// What a definition is to become; what is absent stays.
#[derive(Debug, Default)]
pub struct DefinitionPatch {
    /// The new name.
    pub name: Option<Name>,
    /// The new description.
    pub description: Option<Description>,
    /// The new format, which every value must fit.
    pub format: Option<Format>,
    /// Whether values are sealed from now on, those that exist included.
    pub encrypted: Option<bool>,
    /// Whether a program cannot do without a value of it.
    pub required: Option<bool>,
    /// The scope, which cannot change.
    pub scope: Option<Scope>,
}

impl DefinitionPatch {
    fn applied_to(&self, definition: &Definition) -> Result<Definition, Error> {
        if self.scope.is_some_and(|scope| scope != definition.scope) {
            return Err(Error::InvalidRequest("scope cannot change".into()));
        }
        if self.encrypted == Some(false) && definition.encrypted {
            return Err(Error::InvalidRequest("encrypted cannot change from true to false".into()));
        }
        let mut changed = definition.clone();
        if let Some(name) = &self.name {
            changed.name = name.clone();
        }
        if let Some(description) = &self.description {
            changed.description = description.clone();
        }
        if let Some(format) = self.format {
            changed.format = format;
        }
        if let Some(encrypted) = self.encrypted {
            changed.encrypted = encrypted;
        }
        if let Some(required) = self.required {
            changed.required = required;
        }
        Ok(changed)
    }
}

impl Vault {
    /// Changes a definition. Where it becomes encrypted, every value of it is sealed in the same change.
    ///
    /// # Errors
    /// [`Error::NotFound`]; [`Error::Forbidden`], also where a value to be sealed lives in an environment
    /// that the caller's key does not open; [`Error::DuplicateDefinition`]; [`Error::InvalidRequest`] for
    /// what cannot change, or where values do not fit the new format.
    pub async fn patch_definition(
        &self,
        caller: &Caller<need::Manage>,
        id: Option<Id>,
        patch: &DefinitionPatch,
    ) -> Result<Definition, Error> {
        let id = self.definition(caller.org(), id).await?.noun.id;
        caller.permit()?;
        let _alone = self.definition_gate(id).write().await;
        for _ in 0..MAX_ATTEMPTS {
            let seen = self.definition(caller.org(), Some(id)).await?;
            let mut changed = patch.applied_to(&seen.noun)?;
            if changed == seen.noun {
                return Ok(changed);
            }
            changed.updated_by = caller.actor();
            changed.updated_at = Timestamp::now();
            let batch = self.plan_patch(caller, &seen, &changed).await?;
            let act = definition_act(AuditEvent::DefinitionUpdated, &changed);
            let batch = self.record(batch, caller, act).await?;
            if self.commit(batch).await? {
                return Ok(changed);
            }
        }
        Err(store::Error::Busy.into())
    }

    async fn plan_patch(
        &self,
        caller: &Caller<need::Manage>,
        seen: &Seen<Definition>,
        changed: &Definition,
    ) -> Result<Batch, Error> {
        let (org, old) = (caller.org(), &seen.noun);
        let definition_key = key::definition(org, old.id);
        let mut batch = Batch::new()
            .require_version(Tree::Definitions, definition_key.as_slice(), seen.revision)
            .put(Tree::Definitions, definition_key, record::encode(changed)?);
        if changed.name != old.name {
            let name_key = key::definition_name(org, old.scope, &changed.name);
            if self.0.engine.get(Tree::DefinitionNames, &name_key).await?.is_some() {
                return Err(Error::DuplicateDefinition(old.scope));
            }
            batch = batch
                .require_absent(Tree::DefinitionNames, name_key.as_slice())
                .put(Tree::DefinitionNames, name_key, record::encode(&old.id)?)
                .delete(Tree::DefinitionNames, key::definition_name(org, old.scope, &old.name));
        }
        if changed.format == old.format && changed.encrypted == old.encrypted {
            return Ok(batch);
        }
        self.plan_values(caller, old, changed, batch).await
    }

    /// Checks every value against the changed format, and seals it, with its history, where the definition
    /// became encrypted.
    async fn plan_values(
        &self,
        caller: &Caller<need::Manage>,
        old: &Definition,
        changed: &Definition,
        batch: Batch,
    ) -> Result<Batch, Error> {
        let sealing = changed.encrypted && !old.encrypted;
        let mut misfits = 0_u64;
        let mut histories = Vec::new();
        let batch = self.plan_each_value(caller.org(), old.id, batch, |mut batch, at, value| {
            if sealing && !caller.reaches(&at.environment) {
                return Err(Error::Forbidden(
                    "the definition has values in an environment that this key does not open",
                ));
            }
            if changed.format != old.format && !self.fits(&at, &value, changed.format)? {
                misfits += 1;
            }
            if sealing && value.oldest < value.version {
                histories.push((at.clone(), value.id, value.oldest..value.version));
            }
            if sealing && let Content::Plain(text) = value.content {
                let content = self.0.data_keys.seal(&at, value.id, value.version, &text.into())?;
                let sealed = Value { content, ..value };
                batch = batch.put(Tree::Values, key::value(&at), record::encode(&sealed)?);
            }
            Ok(batch)
        });
        let batch = batch.await?;
        match misfits {
            0 => self.seal_histories(batch, histories).await,
            1 => Err(Error::InvalidRequest(format!("1 value does not fit the format {}", changed.format))),
            _ => Err(Error::InvalidRequest(format!(
                "{misfits} values do not fit the format {}",
                changed.format
            ))),
        }
    }

    fn fits(&self, at: &Address, value: &Value, format: Format) -> Result<bool, Error> {
        match &value.content {
            Content::Plain(text) => Ok(format.accepts(text)),
            Content::Sealed(sealed) => {
                let text = self.0.data_keys.open(at, value.id, value.version, sealed)?;
                Ok(text.expose_str().is_ok_and(|text| format.accepts(text)))
            }
        }
    }

    /// Deletes a definition, and with `force` its values in the same change.
    ///
    /// # Errors
    /// [`Error::NotFound`]; [`Error::Forbidden`], also where a value to be deleted lives in an environment
    /// that the caller's key does not open; [`Error::DefinitionInUse`].
    pub async fn delete_definition(
        &self,
        caller: &Caller<need::Manage>,
        id: Option<Id>,
        force: bool,
    ) -> Result<Definition, Error> {
        let id = self.definition(caller.org(), id).await?.noun.id;
        caller.permit()?;
        let _alone = self.definition_gate(id).write().await;
        for _ in 0..MAX_ATTEMPTS {
            let seen = self.definition(caller.org(), Some(id)).await?;
            let batch = self.plan_deletion(caller, &seen, force).await?;
            if self.commit(batch).await? {
                return Ok(seen.noun);
            }
        }
        Err(store::Error::Busy.into())
    }

    async fn plan_deletion(
        &self,
        caller: &Caller<need::Manage>,
        seen: &Seen<Definition>,
        force: bool,
    ) -> Result<Batch, Error> {
        let (org, definition) = (caller.org(), &seen.noun);
        let (count, _) = self.counter(&key::definition_values_counter(org, definition.id)).await?;
        if count > 0 && !force {
            return Err(Error::DefinitionInUse(count));
        }
        let definition_key = key::definition(org, definition.id);
        let batch = Batch::new()
            .require_version(Tree::Definitions, definition_key.as_slice(), seen.revision)
            .delete(Tree::Definitions, definition_key)
            .delete(Tree::DefinitionNames, key::definition_name(org, definition.scope, &definition.name))
            .delete(Tree::DefinitionScopes, key::definition_scope(org, definition.scope, definition.id))
            .add(Tree::Counters, key::definitions_counter(org, None), -1)
            .add(Tree::Counters, key::definitions_counter(org, Some(definition.scope)), -1)
            .freeing_space();
        let batch = self.plan_each_value(org, definition.id, batch, |batch, at, value| {
            if !caller.reaches(&at.environment) {
                return Err(Error::Forbidden(
                    "the definition has values in an environment that this key does not open",
                ));
            }
            Ok(unindex_value(batch, &at, &value).add(
                Tree::Counters,
                key::values_counter(org, &at.environment, &at.subject),
                -1,
            ))
        });
        let batch = batch.await?.delete(Tree::Counters, key::definition_values_counter(org, definition.id));
        self.record(batch, caller, definition_act(AuditEvent::DefinitionDeleted, definition).counting(count))
            .await
    }

    /// Lets `plan` add to `batch` what is to become of each value of a definition. The batch then requires
    /// that these are still all, and unchanged.
    async fn plan_each_value(
        &self,
        org: Id,
        definition: Id,
        mut batch: Batch,
        mut plan: impl FnMut(Batch, Address, Value) -> Result<Batch, Error>,
    ) -> Result<Batch, Error> {
        let counter_key = key::definition_values_counter(org, definition);
        let (_, counted) = self.counter(&counter_key).await?;
        batch = batch.require_unchanged(Tree::Counters, counter_key, counted);
        let prefix = key::definition_value_prefix(org, definition);
        let mut after = None::<Vec<u8>>;
        loop {
            let step =
                self.0.engine.scan(Tree::DefinitionValues, &prefix, after.as_deref(), SCAN_STEP).await?;
            let Some(last) = step.last() else { return Ok(batch) };
            after = Some(last.key.clone());
            for found in &step {
                let at = key::parse_definition_value(&found.key)?;
                let value_key = key::value(&at);
                // One that is gone since the scan has changed the counter: the batch will not hold.
                let Some(seen) = self.get::<Value>(Tree::Values, &value_key).await? else { continue };
                batch = batch.require_version(Tree::Values, value_key, seen.revision);
                batch = plan(batch, at, seen.noun)?;
            }
            if batch.weight() > store::MAX_BATCH_BYTES {
                return Err(store::Error::TooLarge.into());
            }
            tokio::task::yield_now().await;
        }
    }
}
