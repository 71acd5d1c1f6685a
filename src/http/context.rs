//! What a program needs at run time: a whole context in one call, templates, and many values set at once.

use std::collections::BTreeMap;

use actix_web::http::StatusCode;
use actix_web::http::header::ETAG;
use actix_web::web::Data;
use actix_web::{HttpRequest, HttpResponse};
use serde::Serialize;

use crate::crypto::Plaintext;
use crate::dotenv;
use crate::http::auth::{InEnvironment, name_ids, precondition, subject_ids};
use crate::http::body::{Body, Fields};
use crate::http::error::ApiError;
use crate::http::query::Query;
use crate::http::shape::Text;
use crate::model::{AccountId, Definition, Environment, Id, Name, Scope, WorkflowId};
use crate::vault::{
    Context, Import, Imported, Reference, ResolvedValue, Shadowed, ShownContent, Vault, need,
};

/// `GET /env/resolve`
pub(super) async fn resolve(
    InEnvironment(at): InEnvironment<need::Read>,
    vault: Data<Vault>,
    request: HttpRequest,
    query: Query,
) -> Result<HttpResponse, ApiError> {
    let ids = subject_ids(at.caller(), request.headers(), &query)?;
    let (reveal, explain) = (query.flag("reveal")?, query.flag("explain")?);
    let form = Form::of(&query)?;
    let tags = precondition(request.headers())?.if_none_match;
    let context = vault.context(&at, &ids, reveal).await?;
    let tag = vault.context_tag(&context, &format!("{form:?} {reveal} {explain}"));
    let head = Head::of(&context);
    let quoted = format!("\"{tag}\"");
    if tags.is_some_and(|tags| tags.match_weakly(Some(&tag))) {
        return Ok(HttpResponse::build(StatusCode::NOT_MODIFIED).insert_header((ETAG, quoted)).finish());
    }
    let variables =
        if reveal { vault.reveal_context(&at, context).await? } else { context.redacted().collect() };
    let mut response = HttpResponse::Ok();
    response.insert_header((ETAG, quoted));
    Ok(match form {
        Form::Json => {
            let variables = variables
                .iter()
                .map(|(resolved, hidden)| VariableBody::of(resolved, explain.then_some(hidden)));
            response.json(ContextBody { head, variables: variables.collect() })
        }
        Form::Dotenv => response.content_type("text/plain; charset=utf-8").body(dotenv_of(&variables)?),
    })
}

/// How a context is written.
#[derive(Debug, Clone, Copy)]
enum Form {
    Json,
    Dotenv,
}

impl Form {
    fn of(query: &Query) -> Result<Form, ApiError> {
        match query.filter("format")? {
            None | Some("json") => Ok(Form::Json),
            Some("dotenv") => Ok(Form::Dotenv),
            Some(_) => Err(ApiError::invalid_request("format must be json or dotenv")),
        }
    }
}

fn dotenv_of(variables: &[(ResolvedValue, Vec<Shadowed>)]) -> Result<String, ApiError> {
    let entries = variables.iter().map(|(resolved, _)| {
        let entry = match &resolved.shown {
            ShownContent::Redacted => dotenv::Entry::Redacted,
            shown => dotenv::Entry::Value(shown.text()),
        };
        (resolved.definition.name.as_str(), entry)
    });
    let text =
        dotenv::write(entries).map_err(|collision| ApiError::invalid_request(collision.to_string()))?;
    Ok(text.as_str().to_owned())
}

/// What of a context stands beside its variables.
#[derive(Serialize)]
struct Head {
    environment: Text<Environment>,
    #[serde(skip_serializing_if = "Option::is_none")]
    linked_account_id: Option<Text<AccountId>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    workflow_id: Option<Text<WorkflowId>>,
    missing: Vec<MissingBody>,
}

impl Head {
    fn of(context: &Context) -> Head {
        Head {
            environment: Text(context.environment.clone()),
            linked_account_id: context.account.clone().map(Text),
            workflow_id: context.workflow.clone().map(Text),
            missing: context.missing.iter().map(MissingBody::from).collect(),
        }
    }
}

#[derive(Serialize)]
struct ContextBody<'a> {
    #[serde(flatten)]
    head: Head,
    variables: Vec<VariableBody<'a>>,
}

#[derive(Serialize)]
struct VariableBody<'a> {
    name: Text<&'a Name>,
    value: &'a str,
    scope: Text<Scope>,
    encrypted: bool,
    variable_definition_id: Text<Id>,
    version: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    shadowed: Option<Vec<ShadowedBody>>,
}

