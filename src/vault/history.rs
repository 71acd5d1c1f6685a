//! History: the versions of a value, and the way back to one.
//!
//! A version that is replaced moves out of the value's place as it is, its ciphertext included, which stays
//! bound to the address, the value and the version that it was sealed for. The value itself says which
//! versions are left, so they are found, counted and deleted without a search.

use std::ops::Range;

use crate::crypto::Plaintext;
use crate::model::{Actor, Address, AuditEvent, Content, Definition, Id, Permission, Timestamp, Value};
use crate::store::{self, Batch, Tree, key, record};
use crate::vault::page::give_way;
use crate::vault::values::value_act;
use crate::vault::{
    CallerIn, Error, FoundValue, MAX_ATTEMPTS, Page, PageRequest, Precondition, ResolvedValue, ShownContent,
    SubjectIds, Vault, need,
};

/// A version of a value, as its reader may see it.
pub struct ValueVersion {
    /// Its number, from 1.
    pub version: u64,
    /// Who set it.
    pub created_by: Actor,
    /// When it was set.
    pub created_at: Timestamp,
    /// What is shown of its content.
    pub shown: ShownContent,
}

/// How many versions a set deletes at most that are left from when more of them were kept.
const TRIMMED_AT_ONCE: u64 = 64;

const VERSION_NOT_FOUND: Error = Error::NotFound("Variable value version");

impl Vault {
    /// A page of the versions of a value, newest first, redacted if encrypted.
    ///
    /// # Errors
    /// [`Error::NotFound`], also for a value that is not the caller's to see; [`Error::Forbidden`].
    pub async fn list_versions(
        &self,
        at: &CallerIn<need::Read>,
        id: Option<Id>,
        ids: &SubjectIds,
        page: PageRequest,
    ) -> Result<Page<ValueVersion>, Error> {
        let (address, definition, versions) = self.find_versions(at, id, ids, page).await?;
        Ok(versions.map(|value| {
            let found = FoundValue { address: address.clone(), definition: definition.clone(), value };
            shown(found.value.updated_by, found.redacted())
        }))
    }

    /// As [`Vault::list_versions`], with the plaintext of encrypted versions, to a caller with `reveal`. The
    /// audit entry is durable before they are handed out.
    ///
    /// # Errors
    /// As [`Vault::list_versions`]; [`Error::Forbidden`] for encrypted versions without `reveal`;
    /// [`Error::Store`] where the audit entry cannot be written.
    pub async fn reveal_versions(
        &self,
        at: &CallerIn<need::Read>,
        id: Option<Id>,
        ids: &SubjectIds,
        page: PageRequest,
    ) -> Result<Page<ValueVersion>, Error> {
        let (address, definition, versions) = self.find_versions(at, id, ids, page).await?;
        let Page { docs, total, .. } = versions;
        let mut revealed = Vec::with_capacity(docs.len());
        let (mut encrypted, mut of) = (0, None);
        for value in docs {
            let found = FoundValue { address: address.clone(), definition: definition.clone(), value };
            if found.is_encrypted() {
                at.caller().require(Permission::Reveal)?;
                (encrypted, of) = (encrypted + 1, Some(found.value.id));
            }
            revealed.push(shown(found.value.updated_by, self.revealed(found)?));
        }
        if let Some(value) = of {
            let act = value_act(AuditEvent::ValueRevealed, &address, value, &definition);
            self.record_reveal(at, act.counting(encrypted)).await?;
        }
        Ok(page.of(revealed, total))
    }

    async fn find_versions(
        &self,
        at: &CallerIn<need::Read>,
        id: Option<Id>,
        ids: &SubjectIds,
        page: PageRequest,
    ) -> Result<(Address, Definition, Page<Value>), Error> {
        let address = self.address_of(at, id, ids).await?;
        at.caller().permit()?;
        let (definition, seen) = self.value_at(&address).await?;
        let current = seen.noun;
        let kept = self.kept(&current);
        let total = kept.end - kept.start;
        let (id, end) = (current.id, kept.end.saturating_sub(page.skip()));
        let first = end.saturating_sub(page.limit() as u64).max(kept.start);
        let mut current = Some(current);
        let mut docs = Vec::new();
        for (number, version) in (first..end).rev().enumerate() {
            give_way(number).await;
            if version + 1 == kept.end {
                docs.extend(current.take());
                continue;
            }
            let version_key = key::value_version(address.org, id, version);
            // One that is gone was trimmed since the value was read.
            docs.extend(self.get::<Value>(Tree::ValueVersions, &version_key).await?.map(|seen| seen.noun));
        }
        Ok((address, definition.noun, page.of(docs, total)))
    }

