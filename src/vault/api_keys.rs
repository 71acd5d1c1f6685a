//! API keys: made, listed, revoked, and checked on each request.
//!
//! A key is 256 random bits, so a keyed hash of it is enough to store and one read is enough to check it;
//! a slow hash would only be a gift to whoever sends wrong keys.

use std::fmt;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use zeroize::Zeroizing;

use crate::model::{
    Actor, ApiKey, AuditEvent, Entity, EntityKind, Environment, Id, LONGEST_LIFETIME, Operator, Org,
    Permissions, Reach, Timestamp,
};
use crate::store::{Batch, Tree, key, record};
use crate::vault::access::Credential;
use crate::vault::audit::{Act, Author};
use crate::vault::{Caller, Error, Need, Page, PageRequest, Vault, need};

/// What a new key is to be.
#[derive(Debug)]
pub struct NewApiKey {
    /// The environments that it opens.
    pub reach: Reach,
    /// What it may do.
    pub permissions: Permissions,
    /// What people call it; may be empty.
    pub name: String,
    /// How long it lives.
    pub lifetime: Option<Duration>,
}

/// What a new key is made of, as far as it may be wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum KeyField {
    /// Its environments.
    Reach,
    /// Its permissions.
    Permissions,
    /// Its name.
    Name,
    /// Its lifetime.
    Lifetime,
}

/// An API key itself: shown once, at creation.
pub struct ApiKeySecret(Zeroizing<String>);

impl ApiKeySecret {
    /// The key. The name is there to be seen in a review.
    #[must_use]
    pub fn expose(&self) -> &str {
        &self.0
    }
}

/// What finds an API key again without being one: its keyed hash, which opens nothing by itself.
#[derive(Clone, PartialEq, Eq)]
pub struct ApiKeyHandle([u8; 32]);

/// An API key as a list shows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ListedApiKey {
    /// The key.
    pub key: ApiKey,
    /// The minute in which it was last used.
    pub last_used_at: Option<Timestamp>,
}

impl fmt::Debug for ApiKeySecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[REDACTED]")
    }
}

/// The longest name that a key takes, in bytes.
const MAX_NAME_BYTES: usize = 128;

impl Vault {
    /// The caller behind an API key.
    ///
    /// # Errors
    /// [`Error::InvalidCredentials`] for one that is unknown, revoked or expired.
    pub async fn authenticate<N: Need>(&self, api_key: &str) -> Result<Caller<N>, Error> {
        self.authenticate_again(&self.api_key_handle(api_key)).await
    }

    /// What finds an API key again, whether or not it exists.
    #[must_use]
    pub fn api_key_handle(&self, api_key: &str) -> ApiKeyHandle {
        ApiKeyHandle(self.0.keyring.hash_api_key(api_key))
    }

    /// As [`Vault::authenticate`], for whoever showed the key before.
    ///
    /// # Errors
    /// As [`Vault::authenticate`].
    pub async fn authenticate_again<N: Need>(&self, handle: &ApiKeyHandle) -> Result<Caller<N>, Error> {
        let found = self.get::<ApiKey>(Tree::ApiKeys, &key::api_key(&handle.0)).await?;
        let found = found.ok_or(Error::InvalidCredentials)?.noun;
        let now = Timestamp::now();
        if found.has_expired(now) {
            return Err(Error::InvalidCredentials);
        }
        self.0.key_uses.note(found.org, found.id, now);
        let ApiKey { org, id, reach, permissions, name, .. } = found;
        Ok(Caller::new(org, Actor::ApiKey(id), reach, Credential::ApiKey(permissions))?.called(name))
    }

    /// Makes a key for the operator, who may make any.
    ///
    /// # Errors
    /// [`Error::InvalidKey`] for an environment that the organization does not have, or a bad name.
    pub async fn create_api_key(
        &self,
        operator: Operator,
        org: &Org,
        new: NewApiKey,
    ) -> Result<(ApiKey, ApiKeySecret), Error> {
        let author = Author::operator(Some(org.id), operator);
        self.make_api_key(org, Actor::Operator, author, new, Batch::new()).await
    }