impl<'a> VariableBody<'a> {
    fn of(resolved: &'a ResolvedValue, shadowed: Option<&Vec<Shadowed>>) -> VariableBody<'a> {
        VariableBody {
            name: Text(&resolved.definition.name),
            value: resolved.shown.text(),
            scope: Text(resolved.definition.scope),
            encrypted: resolved.encrypted,
            variable_definition_id: Text(resolved.definition.id),
            version: resolved.version,
            shadowed: shadowed.map(|hidden| hidden.iter().map(ShadowedBody::from).collect()),
        }
    }
}

#[derive(Serialize)]
struct ShadowedBody {
    scope: Text<Scope>,
    variable_definition_id: Text<Id>,
    version: u64,
}

impl From<&Shadowed> for ShadowedBody {
    fn from(hidden: &Shadowed) -> ShadowedBody {
        ShadowedBody {
            scope: Text(hidden.scope),
            variable_definition_id: Text(hidden.definition),
            version: hidden.version,
        }
    }
}

#[derive(Serialize)]
struct MissingBody {
    name: Text<Name>,
    scope: Text<Scope>,
    required: bool,
    variable_definition_id: Text<Id>,
}

impl From<&Definition> for MissingBody {
    fn from(definition: &Definition) -> MissingBody {
        MissingBody {
            name: Text(definition.name.clone()),
            scope: Text(definition.scope),
            required: definition.required,
            variable_definition_id: Text(definition.id),
        }
    }
}

/// `POST /env/render`
pub(super) async fn render(
    InEnvironment(at): InEnvironment<need::Read>,
    vault: Data<Vault>,
    request: HttpRequest,
    query: Query,
    body: Body,
) -> Result<HttpResponse, ApiError> {
    let mut ids = subject_ids(at.caller(), request.headers(), &query)?;
    // Twice the template: JSON may escape each of its characters to two.
    let mut fields = body.fields_within(RENDER_BODY_BYTES).await?;
    let template = fields.required_text("template")?;
    name_ids(&mut ids, &mut fields)?;
    let reveal = fields.boolean("reveal")?.unwrap_or(false);
    let rendered = vault.render(&at, &template, &ids, reveal).await?;
    let references = rendered.references.iter().map(ReferenceBody::from).collect();
    Ok(HttpResponse::Ok().json(RenderedBody { rendered: &rendered.text, references }))
}

/// The most bytes of a template's body.
const RENDER_BODY_BYTES: usize = 2 * crate::vault::MAX_TEMPLATE_BYTES + 8192;

#[derive(Serialize)]
struct RenderedBody<'a> {
    rendered: &'a str,
    references: Vec<ReferenceBody<'a>>,
}

#[derive(Serialize)]
struct ReferenceBody<'a> {
    name: Text<&'a Name>,
    scope: Text<Scope>,
    variable_definition_id: Text<Id>,
    version: u64,
}

impl<'a> From<&'a Reference> for ReferenceBody<'a> {
    fn from(reference: &'a Reference) -> ReferenceBody<'a> {
        ReferenceBody {
            name: Text(&reference.name),
            scope: Text(reference.scope),
            variable_definition_id: Text(reference.definition),
            version: reference.version,
        }
    }
}

/// `POST /env/import`
pub(super) async fn import(
    InEnvironment(at): InEnvironment<need::Import>,
    vault: Data<Vault>,
    request: HttpRequest,
    query: Query,
    body: Body,
) -> Result<HttpResponse, ApiError> {
    let mut ids = subject_ids(at.caller(), request.headers(), &query)?;
    // Before so much is read for somebody who may not do it.
    at.caller().permit()?;
    let mut fields = body.fields_within(IMPORT_BODY_BYTES).await?;
    name_ids(&mut ids, &mut fields)?;
    let import = Import {
        scope: fields.required("scope")?,
        ids,
        create: fields.boolean("create")?.unwrap_or(false),
        encrypted: fields.boolean("encrypted")?.unwrap_or(false),
        dry_run: fields.boolean("dry_run")?.unwrap_or(false),
        variables: variables(fields.objects("variables")?)?,
    };
    let imported = vault.import(&at, &import).await?;
    Ok(HttpResponse::Ok().json(ImportedBody::of(&imported, import.dry_run)))
}

/// The most bytes of an import's body.
const IMPORT_BODY_BYTES: usize = 16 << 20;

fn variables(listed: Vec<Fields>) -> Result<BTreeMap<Name, Plaintext>, ApiError> {
    let mut variables = BTreeMap::new();
    for mut fields in listed {
        let name: Name = fields.required("name")?;
        let value = fields.required_text("value")?.into();
        if variables.contains_key(&name) {
            return Err(ApiError::invalid_request(format!("variables has {name} twice")));
        }
        variables.insert(name, value);
    }
    Ok(variables)
}

#[derive(Serialize)]
struct ImportedBody<'a> {
    status: &'static str,
    dry_run: bool,
    added: Vec<Text<&'a Name>>,
    changed: Vec<Text<&'a Name>>,
    left: Vec<Text<&'a Name>>,
    created: Vec<Text<&'a Name>>,
}

impl<'a> ImportedBody<'a> {
    fn of(imported: &'a Imported, dry_run: bool) -> ImportedBody<'a> {
        let names = |names: &'a [Name]| names.iter().map(Text).collect();
        ImportedBody {
            status: "success",
            dry_run,
            added: names(&imported.added),
            changed: names(&imported.changed),
            left: names(&imported.left),
            created: names(&imported.created),
        }
    }
}
