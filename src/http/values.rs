//! `/env/values` and `/env/value`: set, resolve, list, delete.

use actix_web::http::header::ETAG;
use actix_web::web::{Data, Path};
use actix_web::{HttpRequest, HttpResponse};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::Serialize;

use crate::http::auth::{InEnvironment, name_ids, precondition, subject_ids};
use crate::http::body::Body;
use crate::http::error::ApiError;
use crate::http::query::Query;
use crate::http::shape::{PageBody, Text};
use crate::model::{AccountId, Actor, Content, Environment, Format, Id, Name, Scope, Timestamp, WorkflowId};
use crate::vault::{FoundValue, ResolvedValue, SetValue, ShownContent, ValueFilter, Vault, need};

/// `POST /env/values`
pub(super) async fn set(
    InEnvironment(at): InEnvironment<need::Write>,
    vault: Data<Vault>,
    request: HttpRequest,
    query: Query,
    body: Body,
) -> Result<HttpResponse, ApiError> {
    let mut ids = subject_ids(at.caller(), request.headers(), &query)?;
    let mut fields = body.fields().await?;
    let definition = fields.required_text("variable_definition_id")?.parse::<Id>().ok();
    let value = fields.required_text("value")?.into();
    name_ids(&mut ids, &mut fields)?;
    let precondition = precondition(request.headers())?;
    let found = vault.set_value(&at, &SetValue { definition, ids, value, precondition }).await?;
    Ok(HttpResponse::Ok().insert_header((ETAG, etag(found.value.version))).json(SetBody::from(&found)))
}

/// A value as whoever set it gets it back.
#[derive(Serialize)]
pub(super) struct SetBody<'a> {
    _id: Text<Id>,
    variable_definition_id: Text<Id>,
    org_id: Text<Id>,
    environment: Text<&'a Environment>,
    #[serde(skip_serializing_if = "Option::is_none")]
    linked_account_id: Option<Text<&'a AccountId>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    workflow_id: Option<Text<&'a WorkflowId>>,
    pub(super) value: String,
    version: u64,
    created_by: Text<Actor>,
    updated_by: Text<Actor>,
    #[serde(rename = "createdAt")]
    created_at: Text<Timestamp>,
    #[serde(rename = "updatedAt")]
    updated_at: Text<Timestamp>,
}

impl<'a> From<&'a FoundValue> for SetBody<'a> {
    fn from(found: &'a FoundValue) -> SetBody<'a> {
        let (address, value) = (&found.address, &found.value);
        SetBody {
            _id: Text(value.id),
            variable_definition_id: Text(address.definition),
            org_id: Text(address.org),
            environment: Text(&address.environment),
            linked_account_id: address.subject.linked_account().map(Text),
            workflow_id: address.subject.workflow().map(Text),
            value: match &value.content {
                Content::Plain(text) => text.clone(),
                Content::Sealed(sealed) => STANDARD.encode(sealed),
            },
            version: value.version,
            created_by: Text(value.created_by),
            updated_by: Text(value.updated_by),
            created_at: Text(value.created_at),
            updated_at: Text(value.updated_at),
        }
    }
}

/// `GET /env/value/{definition_id}`
pub(super) async fn resolve(
    InEnvironment(at): InEnvironment<need::Read>,
    vault: Data<Vault>,
    request: HttpRequest,
    definition: Path<String>,
    query: Query,
) -> Result<HttpResponse, ApiError> {
    let definition = definition.parse::<Id>().ok();
    let ids = subject_ids(at.caller(), request.headers(), &query)?;
    let resolved = if query.flag("reveal")? {
        vault.reveal_value(&at, definition, &ids).await?
    } else {
        vault.resolve_value(&at, definition, &ids).await?
    };
    let mut response = HttpResponse::Ok();
    // The tag is for `If-Match`. It answers no `If-None-Match`: a rename, or a value that was deleted and
    // set again, shows something else under the same version.
    response.insert_header((ETAG, etag(resolved.version)));
    Ok(response.json(ResolvedBody::from(&resolved)))
}

#[derive(Serialize)]
struct ResolvedBody<'a> {
    value: &'a str,
    encrypted: bool,
    name: Text<&'a Name>,
    scope: Text<Scope>,
    variable_definition_id: Text<Id>,
    environment: Text<&'a Environment>,
    version: u64,
    #[serde(rename = "updatedAt")]
    updated_at: Text<Timestamp>,
}