    /// Sets a value to what it held at `version`, as a new version. Durable once this is `Ok`.
    ///
    /// # Errors
    /// In this order: [`Error::NotFound`], also for a value that is not the caller's to see;
    /// [`Error::Forbidden`]; [`Error::NotFound`] for a version that is not kept; [`Error::TooLarge`] and
    /// [`Error::ValueFormatMismatch`] for one that would be refused today; [`Error::VersionConflict`];
    /// [`Error::InvalidToken`] for a session that has ended meanwhile.
    pub async fn roll_back_value(
        &self,
        at: &CallerIn<need::Write>,
        id: Option<Id>,
        version: u64,
        ids: &SubjectIds,
        precondition: &Precondition,
    ) -> Result<FoundValue, Error> {
        for _ in 0..MAX_ATTEMPTS {
            let address = self.address_of(at, id, ids).await?;
            at.caller().permit()?;
            let _shared = self.definition_gate(address.definition).read().await;
            let (definition, seen) = self.value_at(&address).await?;
            let text = self.text_of(&address, &seen.noun, version).await?;
            self.check_text(&definition.noun, &text)?;
            precondition.check(Some(seen.noun.version))?;
            let batch = self.require_owner(at, &definition, &address).await?;
            let (batch, value) = self.plan_value(at, &definition.noun, &address, Some(seen), &text, batch)?;
            let act = value_act(AuditEvent::ValueRolledBack, &address, value.id, &definition.noun);
            let batch = self.record(batch, at.caller(), act).await?;
            if self.commit(batch).await? {
                return Ok(FoundValue { address, definition: definition.noun, value });
            }
        }
        Err(store::Error::Busy.into())
    }

    /// The text of a version that is kept.
    async fn text_of(&self, at: &Address, current: &Value, version: u64) -> Result<Plaintext, Error> {
        if !self.kept(current).contains(&version) {
            return Err(VERSION_NOT_FOUND);
        }
        let former = match version == current.version {
            true => None,
            false => {
                let version_key = key::value_version(at.org, current.id, version);
                let seen = self.get::<Value>(Tree::ValueVersions, &version_key).await?;
                Some(seen.ok_or(VERSION_NOT_FOUND)?.noun)
            }
        };
        match &former.as_ref().unwrap_or(current).content {
            Content::Plain(text) => Ok(text.clone().into()),
            Content::Sealed(sealed) => self.0.data_keys.open(at, current.id, version, sealed),
        }
    }

    /// The versions that a value has, itself included: not those beyond what is to be kept, which its next
    /// set deletes.
    fn kept(&self, value: &Value) -> Range<u64> {
        let end = value.version + 1;
        end.saturating_sub(self.keep_versions()).max(value.oldest)..end
    }

    fn keep_versions(&self) -> u64 {
        self.policy().keep_versions.max(1).into()
    }

    /// Adds to `batch` that `old` becomes a former version, and that those go for which there is no room.
    /// Says which one is the oldest then.
    pub(super) fn keep_version(
        &self,
        mut batch: Batch,
        at: &Address,
        old: &Value,
    ) -> Result<(Batch, u64), Error> {
        let wanted = (old.version + 2).saturating_sub(self.keep_versions());
        let oldest = wanted.clamp(old.oldest, old.oldest + TRIMMED_AT_ONCE);
        for version in old.oldest..oldest.min(old.version) {
            batch = batch.delete(Tree::ValueVersions, key::value_version(at.org, old.id, version));
        }
        if oldest <= old.version {
            let version_key = key::value_version(at.org, old.id, old.version);
            batch = batch.put(Tree::ValueVersions, version_key, record::encode(old)?);
        }
        Ok((batch, oldest))
    }

    /// Adds to `batch` that former versions are sealed. Their values must be required in it as they are.
    pub(super) async fn seal_histories(
        &self,
        mut batch: Batch,
        histories: Vec<(Address, Id, Range<u64>)>,
    ) -> Result<Batch, Error> {
        let versions = histories
            .into_iter()
            .flat_map(|(at, value, versions)| versions.map(move |version| (at.clone(), value, version)));
        for (number, (at, value, version)) in versions.enumerate() {
            give_way(number).await;
            let version_key = key::value_version(at.org, value, version);
            let Some(seen) = self.get::<Value>(Tree::ValueVersions, &version_key).await? else { continue };
            if let Content::Plain(text) = seen.noun.content {
                let content = self.0.data_keys.seal(&at, value, version, &text.into())?;
                let sealed = Value { content, ..seen.noun };
                batch = batch.put(Tree::ValueVersions, version_key, record::encode(&sealed)?);
            }
            if batch.weight() > store::MAX_BATCH_BYTES {
                return Err(store::Error::TooLarge.into());
            }
        }
        Ok(batch)
    }
}

fn shown(created_by: Actor, value: ResolvedValue) -> ValueVersion {
    ValueVersion { version: value.version, created_by, created_at: value.updated_at, shown: value.shown }
}

/// Adds to `batch` that the history of a value goes.
pub(super) fn forget_versions(batch: Batch, org: Id, value: &Value) -> Batch {
    (value.oldest..value.version).fold(batch, |batch, version| {
        batch.delete(Tree::ValueVersions, key::value_version(org, value.id, version))
    })
}