    /// Makes a key for a caller with `admin`, who can give no environment and no permission that it lacks.
    ///
    /// # Errors
    /// [`Error::KeyBeyondYours`] for what the caller lacks; [`Error::InvalidCredentials`] where its own key was
    /// revoked meanwhile; else as [`Vault::create_api_key`].
    pub async fn issue_api_key(
        &self,
        caller: &Caller<need::Admin>,
        new: NewApiKey,
    ) -> Result<(ApiKey, ApiKeySecret), Error> {
        caller.permit()?;
        if *caller.reach() != Reach::All && *caller.reach() != new.reach {
            return Err(Error::KeyBeyondYours(KeyField::Reach));
        }
        if !caller.permissions().contains_all(new.permissions) {
            return Err(Error::KeyBeyondYours(KeyField::Permissions));
        }
        let org = self.get::<Org>(Tree::Orgs, &key::org(caller.org())).await?;
        let org = org.ok_or(Error::NotFound("Organization"))?.noun;
        let batch = self.require_api_key(caller, Batch::new()).await?;
        self.make_api_key(&org, caller.actor(), caller.into(), new, batch).await
    }

    /// Requires in `batch` that the caller's API key, where it has one, was not revoked since the caller was
    /// let in: whoever held it must not leave with another credential.
    pub(super) async fn require_api_key<N: Need>(
        &self,
        caller: &Caller<N>,
        batch: Batch,
    ) -> Result<Batch, Error> {
        let Actor::ApiKey(id) = caller.actor() else { return Ok(batch) };
        let id_key = key::api_key_id(caller.org(), id);
        let found = self.0.engine.get(Tree::ApiKeyIds, &id_key).await?.ok_or(Error::InvalidCredentials)?;
        Ok(batch.require_version(Tree::ApiKeyIds, id_key, found.revision))
    }

    async fn make_api_key(
        &self,
        org: &Org,
        actor: Actor,
        author: Author,
        new: NewApiKey,
        batch: Batch,
    ) -> Result<(ApiKey, ApiKeySecret), Error> {
        if let Reach::One(environment) = &new.reach
            && !org.environments.contains(environment)
        {
            let names: Vec<_> = org.environments.iter().map(Environment::as_str).collect();
            let what = format!("no environment `{environment}`; there are: {}", names.join(", "));
            return Err(Error::InvalidKey(KeyField::Reach, what));
        }
        if new.permissions == Permissions::NONE {
            return Err(Error::InvalidKey(
                KeyField::Permissions,
                "permissions must name at least one".into(),
            ));
        }
        if new.name.len() > MAX_NAME_BYTES || new.name.chars().any(char::is_control) {
            let what = format!("name must be at most {MAX_NAME_BYTES} bytes without control characters");
            return Err(Error::InvalidKey(KeyField::Name, what));
        }
        if new.lifetime.is_some_and(|lifetime| lifetime > LONGEST_LIFETIME) {
            let days = LONGEST_LIFETIME.as_secs() / (24 * 60 * 60);
            let what = format!("expires_in must be at most {days} days");
            return Err(Error::InvalidKey(KeyField::Lifetime, what));
        }
        let mut random = Zeroizing::new([0; 32]);
        getrandom::fill(random.as_mut_slice())?;
        let encoded = Zeroizing::new(URL_SAFE_NO_PAD.encode(random.as_slice()));
        let secret = ApiKeySecret(Zeroizing::new([new.reach.key_prefix(), encoded.as_str()].concat()));
        let now = Timestamp::now();
        let made = ApiKey {
            id: self.0.ids.next(),
            org: org.id,
            reach: new.reach,
            permissions: new.permissions,
            name: new.name,
            created_by: actor,
            created_at: now,
            expires_at: new.lifetime.map(|lifetime| now.after(lifetime)),
        };
        let hash_key = key::api_key(&self.0.keyring.hash_api_key(secret.expose()));
        let batch = batch.put(Tree::ApiKeyIds, key::api_key_id(org.id, made.id), hash_key.as_slice()).put(
            Tree::ApiKeys,
            hash_key,
            record::encode(&made)?,
        );
        let batch = self.record(batch, author, key_act(AuditEvent::ApiKeyCreated, &made)).await?;
        // The only requirement is that of the caller's own key.
        if self.commit(batch).await? { Ok((made, secret)) } else { Err(Error::InvalidCredentials) }
    }