impl<'a> From<&'a ResolvedValue> for ResolvedBody<'a> {
    fn from(resolved: &'a ResolvedValue) -> ResolvedBody<'a> {
        ResolvedBody {
            value: resolved.shown.text(),
            encrypted: resolved.encrypted,
            name: Text(&resolved.definition.name),
            scope: Text(resolved.definition.scope),
            variable_definition_id: Text(resolved.definition.id),
            environment: Text(&resolved.address.environment),
            version: resolved.version,
            updated_at: Text(resolved.updated_at),
        }
    }
}

/// `GET /env/values/{scope}`
pub(super) async fn list(
    InEnvironment(at): InEnvironment<need::Read>,
    vault: Data<Vault>,
    request: HttpRequest,
    scope: Path<String>,
    query: Query,
) -> Result<HttpResponse, ApiError> {
    let scope: Scope = scope
        .parse()
        .map_err(|invalid: crate::model::Invalid| ApiError::from(crate::vault::Error::from(invalid)))?;
    let page = query.page()?;
    let filter = match query.filter("variable_definition_id")? {
        Some(definition) => ValueFilter::Of(definition.parse().ok()),
        None => ValueFilter::All,
    };
    let ids = subject_ids(at.caller(), request.headers(), &query)?;
    let page = vault.list_values(&at, scope, &ids, filter, page).await?;
    Ok(HttpResponse::Ok().json(ListBody { status: "success", page: PageBody::of(page, ListedValue::from) }))
}

#[derive(Serialize)]
struct ListBody {
    status: &'static str,
    #[serde(flatten)]
    page: PageBody<ListedValue>,
}

#[derive(Serialize)]
struct ListedValue {
    _id: Text<Id>,
    variable_definition_id: ListedDefinition,
    value: String,
    environment: Text<Environment>,
    #[serde(skip_serializing_if = "Option::is_none")]
    linked_account_id: Option<Text<AccountId>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    workflow_id: Option<Text<WorkflowId>>,
    version: u64,
    #[serde(rename = "createdAt")]
    created_at: Text<Timestamp>,
    #[serde(rename = "updatedAt")]
    updated_at: Text<Timestamp>,
}

#[derive(Serialize)]
struct ListedDefinition {
    _id: Text<Id>,
    name: Text<Name>,
    scope: Text<Scope>,
    var_format: Text<Format>,
    encrypted: bool,
}

impl From<ResolvedValue> for ListedValue {
    fn from(resolved: ResolvedValue) -> ListedValue {
        let ResolvedValue { id, address, definition, encrypted, .. } = resolved;
        ListedValue {
            _id: Text(id),
            variable_definition_id: ListedDefinition {
                _id: Text(definition.id),
                name: Text(definition.name),
                scope: Text(definition.scope),
                var_format: Text(definition.format),
                encrypted,
            },
            value: match resolved.shown {
                ShownContent::Plain(text) => text,
                // Nothing reveals in a list.
                ShownContent::Redacted | ShownContent::Revealed(_) => ShownContent::REDACTED.into(),
            },
            linked_account_id: address.subject.linked_account().cloned().map(Text),
            workflow_id: address.subject.workflow().cloned().map(Text),
            environment: Text(address.environment),
            version: resolved.version,
            created_at: Text(resolved.created_at),
            updated_at: Text(resolved.updated_at),
        }
    }
}

/// `DELETE /env/values/{value_id}`
pub(super) async fn delete(
    InEnvironment(at): InEnvironment<need::Write>,
    vault: Data<Vault>,
    request: HttpRequest,
    value: Path<String>,
    query: Query,
) -> Result<HttpResponse, ApiError> {
    let ids = subject_ids(at.caller(), request.headers(), &query)?;
    let precondition = precondition(request.headers())?;
    let name = vault.delete_value(&at, value.parse().ok(), &ids, &precondition).await?;
    Ok(HttpResponse::Ok().json(DoneBody {
        status: "success",
        message: format!("Variable value for \"{name}\" deleted successfully"),
    }))
}

/// What a deletion answers.
#[derive(Serialize)]
pub(super) struct DoneBody {
    pub(super) status: &'static str,
    pub(super) message: String,
}

pub(super) fn etag(version: u64) -> String {
    format!("\"{version}\"")
}
