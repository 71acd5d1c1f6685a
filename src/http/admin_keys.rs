//! `/admin/keys`: API keys, for callers with `admin`.

use std::time::Duration;

use actix_web::HttpResponse;
use actix_web::web::{Data, Path};
use serde::Serialize;

use crate::http::auth::Authenticated;
use crate::http::body::Body;
use crate::http::error::ApiError;
use crate::http::query::Query;
use crate::http::shape::{PageBody, Text};
use crate::http::values::DoneBody;
use crate::model::{Actor, ApiKey, Id, Permission, Permissions, Reach, Timestamp};
use crate::vault::{self, ListedApiKey, NewApiKey, Vault, need};

/// `GET /admin/keys`
pub(super) async fn list(
    Authenticated(caller): Authenticated<need::Admin>,
    vault: Data<Vault>,
    query: Query,
) -> Result<HttpResponse, ApiError> {
    let page = vault.list_api_keys(&caller, query.page()?).await?;
    Ok(HttpResponse::Ok().json(PageBody::of(page, ListedKeyBody::from)))
}

/// `POST /admin/keys`
pub(super) async fn create(
    Authenticated(caller): Authenticated<need::Admin>,
    vault: Data<Vault>,
    body: Body,
) -> Result<HttpResponse, ApiError> {
    let mut fields = body.fields().await?;
    let permissions = match fields.texts("permissions")? {
        Some(names) => names
            .iter()
            .map(|name| name.parse::<Permission>())
            .collect::<Result<Permissions, _>>()
            .map_err(vault::Error::from)?,
        None => Permissions::DEFAULT,
    };
    let new = NewApiKey {
        reach: fields.required::<Reach>("environment")?,
        permissions,
        name: fields.text("name")?.unwrap_or_default(),
        lifetime: fields.positive("expires_in")?.map(Duration::from_secs),
    };
    let (key, secret) = vault.issue_api_key(&caller, new).await?;
    Ok(HttpResponse::Created().json(NewKeyBody { body: key.into(), key: secret.expose() }))
}

/// `DELETE /admin/keys/{id}`
pub(super) async fn revoke(
    Authenticated(caller): Authenticated<need::Admin>,
    vault: Data<Vault>,
    id: Path<String>,
) -> Result<HttpResponse, ApiError> {
    vault.withdraw_api_key(&caller, id.parse().ok()).await?;
    Ok(HttpResponse::Ok().json(DoneBody { status: "success", message: "API key revoked".into() }))
}

#[derive(Serialize)]
struct KeyBody {
    _id: Text<Id>,
    org_id: Text<Id>,
    environment: Text<Reach>,
    permissions: Vec<&'static str>,
    name: String,
    created_by: Text<Actor>,
    #[serde(rename = "createdAt")]
    created_at: Text<Timestamp>,
    #[serde(rename = "expiresAt")]
    expires_at: Option<Text<Timestamp>>,
}

impl From<ApiKey> for KeyBody {
    fn from(key: ApiKey) -> KeyBody {
        KeyBody {
            _id: Text(key.id),
            org_id: Text(key.org),
            environment: Text(key.reach),
            permissions: key.permissions.iter().map(Permission::as_str).collect(),
            name: key.name,
            created_by: Text(key.created_by),
            created_at: Text(key.created_at),
            expires_at: key.expires_at.map(Text),
        }
    }
}

/// A key in a list.
#[derive(Serialize)]
struct ListedKeyBody {
    #[serde(flatten)]
    body: KeyBody,
    last_used_at: Option<Text<Timestamp>>,
}

impl From<ListedApiKey> for ListedKeyBody {
    fn from(listed: ListedApiKey) -> ListedKeyBody {
        ListedKeyBody { body: listed.key.into(), last_used_at: listed.last_used_at.map(Text) }
    }
}

/// A key with the key itself: this once.
#[derive(Serialize)]
struct NewKeyBody<'a> {
    #[serde(flatten)]
    body: KeyBody,
    key: &'a str,
}
