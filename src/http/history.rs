//! `/env/values/{value_id}/versions` and `/rollback`: what a value was, and back to it.

use actix_web::http::header::ETAG;
use actix_web::web::{Data, Path};
use actix_web::{HttpRequest, HttpResponse};
use serde::Serialize;

use crate::http::auth::{InEnvironment, name_ids, precondition, subject_ids};
use crate::http::body::Body;
use crate::http::error::ApiError;
use crate::http::query::Query;
use crate::http::shape::{PageBody, Text};
use crate::http::values::{SetBody, etag};
use crate::model::{Actor, Timestamp};
use crate::vault::{ShownContent, ValueVersion, Vault, need};

/// `GET /env/values/{value_id}/versions`
pub(super) async fn versions(
    InEnvironment(at): InEnvironment<need::Read>,
    vault: Data<Vault>,
    request: HttpRequest,
    value: Path<String>,
    query: Query,
) -> Result<HttpResponse, ApiError> {
    let (value, page) = (value.parse().ok(), query.page()?);
    let ids = subject_ids(at.caller(), request.headers(), &query)?;
    let versions = if query.flag("reveal")? {
        vault.reveal_versions(&at, value, &ids, page).await?
    } else {
        vault.list_versions(&at, value, &ids, page).await?
    };
    Ok(HttpResponse::Ok().json(PageBody::of(versions, ListedVersion::from)))
}

#[derive(Serialize)]
struct ListedVersion {
    version: u64,
    #[serde(serialize_with = "shown_text")]
    value: ShownContent,
    created_by: Text<Actor>,
    #[serde(rename = "createdAt")]
    created_at: Text<Timestamp>,
}

fn shown_text<S: serde::Serializer>(shown: &ShownContent, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(shown.text())
}

impl From<ValueVersion> for ListedVersion {
    fn from(version: ValueVersion) -> ListedVersion {
        ListedVersion {
            version: version.version,
            value: version.shown,
            created_by: Text(version.created_by),
            created_at: Text(version.created_at),
        }
    }
}

/// `POST /env/values/{value_id}/rollback`
pub(super) async fn rollback(
    InEnvironment(at): InEnvironment<need::Write>,
    vault: Data<Vault>,
    request: HttpRequest,
    value: Path<String>,
    query: Query,
    body: Body,
) -> Result<HttpResponse, ApiError> {
    let mut ids = subject_ids(at.caller(), request.headers(), &query)?;
    let mut fields = body.fields().await?;
    let version = fields.positive("version")?;
    let version = version.ok_or_else(|| ApiError::invalid_request("version is required"))?;
    name_ids(&mut ids, &mut fields)?;
    let precondition = precondition(request.headers())?;
    let found = vault.roll_back_value(&at, value.parse().ok(), version, &ids, &precondition).await?;
    let mut body = SetBody::from(&found);
    // Whoever sets a value knows it; whoever takes one back need not.
    if !found.is_encrypted() && !at.caller().may_read() {
        body.value = ShownContent::REDACTED.into();
    }
    Ok(HttpResponse::Ok().insert_header((ETAG, etag(found.value.version))).json(body))
}
