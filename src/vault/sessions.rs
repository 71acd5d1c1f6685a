//! Sessions: a linked account's front end is let in, stays in, and is put out.

use crate::model::{
    AccountId, Actor, AuditEvent, Entity, EntityKind, Environment, Id, Origin, Reach, Session, Timestamp,
};
use crate::store::{self, Batch, Tree, key, record};
use crate::vault::access::Credential;
use crate::vault::accounts::no_such_account;
use crate::vault::audit::{Act, Author};
use crate::vault::page::{SCAN_STEP, each_record};
use crate::vault::session_tokens::{self, SessionToken};
use crate::vault::{Caller, CallerIn, Error, MAX_ATTEMPTS, Need, Seen, SubjectIds, Vault, need};

/// A pair of tokens.
#[derive(Debug)]
pub struct IssuedTokens {
    /// Opens the account.
    pub token: SessionToken,
    /// Buys the next pair, once.
    pub refresh_token: SessionToken,
    /// For how many seconds `token` is good.
    pub expires_in: u64,
    /// For how many seconds `refresh_token` is good.
    pub refresh_expires_in: u64,
}

/// How many sessions an account has at most: with one more, the oldest ends. Without a bound, a client that
/// asks for a fresh one with each page would fill the store.
const MAX_SESSIONS: usize = 64;

impl Vault {
    /// The caller behind a session token.
    ///
    /// # Errors
    /// [`Error::InvalidToken`]; [`Error::Forbidden`] for an operation that takes no token.
    pub async fn authenticate_token<N: Need>(&self, token: &str) -> Result<Caller<N>, Error> {
        let holder = session_tokens::verify(self.0.keyring.session_tokens(), token, Timestamp::now())?;
        let session = self.get::<Session>(Tree::Sessions, &holder.session_key()).await?;
        let session = session.ok_or(Error::InvalidToken)?.noun;
        if holder.generation > session.generation {
            return Err(Error::InvalidToken);
        }
        let credential = Credential::Session(holder.account, holder.session);
        let reach = Reach::One(holder.environment);
        Caller::new(holder.org, Actor::LinkedAccount(session.account), reach, credential)
    }

    /// Requires in `batch` that the caller's session, where it has one, has not ended since the caller was let
    /// in: the body of a request may arrive long after its head.
    ///
    /// # Errors
    /// [`Error::InvalidToken`] where it has.
    pub(super) async fn require_session<N: Need>(
        &self,
        at: &CallerIn<N>,
        batch: Batch,
    ) -> Result<Batch, Error> {
        let caller = at.caller();
        let (Some(account), Some(session)) = (caller.own_account(), caller.session()) else {
            return Ok(batch);
        };
        let session_key = key::session(caller.org(), at.environment(), account, session);
        let found = self.0.engine.get(Tree::Sessions, &session_key).await?.ok_or(Error::InvalidToken)?;
        Ok(batch.require_version(Tree::Sessions, session_key, found.revision))
    }

