//! `/env/definitions`: made, read, listed, changed, deleted.

use actix_web::http::header::LOCATION;
use actix_web::web::{Data, Path};
use actix_web::{HttpRequest, HttpResponse};
use serde::Serialize;

use crate::http::auth::{Anywhere, subject_ids};
use crate::http::body::Body;
use crate::http::error::ApiError;
use crate::http::query::Query;
use crate::http::routes::PUBLIC;
use crate::http::shape::{PageBody, Text};
use crate::http::values::DoneBody;
use crate::model::{Actor, Definition, Format, Id, Name, Scope, Timestamp};
use crate::vault::{self, DefinitionFilter, DefinitionPatch, NewDefinition, Vault, need};

/// `GET /env/definitions`
pub(super) async fn list(
    Anywhere(caller): Anywhere<need::Read>,
    vault: Data<Vault>,
    request: HttpRequest,
    query: Query,
) -> Result<HttpResponse, ApiError> {
    let page = query.page()?;
    let mut filter = DefinitionFilter::default();
    if let Some(scope) = query.filter("scope")? {
        filter = filter.scope(scope.parse().map_err(vault::Error::from)?);
    }
    if let Some(format) = query.filter("var_format")? {
        filter = filter.format(format.parse().map_err(vault::Error::from)?);
    }
    if let Some(pattern) = query.filter("name")? {
        filter = filter.pattern(pattern)?;
    }
    if let Some(names) = query.filter("names")? {
        filter = filter.names(names);
    }
    filter = filter.on_behalf_of(&subject_ids(&caller, request.headers(), &query)?)?;
    let page = vault.list_definitions(&caller, &filter, page).await?;
    let org = caller.org();
    Ok(HttpResponse::Ok().json(PageBody::of(page, |definition| DefinitionBody::new(org, definition))))
}

/// `GET /env/definitions/{id}`
pub(super) async fn get(
    Anywhere(caller): Anywhere<need::Read>,
    vault: Data<Vault>,
    id: Path<String>,
) -> Result<HttpResponse, ApiError> {
    let definition = vault.get_definition(&caller, id.parse().ok()).await?;
    Ok(HttpResponse::Ok().json(OneDefinition::new(caller.org(), definition)))
}

/// `POST /env/definitions`
pub(super) async fn create(
    Anywhere(caller): Anywhere<need::Manage>,
    vault: Data<Vault>,
    body: Body,
) -> Result<HttpResponse, ApiError> {
    let mut fields = body.fields().await?;
    let new = NewDefinition {
        name: fields.required("name")?,
        description: fields.parsed("description")?.unwrap_or_default(),
        scope: fields.required("scope")?,
        format: fields.parsed("var_format")?.unwrap_or(Format::String),
        encrypted: fields.boolean("encrypted")?.unwrap_or(false),
        required: fields.boolean("required")?.unwrap_or(false),
    };
    let definition = vault.create_definition(&caller, new).await?;
    Ok(HttpResponse::Created()
        .insert_header((LOCATION, format!("{PUBLIC}/env/definitions/{}", definition.id)))
        .json(OneDefinition::new(caller.org(), definition)))
}

/// `PATCH /env/definitions/{id}`
pub(super) async fn patch(
    Anywhere(caller): Anywhere<need::Manage>,
    vault: Data<Vault>,
    id: Path<String>,
    body: Body,
) -> Result<HttpResponse, ApiError> {
    let mut fields = body.fields().await?;
    let patch = DefinitionPatch {
        name: fields.parsed("name")?,
        description: fields.parsed("description")?,
        format: fields.parsed("var_format")?,
        encrypted: fields.boolean("encrypted")?,
        required: fields.boolean("required")?,
        scope: fields.parsed("scope")?,
    };
    let definition = vault.patch_definition(&caller, id.parse().ok(), &patch).await?;
    Ok(HttpResponse::Ok().json(OneDefinition::new(caller.org(), definition)))
}

/// `DELETE /env/definitions/{id}`
pub(super) async fn delete(
    Anywhere(caller): Anywhere<need::Manage>,
    vault: Data<Vault>,
    id: Path<String>,
    query: Query,
) -> Result<HttpResponse, ApiError> {
    let force = query.flag("force")?;
    let definition = vault.delete_definition(&caller, id.parse().ok(), force).await?;
    Ok(HttpResponse::Ok().json(DoneBody {
        status: "success",
        message: format!("Variable definition \"{}\" deleted successfully", definition.name),
    }))
}

#[derive(Serialize)]
struct DefinitionBody {
    _id: Text<Id>,
    org_id: Text<Id>,
    name: Text<Name>,
    description: String,
    scope: Text<Scope>,
    var_format: Text<Format>,
    encrypted: bool,
    required: bool,
    created_by: Text<Actor>,
    updated_by: Text<Actor>,
    #[serde(rename = "createdAt")]
    created_at: Text<Timestamp>,
    #[serde(rename = "updatedAt")]
    updated_at: Text<Timestamp>,
}

impl DefinitionBody {
    fn new(org: Id, definition: Definition) -> DefinitionBody {
        DefinitionBody {
            _id: Text(definition.id),
            org_id: Text(org),
            name: Text(definition.name),
            description: definition.description.as_str().into(),
            scope: Text(definition.scope),
            var_format: Text(definition.format),
            encrypted: definition.encrypted,
            required: definition.required,
            created_by: Text(definition.created_by),
            updated_by: Text(definition.updated_by),
            created_at: Text(definition.created_at),
            updated_at: Text(definition.updated_at),
        }
    }
}

#[derive(Serialize)]
struct OneDefinition {
    definition: TwiceTimed,
}

/// A definition whose times have both spellings: clients of the API know either.
#[derive(Serialize)]
struct TwiceTimed {
    #[serde(flatten)]
    body: DefinitionBody,
    created_at: Text<Timestamp>,
    updated_at: Text<Timestamp>,
}

impl OneDefinition {
    fn new(org: Id, definition: Definition) -> OneDefinition {
        let (created_at, updated_at) = (Text(definition.created_at), Text(definition.updated_at));
        OneDefinition {
            definition: TwiceTimed { body: DefinitionBody::new(org, definition), created_at, updated_at },
        }
    }
}
