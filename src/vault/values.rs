//! Values: resolved, listed, revealed, deleted.

use crate::crypto::Plaintext;
use crate::model::{
    Address, AuditEvent, Content, Definition, Entity, EntityKind, Id, Name, Permission, Scope, Subject,
    Timestamp, Value,
};
use crate::store::{self, Batch, Tree, key, record};
use crate::vault::audit::Act;
use crate::vault::set_value::unindex_value;
use crate::vault::{
    CallerIn, Error, MAX_ATTEMPTS, Need, Page, PageRequest, Precondition, Seen, SubjectIds, Vault, need,
};

/// A value with where it lives and what it is of.
#[derive(Debug)]
pub struct FoundValue {
    /// Where it lives.
    pub address: Address,
    /// What it is of.
    pub definition: Definition,
    /// The value, as stored.
    pub value: Value,
}

/// A value as its reader may see it.
pub struct ResolvedValue {
    /// The value's id.
    pub id: Id,
    /// Where it lives.
    pub address: Address,
    /// What it is of.
    pub definition: Definition,
    /// Whether it is encrypted.
    pub encrypted: bool,
    /// How often it was set.
    pub version: u64,
    /// When it was set first.
    pub created_at: Timestamp,
    /// When it was set last.
    pub updated_at: Timestamp,
    /// What is shown of its content.
    pub shown: ShownContent,
}

/// What is shown of a value's content.
pub enum ShownContent {
    /// The text of a value that is not encrypted.
    Plain(String),
    /// Nothing of one that is.
    Redacted,
    /// The plaintext of one that is, to whoever may have it.
    Revealed(Plaintext),
}

impl ShownContent {
    /// What stands for an encrypted value where it is not revealed.
    pub const REDACTED: &'static str = "[REDACTED]";

    /// The text that is shown.
    #[must_use]
    pub fn text(&self) -> &str {
        match self {
            ShownContent::Plain(text) => text,
            ShownContent::Redacted => ShownContent::REDACTED,
            // Text was checked to be text when it was set.
            ShownContent::Revealed(text) => text.expose_str().unwrap_or_default(),
        }
    }
}

/// Which values of a subject are wanted.
#[derive(Debug, Clone, Copy)]
pub enum ValueFilter {
    /// All.
    All,
    /// The one of this definition (`None`: a text that is no id).
    Of(Option<Id>),
}

pub(super) const VALUE_NOT_FOUND: Error = Error::NotFound("Variable value");

impl FoundValue {
    /// Whether the value is encrypted. A value that was read while its definition became encrypted is,
    /// whichever of the two was seen in its new state.
    #[must_use]
    pub fn is_encrypted(&self) -> bool {
        self.definition.encrypted || matches!(self.value.content, Content::Sealed(_))
    }

    pub(super) fn redacted(self) -> ResolvedValue {
        self.show(|content, encrypted| match content {
            Content::Plain(text) if !encrypted => ShownContent::Plain(text),
            _ => ShownContent::Redacted,
        })
    }

    fn show(self, shown: impl FnOnce(Content, bool) -> ShownContent) -> ResolvedValue {
        let encrypted = self.is_encrypted();
        let FoundValue { address, definition, value } = self;
        let Value { id, content, version, created_at, updated_at, .. } = value;
        let shown = shown(content, encrypted);
        ResolvedValue { id, address, definition, encrypted, version, created_at, updated_at, shown }
    }
}

impl Vault {
    /// The value of a definition for the subject that `ids` make of its scope, redacted if encrypted.
    ///
    /// # Errors
    /// In this order: [`Error::NotFound`] for the definition, [`Error::Forbidden`],
    /// [`Error::ScopeMismatch`] and malformed ids, [`Error::NotFound`] for the value.
    pub async fn resolve_value(
        &self,
        at: &CallerIn<need::Read>,
        definition: Option<Id>,
        ids: &SubjectIds,
    ) -> Result<ResolvedValue, Error> {
        Ok(self.find_value(at, definition, ids).await?.redacted())
    }

