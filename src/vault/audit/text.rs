//! Entries as lines of JSON, which keep everything that a hash covers: what was exported can be verified.

use serde::{Deserialize, Serialize};

use crate::model::{
    AuditActor, AuditCheckpoint, AuditEntry, Entity, EntityId, EntityKind, Id, Origin, Timestamp, UserAgent,
};
use crate::store::chain::Tag;
use crate::store::record;
use crate::vault::audit::AuditLinker;

/// The name of the store's own chain.
pub(super) const STORE: &str = "store";

/// How far a chain reaches.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AuditHead {
    /// An organization's id, or `store`.
    pub chain: String,
    /// The number of the newest entry.
    pub seq: u64,
    /// Its hash.
    pub hash: String,
}

/// A line of an export.
#[derive(Serialize, Deserialize)]
#[serde(untagged)]
pub(super) enum Line {
    Entry(Box<EntryLine>),
    Checkpoint(CheckpointLine),
    End(EndLine),
}

/// An entry.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct EntryLine {
    pub(super) chain: String,
    pub(super) seq: u64,
    _id: String,
    event: String,
    actor: Party,
    entity: Party,
    environment: Option<String>,
    linked_account_id: Option<String>,
    ip: Option<String>,
    user_agent: Option<String>,
    request_id: Option<String>,
    count: Option<u64>,
    #[serde(rename = "createdAt")]
    created_at: String,
    hash: String,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Party {
    r#type: String,
    id: Option<String>,
    name: Option<String>,
}

/// What stands for the entries of a chain that were pruned.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct CheckpointLine {
    pub(super) chain: String,
    checkpoint: CheckpointBody,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct CheckpointBody {
    seq: u64,
    hash: String,
    #[serde(rename = "createdAt")]
    created_at: String,
    mac: String,
}

/// The last line: how far each chain reaches in the file, so that a cut is seen.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct EndLine {
    pub(super) end: Vec<AuditHead>,
    mac: String,
}

/// The line without its line end; a type of text and numbers is always JSON.
pub(super) fn line(line: &impl Serialize) -> String {
    serde_json::to_string(line).unwrap_or_default()
}

impl EntryLine {
    pub(super) fn of(chain: &str, seq: u64, entry: &AuditEntry, tag: &Tag) -> EntryLine {
        let (actor, entity) = (&entry.actor, &entry.entity);
        EntryLine {
            chain: chain.into(),
            seq,
            _id: entry.id.to_string(),
            event: entry.event.to_string(),
            actor: Party { r#type: actor.kind().into(), id: actor.id(), name: actor.name().map(Into::into) },
            entity: Party {
                r#type: entity.kind.to_string(),
                id: entity.id.as_ref().map(ToString::to_string),
                name: entity.name.clone(),
            },
            environment: entry.environment.as_ref().map(ToString::to_string),
            linked_account_id: entry.linked_account.as_ref().map(ToString::to_string),
            ip: entry.origin.ip.map(|ip| ip.to_string()),
            user_agent: entry.origin.user_agent.as_ref().map(|agent| agent.as_str().into()),
            request_id: entry.origin.request_id.clone(),
            count: entry.count,
            created_at: entry.created_at.to_string(),
            hash: hex(tag),
        }
    }

    /// The entry that the line speaks of; `None` where it speaks of none.
    fn entry(&self) -> Option<AuditEntry> {
        fn each<T: std::str::FromStr>(text: Option<&String>) -> Option<Option<T>> {
            text.map_or(Some(None), |text| text.parse().ok().map(Some))
        }
        let kind = self.entity.r#type.parse::<EntityKind>().ok()?;
        let id = match &self.entity.id {
            Some(text) => Some(EntityId::parse(kind, text)?),
            None => None,
        };
        Some(AuditEntry {
            id: self._id.parse().ok()?,
            created_at: self.created_at.parse::<Timestamp>().ok()?,
            event: self.event.parse().ok()?,
            actor: AuditActor::of(&self.actor.r#type, self.actor.id.as_deref(), self.actor.name.as_deref())?,
            entity: Entity { kind, id, name: self.entity.name.clone() },
            environment: each(self.environment.as_ref())?,
            linked_account: each(self.linked_account_id.as_ref())?,
            origin: Origin {
                ip: each(self.ip.as_ref())?,
                user_agent: self.user_agent.as_ref().map(|text| UserAgent::cleaned(text.as_bytes())),
                request_id: self.request_id.clone(),
            },
            count: self.count,
        })
    }

    /// What its hash covers, and the hash; `None` where the text is not what an export has for it, to the letter:
    /// two spellings of one thing would be a change that no hash shows.
    pub(super) fn record(&self, text: &str) -> Option<(Vec<u8>, Tag)> {
        let (entry, tag) = (self.entry()?, unhex(&self.hash)?);
        let same = line(&EntryLine::of(&self.chain, self.seq, &entry, &tag)) == text;
        same.then_some((record::encode(&entry).ok()?, tag))
    }
}

impl CheckpointLine {
    pub(super) fn of(chain: &str, checkpoint: &AuditCheckpoint) -> CheckpointLine {
        let AuditCheckpoint { number, hash, created_at, mac } = checkpoint;
        let checkpoint = CheckpointBody {
            seq: *number,
            hash: hex(hash),
            created_at: created_at.to_string(),
            mac: hex(mac),
        };
        CheckpointLine { chain: chain.into(), checkpoint }
    }

    pub(super) fn checkpoint(&self) -> Option<AuditCheckpoint> {
        let CheckpointBody { seq, hash, created_at, mac } = &self.checkpoint;
        Some(AuditCheckpoint {
            number: *seq,
            hash: unhex(hash)?,
            created_at: created_at.parse().ok()?,
            mac: unhex(mac)?,
        })
    }
}

impl EndLine {
    pub(super) fn of(linker: &AuditLinker, heads: &[AuditHead]) -> EndLine {
        EndLine { end: heads.to_vec(), mac: hex(&mac(linker, heads)) }
    }

    pub(super) fn holds(&self, linker: &AuditLinker) -> bool {
        unhex(&self.mac) == Some(mac(linker, &self.end))
    }
}

fn mac(linker: &AuditLinker, heads: &[AuditHead]) -> Tag {
    let seqs: Vec<_> = heads.iter().map(|head| head.seq.to_be_bytes()).collect();
    let parts = heads.iter().zip(&seqs);
    let parts: Vec<&[u8]> =
        parts.flat_map(|(head, seq)| [head.chain.as_bytes(), seq.as_slice(), head.hash.as_bytes()]).collect();
    linker.sign("end", &parts)
}

/// The chain of this name.
pub(super) fn chain_of(name: &str) -> Option<Option<Id>> {
    if name == STORE { Some(None) } else { name.parse().ok().map(Some) }
}

/// The name of a chain.
pub(super) fn name_of(chain: Option<Id>) -> String {
    chain.map_or_else(|| STORE.into(), |org| org.to_string())
}

pub(super) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// 64 lower-case hex digits.
pub(super) fn unhex(text: &str) -> Option<Tag> {
    let digits = text.as_bytes();
    let valid = digits.len() == 64 && digits.iter().all(|digit| matches!(digit, b'0'..=b'9' | b'a'..=b'f'));
    let value = |digit: u8| if digit <= b'9' { digit - b'0' } else { digit - b'a' + 10 };
    valid.then(|| std::array::from_fn(|i| value(digits[2 * i]) << 4 | value(digits[2 * i + 1])))
}
