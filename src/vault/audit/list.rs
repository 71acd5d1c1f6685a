//! The trail as those see it who may.

use crate::model::{AuditEntry, AuditEvent, Environment, Timestamp};
use crate::store::chain::Tag;
use crate::store::key;
use crate::vault::audit::entries::{Range, Standing};
use crate::vault::page::SCAN_STEP;
use crate::vault::{Caller, Error, Page, PageRequest, Vault, need};

/// Which entries are wanted; what is absent excludes none.
#[derive(Debug, Clone, Default)]
pub struct AuditFilter {
    /// Of this event.
    pub event: Option<AuditEvent>,
    /// Done by the actor with this id, or of this kind.
    pub actor: Option<String>,
    /// Done to the entity with this id.
    pub entity_id: Option<String>,
    /// Done in this environment.
    pub environment: Option<Environment>,
    /// Not before this time.
    pub from: Option<Timestamp>,
    /// Not after this time.
    pub to: Option<Timestamp>,
}

/// An entry with its place in its chain.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AuditRecord {
    /// The entry.
    pub entry: AuditEntry,
    /// Its number in its chain.
    pub number: u64,
    /// The MAC that binds it to all before it.
    pub hash: Tag,
}

impl AuditFilter {
    fn is_empty(&self) -> bool {
        let AuditFilter { event, actor, entity_id, environment, from, to } = self;
        event.is_none()
            && actor.is_none()
            && entity_id.is_none()
            && environment.is_none()
            && from.is_none()
            && to.is_none()
    }

    fn takes(&self, entry: &AuditEntry) -> bool {
        let is = |wanted: &String, id: Option<String>| id.as_ref() == Some(wanted);
        self.event.is_none_or(|event| event == entry.event)
            && self
                .actor
                .as_ref()
                .is_none_or(|actor| actor == entry.actor.kind() || is(actor, entry.actor.id()))
            && self
                .entity_id
                .as_ref()
                .is_none_or(|id| is(id, entry.entity.id.as_ref().map(ToString::to_string)))
            && self.environment.as_ref().is_none_or(|wanted| entry.environment.as_ref() == Some(wanted))
            && self.from.is_none_or(|from| entry.created_at >= from)
            && self.to.is_none_or(|to| entry.created_at <= to)
    }
}

impl From<Standing> for AuditRecord {
    fn from(Standing { number, entry, tag }: Standing) -> AuditRecord {
        AuditRecord { entry, number, hash: tag }
    }
}

impl Vault {
    /// A page of the entries that the caller may see, newest first: those of its own account to a session token;
    /// to an API key with `admin` those of its environment and of none, or where it opens all of them those of
    /// its organization. Without a filter it costs what the page costs, however long the trail is.
    ///
    /// # Errors
    /// [`Error::Forbidden`].
    pub async fn list_audit(
        &self,
        caller: &Caller<need::Audit>,
        filter: &AuditFilter,
        page: PageRequest,
    ) -> Result<Page<AuditRecord>, Error> {
        caller.permit()?;
        let range = self.audit_range(Some(caller.org()), view(caller, filter)).await?;
        if filter.is_empty() {
            self.page_of(&range, page).await
        } else {
            self.search(&range, filter, page).await
        }
    }

    /// Up to `limit` entries that the caller may see, newest first and from the place `before` on towards older
    /// ones, and the place from which to go on. No more than `most` are looked at, so that a filter which takes few
    /// costs no more than that: then there are fewer, and still a place to go on from.
    ///
    /// # Errors
    /// [`Error::Forbidden`].
    pub async fn walk_audit(
        &self,
        caller: &Caller<need::Audit>,
        filter: &AuditFilter,
        before: Option<u64>,
        limit: usize,
        most: u64,
    ) -> Result<(Vec<AuditRecord>, Option<u64>), Error> {
        caller.permit()?;
        let range = self.audit_range(Some(caller.org()), view(caller, filter)).await?;
        let mut place = before.map_or(range.newest, |before| before.saturating_sub(1).min(range.newest));
        let end = place.saturating_sub(most).max(range.pruned);
        let mut docs = Vec::new();
        while place > end {
            let step = (place - end).min(SCAN_STEP as u64);
            // Each place has one entry, but for those that were pruned meanwhile.
            for (index, found) in self.read_entries(&range, place, step).await?.into_iter().enumerate() {
                if filter.takes(&found.entry) {
                    docs.push(AuditRecord::from(found));
                }
                if docs.len() == limit {
                    let place = place - index as u64;
                    return Ok((docs, (place - 1 > range.pruned).then_some(place)));
                }
            }
            place -= step;
            tokio::task::yield_now().await;
        }
        Ok((docs, (place > range.pruned).then_some(place + 1)))
    }

    async fn page_of(&self, range: &Range, page: PageRequest) -> Result<Page<AuditRecord>, Error> {
        let total = range.len();
        let wanted = total.saturating_sub(page.skip()).min(page.limit() as u64);
        let mut place = range.newest.saturating_sub(page.skip());
        let end = place - wanted.min(place);
        let mut docs = Vec::new();
        while place > end {
            let found = self.read_entries(range, place, place - end).await?;
            place = place.saturating_sub(SCAN_STEP as u64).max(end);
            docs.extend(found.into_iter().map(AuditRecord::from));
            tokio::task::yield_now().await;
        }
        Ok(page.of(docs, total))
    }

    async fn search(
        &self,
        range: &Range,
        filter: &AuditFilter,
        page: PageRequest,
    ) -> Result<Page<AuditRecord>, Error> {
        let (mut total, mut docs) = (0, Vec::new());
        let mut place = range.newest;
        while place > range.pruned {
            for found in self.read_entries(range, place, SCAN_STEP as u64).await? {
                if filter.takes(&found.entry) {
                    if total >= page.skip() && docs.len() < page.limit() {
                        docs.push(found.into());
                    }
                    total += 1;
                }
            }
            place = place.saturating_sub(SCAN_STEP as u64);
            tokio::task::yield_now().await;
        }
        Ok(page.of(docs, total))
    }
}

/// The smallest view that has all that the caller may see of what it wants; `None`: the chain itself.
fn view(caller: &Caller<need::Audit>, filter: &AuditFilter) -> Option<Vec<u8>> {
    let org = caller.org();
    let environment = caller.reach().environment().or(filter.environment.as_ref())?;
    Some(match caller.own_account() {
        Some(account) => key::audit_account(org, environment, account),
        None => key::audit_environment(org, environment),
    })
}