    /// As [`Vault::resolve_value`], with the plaintext of an encrypted value, to a caller with `reveal`. The
    /// audit entry is durable before the plaintext is handed out.
    ///
    /// # Errors
    /// As [`Vault::resolve_value`]; [`Error::Forbidden`] for an encrypted value without `reveal`;
    /// [`Error::Store`] where the audit entry cannot be written.
    pub async fn reveal_value(
        &self,
        at: &CallerIn<need::Read>,
        definition: Option<Id>,
        ids: &SubjectIds,
    ) -> Result<ResolvedValue, Error> {
        let found = self.find_value(at, definition, ids).await?;
        if !found.is_encrypted() {
            return Ok(found.redacted());
        }
        at.caller().require(Permission::Reveal)?;
        let revealed = self.revealed(found)?;
        let ResolvedValue { address, definition, .. } = &revealed;
        let act = value_act(AuditEvent::ValueRevealed, address, revealed.id, definition);
        self.record_reveal(at, act).await?;
        Ok(revealed)
    }

    async fn find_value(
        &self,
        at: &CallerIn<need::Read>,
        definition: Option<Id>,
        ids: &SubjectIds,
    ) -> Result<FoundValue, Error> {
        let org = at.caller().org();
        // The definition first: sealing changes it and its values at once, so a plain value that is read
        // after an encrypted definition can only be an old copy, and is_encrypted covers it.
        let definition = self.definition(org, definition).await?.noun;
        at.caller().permit()?;
        at.caller().admit_scope(definition.scope)?;
        let address = Address {
            org,
            environment: at.environment().clone(),
            subject: ids.exact_subject(definition.scope)?,
            definition: definition.id,
        };
        let seen = self.get::<Value>(Tree::Values, &key::value(&address)).await?.ok_or(VALUE_NOT_FOUND)?;
        Ok(FoundValue { address, definition, value: seen.noun })
    }

    /// Writes the audit entry of a reveal, which must be durable before the plaintext is handed out.
    pub(super) async fn record_reveal(&self, at: &CallerIn<need::Read>, act: Act<'_>) -> Result<(), Error> {
        // A body may arrive long after the key was looked at.
        let batch = self.require_api_key(at.caller(), Batch::new()).await?;
        let batch = self.record(batch, at.caller(), act.within(at.environment())).await?;
        if self.commit(batch).await? { Ok(()) } else { Err(Error::InvalidCredentials) }
    }

    /// A value with its text. That the caller may have it was found before.
    pub(super) fn revealed(&self, found: FoundValue) -> Result<ResolvedValue, Error> {
        if !found.is_encrypted() {
            return Ok(found.redacted());
        }
        let value = &found.value;
        let text: Plaintext = match &value.content {
            Content::Plain(text) => text.clone().into(),
            Content::Sealed(sealed) => {
                self.0.data_keys.open(&found.address, value.id, value.version, sealed)?
            }
        };
        Ok(found.show(|_, _| ShownContent::Revealed(text)))
    }

    /// A page of the values of the subject that `ids` make of `scope`, in the order of their definitions'
    /// creation, redacted if encrypted. Ids that the scope does not use are ignored.
    ///
    /// # Errors
    /// [`Error::Forbidden`]; [`Error::ScopeMismatch`] where the scope's id is missing.
    pub async fn list_values(
        &self,
        at: &CallerIn<need::Read>,
        scope: Scope,
        ids: &SubjectIds,
        filter: ValueFilter,
        page: PageRequest,
    ) -> Result<Page<ResolvedValue>, Error> {
        at.caller().permit()?;
        at.caller().admit_scope(scope)?;
        let subject = ids.subject(scope)?;
        match filter {
            ValueFilter::All => self.values_of_subject(at, &subject, page).await,
            ValueFilter::Of(definition) => {
                let found = match definition {
                    Some(id) => self.value_of_subject(at, &subject, id).await?,
                    None => None,
                };
                Ok(page.cut(found.into_iter().collect()))
            }
        }
    }

    async fn values_of_subject(
        &self,
        at: &CallerIn<need::Read>,
        subject: &Subject,
        page: PageRequest,
    ) -> Result<Page<ResolvedValue>, Error> {
        let (org, environment) = (at.caller().org(), at.environment());
        let (total, _) = self.counter(&key::values_counter(org, environment, subject)).await?;
        let range = key::value_prefix(org, environment, subject);
        let mut docs = Vec::new();
        for found in page.read(self.0.engine.as_ref(), Tree::Values, &range, total).await? {
            let address = key::parse_value(&found.key)?;
            // One whose definition was deleted since the scan went with it.
            if let Some(definition) = self.find_definition(org, address.definition).await? {
                let value = record::decode(&found.value)?;
                docs.push(FoundValue { address, definition: definition.noun, value }.redacted());
            }
        }
        Ok(page.of(docs, total))
    }

