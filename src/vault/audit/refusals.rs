//! Refused credentials: the first of an address at once, its others of that minute as one entry with their
//! number. So a flood is seen, and fills nothing.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv6Addr};

use parking_lot::Mutex;

use crate::model::{
    AccountId, ApiKey, AuditActor, AuditEvent, Entity, EntityKind, Environment, Origin, Reach, Session,
    Timestamp,
};
use crate::store::{Batch, Tree, key};
use crate::vault::audit::{Act, Author, Chain};
use crate::vault::session_tokens;
use crate::vault::{Error, Vault};

/// A credential as it was shown.
#[derive(Clone, Copy)]
pub enum ShownCredential<'a> {
    /// An API key; `None` where it was not even text.
    ApiKey(Option<&'a str>),
    /// A session token.
    SessionToken(Option<&'a str>),
    /// A refresh token.
    RefreshToken(&'a str),
}

/// How many addresses are told apart in a minute, so that a flood from many makes no more entries than twice
/// this and one. A client of IPv6 has a /64 for itself.
const MAX_ADDRESSES: usize = 32;

/// The refusals that are not written yet.
#[derive(Default)]
pub(in crate::vault) struct Refusals(Mutex<Minute>);

#[derive(Default)]
struct Minute {
    begin: Option<Timestamp>,
    /// Those whose first refusal of this minute was told, with how many came since.
    addresses: HashMap<Whose, u64>,
    /// How many there were of addresses beyond the bound.
    others: u64,
    /// What earlier minutes left to be written.
    due: Vec<Counted>,
}

/// Refusals that are told apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
struct Whose {
    chain: Chain,
    network: Option<IpAddr>,
}

/// How many refusals one entry is to speak of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Counted {
    whose: Whose,
    count: u64,
}

impl Minute {
    /// Ends the minute where `now` lies in another one.
    fn turn(&mut self, now: Timestamp) {
        if self.begin != Some(now.minute()) {
            self.end();
            self.begin = Some(now.minute());
        }
    }

    fn end(&mut self) {
        let others = Whose { chain: None, network: None };
        let counted = self.addresses.drain().chain([(others, std::mem::take(&mut self.others))]);
        let counted: Vec<_> = counted.filter(|(_, count)| *count > 0).collect();
        for (whose, count) in counted {
            self.owe(Counted { whose, count });
        }
    }

    /// Notes what is to be written; where too much already is, without its address.
    fn owe(&mut self, counted: Counted) {
        let others = Whose { chain: None, network: None };
        let crowded = self.due.len() > 2 * MAX_ADDRESSES;
        let whose = if crowded { others } else { counted.whose };
        match self.due.iter_mut().find(|due| due.whose == whose) {
            Some(due) => due.count += counted.count,
            None => self.due.push(Counted { whose, ..counted }),
        }
    }
}

impl Refusals {
    /// Whether a refusal is the first of its kind in its minute, so that it has an entry of its own. Any other is
    /// counted.
    fn is_first(&self, whose: Whose, now: Timestamp) -> bool {
        let mut minute = self.0.lock();
        minute.turn(now);
        if let Some(count) = minute.addresses.get_mut(&whose) {
            *count += 1;
            return false;
        }
        if minute.addresses.len() >= MAX_ADDRESSES {
            minute.others += 1;
            return false;
        }
        minute.addresses.insert(whose, 0);
        true
    }

    /// What is to be written: of minutes that have ended, or of this one too where it is `cut` short.
    fn take_due(&self, now: Timestamp, cut: bool) -> Vec<Counted> {
        let mut minute = self.0.lock();
        minute.turn(now);
        if cut {
            minute.end();
        }
        std::mem::take(&mut minute.due)
    }

    fn owe(&self, counted: Counted) {
        self.0.lock().owe(counted);
    }
}

/// What is known of a credential that was refused.
struct Refused {
    chain: Chain,
    actor: AuditActor,
    entity: Entity,
    environment: Option<Environment>,
    account: Option<AccountId>,
}

impl Vault {
    /// Remembers that a credential was refused: in the trail of the organization whose it was, where that is
    /// certain, else in the store's. Where that cannot be written now, it is counted and written later.
    pub async fn credential_refused(&self, shown: ShownCredential<'_>, origin: Origin) {
        // Whatever the store says here, the refusal stands.
        let refused = self.refused(shown).await.unwrap_or_else(|_| Refused::unknown(shown));
        let whose = Whose { chain: refused.chain, network: origin.ip.map(network) };
        if !self.0.refusals.is_first(whose, Timestamp::now()) {
            return;
        }
        if self.write_refusal(refused, origin).await.is_err() {
            self.0.refusals.owe(Counted { whose, count: 1 });
        }
    }

    async fn write_refusal(&self, refused: Refused, origin: Origin) -> Result<(), Error> {
        let Refused { chain, actor, entity, environment, account } = refused;
        let author = Author { chain, actor, origin };
        let act = Act { environment: environment.as_ref(), ..Act::new(AuditEvent::AuthFailed, entity) };
        let batch = self.record(Batch::new(), author, act.concerning(account.as_ref())).await?;
        self.commit(batch).await.map(drop)
    }

    /// Writes how many more credentials were refused in the minutes that have ended.
    ///
    /// # Errors
    /// Only the store's; what could not be written is written the next time.
    pub async fn write_refusals(&self) -> Result<(), Error> {
        self.write_due(false).await
    }

    /// As [`Vault::write_refusals`], and of the minute that has not ended too: for when the process does.
    ///
    /// # Errors
    /// Only the store's.
    pub async fn write_all_refusals(&self) -> Result<(), Error> {
        self.write_due(true).await
    }

    async fn write_due(&self, cut: bool) -> Result<(), Error> {
        let mut due = self.0.refusals.take_due(Timestamp::now(), cut).into_iter();
        for counted in due.by_ref() {
            let Counted { whose, count } = counted;
            let origin = Origin { ip: whose.network, ..Origin::default() };
            let author = Author { chain: whose.chain, actor: AuditActor::Unknown, origin };
            let act =
                Act::new(AuditEvent::AuthFailed, Entity::unknown(EntityKind::Credential)).counting(count);
            let written = match self.record(Batch::new(), author, act).await {
                Ok(batch) => self.commit(batch).await,
                Err(error) => Err(error),
            };
            if let Err(error) = written {
                std::iter::once(counted).chain(due).for_each(|counted| self.0.refusals.owe(counted));
                return Err(error);
            }
        }
        Ok(())
    }

    async fn refused(&self, shown: ShownCredential<'_>) -> Result<Refused, Error> {
        let unknown = Refused::unknown(shown);
        match shown {
            ShownCredential::ApiKey(Some(api_key)) => {
                let hash = self.0.keyring.hash_api_key(api_key);
                let found = self.get::<ApiKey>(Tree::ApiKeys, &key::api_key(&hash)).await?;
                // It is there, so it has expired.
                Ok(found.map_or(unknown, |seen| Refused::expired(seen.noun)))
            }
            ShownCredential::SessionToken(Some(token)) => {
                let Some(holder) = session_tokens::signed_by_us(self.0.keyring.session_tokens(), token)
                else {
                    return Ok(unknown);
                };
                let session = self.get::<Session>(Tree::Sessions, &holder.session_key()).await?;
                let actor = session.map(|seen| AuditActor::LinkedAccount {
                    id: seen.noun.account,
                    account_id: holder.account.clone(),
                });
                Ok(Refused {
                    chain: Some(holder.org),
                    actor: actor.unwrap_or(AuditActor::Unknown),
                    entity: Entity::of(EntityKind::Session, holder.session),
                    environment: Some(holder.environment),
                    account: Some(holder.account),
                })
            }
            ShownCredential::RefreshToken(token) => {
                let read = session_tokens::read_refresh_token(self.0.keyring.refresh_tokens(), token);
                let Some((id, _)) = read else { return Ok(unknown) };
                let entity = Entity::of(EntityKind::Session, id);
                let Some(found) = self.0.engine.get(Tree::SessionIds, &key::session_id(id)).await? else {
                    return Ok(Refused { entity, ..unknown });
                };
                let (org, environment, account) = key::parse_session(&found.value)?;
                Ok(Refused {
                    chain: Some(org),
                    entity,
                    environment: Some(environment),
                    account: Some(account),
                    ..unknown
                })
            }
            ShownCredential::ApiKey(None) | ShownCredential::SessionToken(None) => Ok(unknown),
        }
    }
}

impl Refused {
    fn unknown(shown: ShownCredential<'_>) -> Refused {
        let kind = match shown {
            ShownCredential::ApiKey(_) => EntityKind::ApiKey,
            ShownCredential::SessionToken(_) | ShownCredential::RefreshToken(_) => EntityKind::Session,
        };
        let entity = Entity::unknown(kind);
        Refused { chain: None, actor: AuditActor::Unknown, entity, environment: None, account: None }
    }

    fn expired(key: ApiKey) -> Refused {
        let entity = Entity::of(EntityKind::ApiKey, key.id).named(key.name.as_str());
        Refused {
            chain: Some(key.org),
            actor: AuditActor::ApiKey { id: key.id, name: key.name },
            entity,
            environment: match key.reach {
                Reach::One(environment) => Some(environment),
                Reach::All => None,
            },
            account: None,
        }
    }
}

/// What counts as one client.
fn network(address: IpAddr) -> IpAddr {
    match address {
        IpAddr::V4(_) => address,
        IpAddr::V6(address) => Ipv6Addr::from_bits(address.to_bits() >> 64 << 64).into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_seconds(1_800_000_000 + seconds)
    }

    fn whose(n: u8) -> Whose {
        Whose { chain: None, network: Some(IpAddr::from([192, 0, 2, n])) }
    }

    #[test]
    fn the_first_of_a_minute_is_told_and_the_others_are_counted() {
        let refusals = Refusals::default();
        assert!(refusals.is_first(whose(1), at(0)));
        for _ in 0..99 {
            assert!(!refusals.is_first(whose(1), at(1)));
        }
        assert!(refusals.is_first(whose(2), at(2)));
        assert_eq!(refusals.take_due(at(3), false), [], "the minute has not ended");
        assert_eq!(refusals.take_due(at(60), false), [Counted { whose: whose(1), count: 99 }]);
        assert_eq!(refusals.take_due(at(60), false), []);
        assert!(refusals.is_first(whose(1), at(61)));
        assert!(!refusals.is_first(whose(1), at(62)));
        assert_eq!(refusals.take_due(at(63), true), [Counted { whose: whose(1), count: 1 }], "cut short");
    }

    #[test]
    fn many_addresses_make_no_more_than_so_many_entries() {
        let refusals = Refusals::default();
        let firsts = (0..=255).filter(|n| refusals.is_first(whose(*n), at(0))).count();
        assert_eq!(firsts, MAX_ADDRESSES);
        for minute in 1..100 {
            for n in 0..=255 {
                refusals.is_first(whose(n), at(60 * minute));
                refusals.is_first(whose(n), at(60 * minute + 1));
            }
        }
        let due = refusals.take_due(at(6000), true);
        assert!(due.len() <= 2 * MAX_ADDRESSES + 2, "{}", due.len());
        let told = 100 * MAX_ADDRESSES as u64;
        assert_eq!(due.iter().map(|due| due.count).sum::<u64>(), 256 + 99 * 512 - told, "none is lost");
    }
}