    /// A pair of tokens for the account that `ids` name: of the newest session whose token is still valid, or
    /// of a new one.
    ///
    /// # Errors
    /// [`Error::Forbidden`]; [`Error::InvalidLinkedAccount`]; [`Error::InvalidCredentials`] where the caller's
    /// key was revoked meanwhile.
    pub async fn issue_tokens(
        &self,
        at: &CallerIn<need::Manage>,
        ids: &SubjectIds,
        force_new: bool,
    ) -> Result<IssuedTokens, Error> {
        at.caller().permit()?;
        let account_id = ids
            .account()?
            .ok_or_else(|| Error::InvalidLinkedAccount("linked_account_id is required".into()))?;
        let (org, environment) = (at.caller().org(), at.environment());
        let counter_key = key::sessions_counter(org, environment, &account_id);
        for _ in 0..MAX_ATTEMPTS {
            let batch = self.require_api_key(at.caller(), Batch::new()).await?;
            let account = self.account(at, &account_id).await?;
            let account = account.ok_or_else(|| no_such_account(&account_id, environment))?;
            // Before the sessions are read: whatever is added meanwhile shows in it.
            let (_, counted) = self.counter(&counter_key).await?;
            let mut sessions = self.sessions_of(at, &account_id).await?;
            let now = Timestamp::now();
            let is_good =
                |seen: &&Seen<Session>| seen.noun.expires_at > now && seen.noun.refresh_expires_at > now;
            if !force_new && let Some(seen) = sessions.iter().rev().find(is_good) {
                return Ok(self.tokens(org, environment, &account_id, &seen.noun, now));
            }
            let session = self.renewed(
                Session {
                    id: self.0.ids.next(),
                    account: account.noun.id,
                    generation: 0,
                    issued_at: now,
                    expires_at: now,
                    refresh_expires_at: now,
                },
                now,
            );
            let mut batch = batch
                .require_version(
                    Tree::Accounts,
                    key::account(org, environment, &account_id),
                    account.revision,
                )
                .require_unchanged(Tree::Counters, counter_key.as_slice(), counted);
            let live = sessions.iter().filter(|seen| !seen.noun.is_over(now)).count();
            let mut surplus = (live + 1).saturating_sub(MAX_SESSIONS);
            sessions.retain(|seen| {
                let ends = seen.noun.is_over(now) || surplus > 0;
                surplus -= usize::from(ends && !seen.noun.is_over(now));
                ends
            });
            for seen in sessions {
                batch = end_session(batch, org, environment, &account_id, seen.noun.id);
            }
            let session_key = key::session(org, environment, &account_id, session.id);
            batch = batch
                .put(Tree::SessionIds, key::session_id(session.id), session_key.as_slice())
                .put(Tree::Sessions, session_key, record::encode(&session)?)
                .add(Tree::Counters, counter_key.as_slice(), 1);
            let act = session_act(AuditEvent::SessionCreated, environment, &account_id, session.id);
            let batch = self.record(batch, at.caller(), act).await?;
            if self.commit(batch).await? {
                return Ok(self.tokens(org, environment, &account_id, &session, now));
            }
        }
        Err(store::Error::Busy.into())
    }

    /// The next pair of tokens for a refresh token, which is spent by it. One that was spent before ends its
    /// session: of two who have it, one stole it.
    ///
    /// # Errors
    /// [`Error::InvalidToken`].
    pub async fn refresh_tokens(&self, refresh_token: &str, origin: &Origin) -> Result<IssuedTokens, Error> {
        let read = session_tokens::read_refresh_token(self.0.keyring.refresh_tokens(), refresh_token);
        let (id, generation) = read.ok_or(Error::InvalidToken)?;
        for _ in 0..MAX_ATTEMPTS {
            let found = self.0.engine.get(Tree::SessionIds, &key::session_id(id)).await?;
            let session_key = found.ok_or(Error::InvalidToken)?.value;
            let seen = self.get::<Session>(Tree::Sessions, &session_key).await?;
            let seen = seen.ok_or(Error::InvalidToken)?;
            let (org, environment, account_id) = key::parse_session(&session_key)?;
            let now = Timestamp::now();
            let batch = Batch::new().require_version(Tree::Sessions, session_key.as_slice(), seen.revision);
            let author = Author::holder(org, seen.noun.account, account_id.clone(), origin.clone());
            if generation < seen.noun.generation {
                let act = session_act(AuditEvent::SessionReused, &environment, &account_id, id);
                let batch = self.record(batch, author, act).await?;
                let batch = end_session(batch, org, &environment, &account_id, id).freeing_space();
                if self.commit(batch).await? {
                    return Err(Error::InvalidToken);
                }
                continue;
            }
            if generation > seen.noun.generation || seen.noun.refresh_expires_at <= now {
                return Err(Error::InvalidToken);
            }
            let next = seen.noun.generation.checked_add(1).ok_or(Error::InvalidToken)?;
            let session = self.renewed(Session { generation: next, ..seen.noun }, now);
            let act = session_act(AuditEvent::SessionRefreshed, &environment, &account_id, id);
            let batch = self.record(batch, author, act).await?;
            if self.commit(batch.put(Tree::Sessions, session_key, record::encode(&session)?)).await? {
                return Ok(self.tokens(org, &environment, &account_id, &session, now));
            }
        }
        Err(store::Error::Busy.into())
    }

