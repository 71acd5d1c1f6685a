//! `/audit/audit-trails`: who did what, for callers with `admin`, and for accounts of themselves.

use actix_web::HttpResponse;
use actix_web::web::Data;
use serde::Serialize;

use crate::http::auth::Anywhere;
use crate::http::error::ApiError;
use crate::http::query::Query;
use crate::http::shape::{Hex, PageBody, Text};
use crate::model::{
    AccountId, AuditActor, AuditEvent, Entity, EntityKind, Environment, Id, Invalid, Timestamp, UserAgent,
};
use crate::vault::{self, AuditFilter, AuditRecord, Vault, need};

/// `GET /audit/audit-trails`
pub(super) async fn list(
    Anywhere(caller): Anywhere<need::Audit>,
    vault: Data<Vault>,
    query: Query,
) -> Result<HttpResponse, ApiError> {
    let filter = AuditFilter {
        event: parsed::<AuditEvent>(&query, "event")?,
        actor: query.filter("actor")?.map(Into::into),
        entity_id: query.filter("entity_id")?.map(Into::into),
        environment: parsed::<Environment>(&query, "environment")?,
        from: parsed::<Timestamp>(&query, "from")?,
        to: parsed::<Timestamp>(&query, "to")?,
    };
    let page = vault.list_audit(&caller, &filter, query.page()?).await?;
    Ok(HttpResponse::Ok().json(PageBody::of(page, EntryBody::from)))
}

fn parsed<T: std::str::FromStr<Err = Invalid>>(
    query: &Query,
    name: &'static str,
) -> Result<Option<T>, ApiError> {
    let parse = |text: &str| text.parse::<T>().map_err(|invalid| Invalid::new(name, invalid.expected));
    Ok(query.filter(name)?.map(parse).transpose().map_err(vault::Error::from)?)
}

#[derive(Serialize)]
struct EntryBody {
    _id: Text<Id>,
    seq: u64,
    event: Text<AuditEvent>,
    actor: ActorBody,
    entity: EntityBody,
    environment: Option<Text<Environment>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    linked_account_id: Option<Text<AccountId>>,
    ip: Option<String>,
    user_agent: Option<String>,
    request_id: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    count: Option<u64>,
    #[serde(rename = "createdAt")]
    created_at: Text<Timestamp>,
    hash: Text<Hex<32>>,
}

#[derive(Serialize)]
struct ActorBody {
    r#type: &'static str,
    id: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    name: Option<String>,
}

#[derive(Serialize)]
struct EntityBody {
    r#type: Text<EntityKind>,
    id: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    name: Option<String>,
}

impl From<AuditRecord> for EntryBody {
    fn from(AuditRecord { entry, number, hash }: AuditRecord) -> EntryBody {
        EntryBody {
            _id: Text(entry.id),
            seq: number,
            event: Text(entry.event),
            actor: entry.actor.into(),
            entity: entry.entity.into(),
            environment: entry.environment.map(Text),
            linked_account_id: entry.linked_account.map(Text),
            ip: entry.origin.ip.map(|ip| ip.to_string()),
            user_agent: entry.origin.user_agent.as_ref().map(UserAgent::as_str).map(Into::into),
            request_id: entry.origin.request_id,
            count: entry.count,
            created_at: Text(entry.created_at),
            hash: Text(Hex(hash)),
        }
    }
}

impl From<AuditActor> for ActorBody {
    fn from(actor: AuditActor) -> ActorBody {
        ActorBody { r#type: actor.kind(), id: actor.id(), name: actor.name().map(Into::into) }
    }
}

impl From<Entity> for EntityBody {
    fn from(Entity { kind, id, name }: Entity) -> EntityBody {
        EntityBody { r#type: Text(kind), id: id.map(|id| id.to_string()), name }
    }
}
