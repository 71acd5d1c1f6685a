//! The audit trail: the entry of each act, in the same durable change as the act.
//!
//! An organization has a chain of its own, and the store one. An entry is bound to all before it by a MAC, and is
//! in the views of those who may see it: of its environment, and of its linked account.

mod backward;
mod check;
mod entries;
mod export;
mod file;
mod link;
mod list;
mod prune;
mod refusals;
mod text;

pub(super) use backward::BackwardCheck;
pub use export::{AuditOutline, LINES as AUDIT_LINES, VerifiedPart};
pub use file::{ExportCheck, ExportFault, VerifiedChain};
pub use link::AuditLinker;
pub use list::{AuditFilter, AuditRecord};
pub(super) use refusals::Refusals;
pub use refusals::ShownCredential;
pub use text::AuditHead;

use crate::model::{
    AccountId, Actor, AuditActor, AuditEntry, AuditEvent, Entity, EntityKind, Environment, Id, Operator, Org,
    Origin, Timestamp,
};
use crate::store::chain::Append;
use crate::store::{Batch, Tree, key, record};
use crate::vault::{Caller, Error, Need, Vault};

/// Whose acts a chain has: an organization's, or without one the store's own.
pub(super) type Chain = Option<Id>;

/// Who does something, from where, and in whose chain it is remembered.
#[derive(Debug, Clone)]
pub(super) struct Author {
    chain: Chain,
    actor: AuditActor,
    origin: Origin,
}

/// What is done, as its entry says it.
#[derive(Debug)]
pub(super) struct Act<'a> {
    event: AuditEvent,
    entity: Entity,
    environment: Option<&'a Environment>,
    account: Option<&'a AccountId>,
    count: Option<u64>,
}

impl Author {
    /// The store itself, in its own chain.
    pub(super) fn store() -> Author {
        Author { chain: None, actor: AuditActor::Store, origin: Origin::default() }
    }

    /// The operator, in the chain of an organization or of the store.
    pub(super) fn operator(chain: Chain, operator: Operator) -> Author {
        Author { chain, actor: AuditActor::Operator(operator), origin: Origin::default() }
    }

    /// The holder of an account's session.
    pub(super) fn holder(org: Id, id: Id, account_id: AccountId, origin: Origin) -> Author {
        Author { chain: Some(org), actor: AuditActor::LinkedAccount { id, account_id }, origin }
    }
}

impl<N: Need> From<&Caller<N>> for Author {
    fn from(caller: &Caller<N>) -> Author {
        let actor = match (caller.actor(), caller.own_account()) {
            (Actor::ApiKey(id), _) => AuditActor::ApiKey { id, name: caller.name().into() },
            (Actor::LinkedAccount(id), Some(account)) => {
                AuditActor::LinkedAccount { id, account_id: account.clone() }
            }
            // No request comes from the operator, or without an account of its own.
            (Actor::Operator | Actor::LinkedAccount(_), _) => AuditActor::Unknown,
        };
        Author { chain: Some(caller.org()), actor, origin: caller.origin().clone() }
    }
}

impl<'a> Act<'a> {
    /// Something done to `entity`, in no environment or in all of them.
    pub(super) fn new(event: AuditEvent, entity: Entity) -> Act<'a> {
        Act { event, entity, environment: None, account: None, count: None }
    }

    /// The same in one environment.
    pub(super) fn within(self, environment: &'a Environment) -> Act<'a> {
        Act { environment: Some(environment), ..self }
    }

    /// The same where it concerns a linked account.
    pub(super) fn concerning(self, account: Option<&'a AccountId>) -> Act<'a> {
        Act { account, ..self }
    }

    /// The same where one entry speaks of several.
    pub(super) fn counting(self, count: u64) -> Act<'a> {
        Act { count: Some(count), ..self }
    }
}

/// Checks that an export's line says all of an entry.
#[cfg(test)]
pub(super) fn check_line(entry: &AuditEntry) {
    let told = text::line(&text::EntryLine::of("store", 3, entry, &[9; 32]));
    let read: text::EntryLine = serde_json::from_str(&told).unwrap();
    assert_eq!(read.record(&told), Some((record::encode(entry).unwrap(), [9; 32])), "{told}");
}

impl Vault {
    /// Adds to `batch` the entry of an act, so that it is there if and only if the act is.
    pub(super) async fn record(
        &self,
        batch: Batch,
        author: impl Into<Author>,
        act: Act<'_>,
    ) -> Result<Batch, Error> {
        let Author { chain, actor, origin } = author.into();
        let views = self.views(chain, &act).await?;
        let entry = AuditEntry {
            id: self.0.ids.next(),
            created_at: Timestamp::now(),
            event: act.event,
            actor,
            entity: act.entity,
            environment: act.environment.cloned(),
            linked_account: act.account.cloned(),
            origin,
            count: act.count,
        };
        Ok(batch.append(Append {
            tree: Tree::Audit,
            chain: key::audit_chain(chain),
            entry: record::encode(&entry)?,
            views,
            linker: self.0.audit.clone(),
        }))
    }

    /// The views that an act is in, besides its chain.
    async fn views(&self, chain: Chain, act: &Act<'_>) -> Result<Vec<Vec<u8>>, Error> {
        let Some(org) = chain else { return Ok(Vec::new()) };
        let Some(environment) = act.environment else {
            // A key for all environments is for those to see who have one.
            if act.entity.kind == EntityKind::ApiKey {
                return Ok(Vec::new());
            }
            let environments = self.get::<Org>(Tree::Orgs, &key::org(org)).await?;
            let environments = environments.map(|seen| seen.noun.environments).unwrap_or_default();
            return Ok(environments.iter().map(|each| key::audit_environment(org, each)).collect());
        };
        let mut views = vec![key::audit_environment(org, environment)];
        views.extend(act.account.map(|account| key::audit_account(org, environment, account)));
        Ok(views)
    }

    /// Writes the entry of an act of the operator's that changes no record of the store: before it, so that none is
    /// done without an entry. Taken also while free disk is low, as some of them help against that.
    ///
    /// # Errors
    /// Only the store's.
    pub async fn record_operation(
        &self,
        operator: Operator,
        org: Option<Id>,
        event: AuditEvent,
        entity: Entity,
    ) -> Result<(), Error> {
        let author = Author::operator(org, operator);
        let batch = self.record(Batch::new().freeing_space(), author, Act::new(event, entity)).await?;
        // It requires nothing, so it cannot conflict.
        self.commit(batch).await.map(drop)
    }
}