    /// Ends the caller's session: every token that came from the same login.
    ///
    /// # Errors
    /// [`Error::InvalidToken`] where it has ended already.
    pub async fn revoke_session(&self, at: &CallerIn<need::Session>) -> Result<(), Error> {
        at.caller().permit()?;
        let (Some(account), Some(session)) = (at.caller().own_account(), at.caller().session()) else {
            return Err(Error::InvalidToken);
        };
        let (org, environment) = (at.caller().org(), at.environment());
        let session_key = key::session(org, environment, account, session);
        for _ in 0..MAX_ATTEMPTS {
            let seen = self.get::<Session>(Tree::Sessions, &session_key).await?;
            let seen = seen.ok_or(Error::InvalidToken)?;
            let batch = Batch::new().require_version(Tree::Sessions, session_key.as_slice(), seen.revision);
            let batch = end_session(batch, org, environment, account, session).freeing_space();
            let act = session_act(AuditEvent::SessionRevoked, environment, account, session);
            let batch = self.record(batch, at.caller(), act).await?;
            if self.commit(batch).await? {
                return Ok(());
            }
        }
        Err(store::Error::Busy.into())
    }

    /// Removes sessions of which nothing is good for anything any more, and says how many. Nobody would see
    /// a difference but in the store's size.
    ///
    /// # Errors
    /// Only the store's.
    pub async fn sweep_sessions(&self) -> Result<u64, Error> {
        let now = Timestamp::now();
        let mut over = Vec::new();
        each_record(self.0.engine.as_ref(), Tree::Sessions, &[], |found| {
            let session = record::decode::<Session>(&found.value)?;
            if session.is_over(now) {
                over.push((found.key, found.revision, session.id));
            }
            Ok(())
        })
        .await?;
        let mut swept = 0;
        for sessions in over.chunks(SCAN_STEP) {
            let mut batch = Batch::new().freeing_space();
            for (session_key, revision, id) in sessions {
                let (org, environment, account) = key::parse_session(session_key)?;
                batch = batch.require_version(Tree::Sessions, session_key.as_slice(), *revision);
                batch = end_session(batch, org, &environment, &account, *id);
            }
            // One of them was ended by somebody else: the rest is found again next time.
            swept += if self.commit(batch).await? { sessions.len() as u64 } else { 0 };
        }
        Ok(swept)
    }

    /// The sessions of an account, oldest first.
    async fn sessions_of(
        &self,
        at: &CallerIn<need::Manage>,
        account: &AccountId,
    ) -> Result<Vec<Seen<Session>>, Error> {
        let prefix = key::sessions_prefix(at.caller().org(), at.environment(), account);
        let mut sessions = Vec::new();
        each_record(self.0.engine.as_ref(), Tree::Sessions, &prefix, |found| {
            sessions.push(Seen { noun: record::decode(&found.value)?, revision: found.revision });
            Ok(())
        })
        .await?;
        Ok(sessions)
    }

    fn renewed(&self, session: Session, now: Timestamp) -> Session {
        // Tokens speak of whole seconds.
        let now = Timestamp::from_seconds(now.seconds());
        Session {
            issued_at: now,
            expires_at: now.after(self.policy().session_lifetime),
            refresh_expires_at: now.after(self.policy().refresh_lifetime),
            ..session
        }
    }

    fn tokens(
        &self,
        org: Id,
        environment: &Environment,
        account: &AccountId,
        session: &Session,
        now: Timestamp,
    ) -> IssuedTokens {
        let left = |end: Timestamp| u64::try_from(end.seconds() - now.seconds()).unwrap_or(0);
        IssuedTokens {
            token: session_tokens::sign(&self.0.keyring, org, environment, account, session),
            refresh_token: session_tokens::refresh_token(self.0.keyring.refresh_tokens(), session),
            expires_in: left(session.expires_at),
            refresh_expires_in: left(session.refresh_expires_at),
        }
    }
}

/// The act of something done to a session.
fn session_act<'a>(
    event: AuditEvent,
    environment: &'a Environment,
    account: &'a AccountId,
    session: Id,
) -> Act<'a> {
    Act::new(event, Entity::of(EntityKind::Session, session)).within(environment).concerning(Some(account))
}

fn end_session(batch: Batch, org: Id, environment: &Environment, account: &AccountId, session: Id) -> Batch {
    batch
        .delete(Tree::Sessions, key::session(org, environment, account, session))
        .delete(Tree::SessionIds, key::session_id(session))
        .add(Tree::Counters, key::sessions_counter(org, environment, account), -1)
}