    /// Every key of an organization, in the order of creation.
    ///
    /// # Errors
    /// Only the store's.
    pub async fn api_keys(&self, org: Id) -> Result<Vec<ListedApiKey>, Error> {
        let mut keys = Vec::new();
        let uses = self.key_uses(org).await?;
        for id in self.0.engine.scan(Tree::ApiKeyIds, &key::org_prefix(org), None, usize::MAX).await? {
            // A key that was revoked since the scan is not listed.
            if let Some(found) = self.get::<ApiKey>(Tree::ApiKeys, &id.value).await? {
                keys.push(ListedApiKey { key: found.noun, last_used_at: uses.get(&id.key).copied() });
            }
        }
        Ok(keys)
    }

    /// A page of the keys that a caller with `admin` sees: those of the environments that its own opens.
    ///
    /// # Errors
    /// [`Error::Forbidden`].
    pub async fn list_api_keys(
        &self,
        caller: &Caller<need::Admin>,
        page: PageRequest,
    ) -> Result<Page<ListedApiKey>, Error> {
        caller.permit()?;
        let mut keys = self.api_keys(caller.org()).await?;
        keys.retain(|listed| sees(caller, &listed.key));
        Ok(page.cut(keys))
    }

    /// A key among those that a caller with `admin` sees.
    ///
    /// # Errors
    /// [`Error::Forbidden`]; [`Error::NotFound`].
    pub async fn get_api_key(
        &self,
        caller: &Caller<need::Admin>,
        id: Option<Id>,
    ) -> Result<ListedApiKey, Error> {
        caller.permit()?;
        let keys = self.api_keys(caller.org()).await?;
        let found = keys.into_iter().find(|listed| Some(listed.key.id) == id && sees(caller, &listed.key));
        found.ok_or(NOT_FOUND)
    }

    /// Ends a key for the operator: it is refused from the next request on.
    ///
    /// # Errors
    /// [`Error::NotFound`].
    pub async fn revoke_api_key(&self, operator: Operator, org: Id, id: Id) -> Result<(), Error> {
        self.end_api_key(Author::operator(Some(org), operator), org, id, |_| true).await
    }

    /// Ends a key for a caller with `admin`, among those that it sees.
    ///
    /// # Errors
    /// [`Error::Forbidden`]; [`Error::NotFound`].
    pub async fn withdraw_api_key(&self, caller: &Caller<need::Admin>, id: Option<Id>) -> Result<(), Error> {
        caller.permit()?;
        let id = id.ok_or(NOT_FOUND)?;
        self.end_api_key(caller.into(), caller.org(), id, |key| sees(caller, key)).await
    }

    async fn end_api_key(
        &self,
        author: Author,
        org: Id,
        id: Id,
        may: impl Fn(&ApiKey) -> bool,
    ) -> Result<(), Error> {
        let id_key = key::api_key_id(org, id);
        let found = self.0.engine.get(Tree::ApiKeyIds, &id_key).await?.ok_or(NOT_FOUND)?;
        let seen = self.get::<ApiKey>(Tree::ApiKeys, &found.value).await?.ok_or(NOT_FOUND)?;
        if !may(&seen.noun) {
            return Err(NOT_FOUND);
        }
        let batch = Batch::new()
            .require_version(Tree::ApiKeyIds, id_key.as_slice(), found.revision)
            .delete(Tree::ApiKeyUses, id_key.as_slice())
            .delete(Tree::ApiKeyIds, id_key)
            .delete(Tree::ApiKeys, found.value)
            .freeing_space();
        let batch = self.record(batch, author, key_act(AuditEvent::ApiKeyRevoked, &seen.noun)).await?;
        // A key record never changes, so a conflict means that another revocation was first.
        if self.commit(batch).await? { Ok(()) } else { Err(NOT_FOUND) }
    }
}

const NOT_FOUND: Error = Error::NotFound("API key");

/// The act of something done to a key.
fn key_act(event: AuditEvent, key: &ApiKey) -> Act<'_> {
    let entity = Entity::of(EntityKind::ApiKey, key.id).named(key.name.as_str());
    let act = Act::new(event, entity);
    match key.reach.environment() {
        Some(environment) => act.within(environment),
        None => act,
    }
}

fn sees(caller: &Caller<need::Admin>, key: &ApiKey) -> bool {
    match &key.reach {
        Reach::One(environment) => caller.reaches(environment),
        Reach::All => *caller.reach() == Reach::All,
    }
}