    async fn value_of_subject(
        &self,
        at: &CallerIn<need::Read>,
        subject: &Subject,
        definition: Id,
    ) -> Result<Option<ResolvedValue>, Error> {
        let (org, environment) = (at.caller().org(), at.environment().clone());
        let Some(definition) = self.find_definition(org, definition).await? else { return Ok(None) };
        let address = Address { org, environment, subject: subject.clone(), definition: definition.noun.id };
        let Some(seen) = self.get::<Value>(Tree::Values, &key::value(&address)).await? else {
            return Ok(None);
        };
        Ok(Some(FoundValue { address, definition: definition.noun, value: seen.noun }.redacted()))
    }

    /// Deletes a value, and says the name of its definition. Where `ids` name an account, only a value of
    /// that account.
    ///
    /// # Errors
    /// [`Error::NotFound`], also for a value that is not the caller's to see; [`Error::Forbidden`];
    /// [`Error::VersionConflict`]; [`Error::InvalidToken`] for a session that has ended meanwhile.
    pub async fn delete_value(
        &self,
        at: &CallerIn<need::Write>,
        id: Option<Id>,
        ids: &SubjectIds,
        precondition: &Precondition,
    ) -> Result<Name, Error> {
        let org = at.caller().org();
        for _ in 0..MAX_ATTEMPTS {
            let address = self.address_of(at, id, ids).await?;
            at.caller().permit()?;
            let (definition, seen) = self.value_at(&address).await?;
            precondition.check(Some(seen.noun.version))?;
            let batch = self
                .require_session(at, Batch::new())
                .await?
                .require_version(Tree::Values, key::value(&address), seen.revision)
                .add(Tree::Counters, key::values_counter(org, &address.environment, &address.subject), -1)
                .add(Tree::Counters, key::definition_values_counter(org, address.definition), -1)
                .freeing_space();
            let batch = unindex_value(batch, &address, &seen.noun);
            let act = value_act(AuditEvent::ValueDeleted, &address, seen.noun.id, &definition.noun);
            if self.commit(self.record(batch, at.caller(), act).await?).await? {
                return Ok(definition.noun.name);
            }
        }
        Err(store::Error::Busy.into())
    }

    /// Where the value with this id is, if it is the caller's to see. Where `ids` name an account, only a
    /// value of that account is.
    pub(super) async fn address_of<N: Need>(
        &self,
        at: &CallerIn<N>,
        id: Option<Id>,
        ids: &SubjectIds,
    ) -> Result<Address, Error> {
        let id_key = key::value_id(at.caller().org(), id.ok_or(VALUE_NOT_FOUND)?);
        let found = self.0.engine.get(Tree::ValueIds, &id_key).await?.ok_or(VALUE_NOT_FOUND)?;
        let address = key::parse_value(&found.value)?;
        let account = ids.account()?;
        let is_theirs = account.is_none_or(|account| address.subject.linked_account() == Some(&account));
        if is_theirs && address.environment == *at.environment() { Ok(address) } else { Err(VALUE_NOT_FOUND) }
    }

    /// The value at `address` with its definition, which is read first: see `find_value`.
    pub(super) async fn value_at(&self, address: &Address) -> Result<(Seen<Definition>, Seen<Value>), Error> {
        let definition = self.find_definition(address.org, address.definition).await?;
        let value = self.get::<Value>(Tree::Values, &key::value(address)).await?;
        Ok((definition.ok_or(VALUE_NOT_FOUND)?, value.ok_or(VALUE_NOT_FOUND)?))
    }
}

/// The act of something done to a value.
pub(super) fn value_act<'a>(
    event: AuditEvent,
    address: &'a Address,
    id: Id,
    definition: &Definition,
) -> Act<'a> {
    Act::new(event, Entity::of(EntityKind::Value, id).named(definition.name.as_str()))
        .within(&address.environment)
        .concerning(address.subject.linked_account())
}
