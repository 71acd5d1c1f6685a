//! A definition: the form that makes or changes one, and its end.

use std::str::FromStr;

use actix_web::http::StatusCode;
use actix_web::web::{Data, Path};
use actix_web::{HttpResponse, ResponseError};
use askama::Template;

use crate::http::console::form::{Form, Problem};
use crate::http::console::frame::{Frame, page as draw, see, with_notice};
use crate::http::console::place::scope_name;
use crate::http::console::show;
use crate::http::console::visit::{Change, Visit};
use crate::http::error::ApiError;
use crate::model::{Definition, Invalid};
use crate::vault::{self, DefinitionPatch, Error, NewDefinition, Vault, need};

/// What the form holds.
#[derive(Default)]
struct Fields {
    name: String,
    description: String,
    scope: String,
    format: String,
    encrypted: bool,
    required: bool,
}

impl Fields {
    fn of(form: &Form) -> Result<Fields, ApiError> {
        Ok(Fields {
            name: form.trimmed("name")?.into(),
            description: form.lines("description")?.trim().to_owned(),
            scope: form.text("scope")?.into(),
            format: form.text("format")?.into(),
            encrypted: form.is_ticked("encrypted")?,
            required: form.is_ticked("required")?,
        })
    }
}

impl From<&Definition> for Fields {
    fn from(definition: &Definition) -> Fields {
        Fields {
            name: definition.name.to_string(),
            description: definition.description.as_str().into(),
            scope: definition.scope.to_string(),
            format: definition.format.to_string(),
            encrypted: definition.encrypted,
            required: definition.required,
        }
    }
}

#[derive(Template)]
#[template(path = "definition.html")]
struct Page {
    frame: Frame,
    fields: Fields,
    problem: Option<Problem>,
    /// The one that is changed; none: a new one.
    definition: Option<Definition>,
    values: u64,
}

impl Page {
    fn action(&self) -> String {
        match &self.definition {
            Some(definition) => self.frame.to(&format!("definitions/{}", definition.id)),
            None => self.frame.to("definitions/new"),
        }
    }

    fn deletion(&self) -> String {
        self.definition.as_ref().map_or_else(String::new, |definition| {
            self.frame.to(&format!("definitions/{}/delete", definition.id))
        })
    }

    fn variable(&self) -> String {
        self.definition
            .as_ref()
            .map_or_else(String::new, |definition| self.frame.to(&format!("variables/{}", definition.id)))
    }

    fn problem_of(&self, field: &str) -> Option<&str> {
        Problem::at(&self.problem, field)
    }

    fn scope_name(&self) -> &'static str {
        self.definition.as_ref().map_or("", |definition| scope_name(definition.scope))
    }

    fn is_encrypted(&self) -> bool {
        self.definition.as_ref().is_some_and(|definition| definition.encrypted)
    }

    fn values_text(&self) -> String {
        show::count(self.values, "value", "values")
    }

    fn scopes(&self) -> [(&'static str, &'static str, &'static str); 4] {
        [
            ("org", "Organization", "one value in each environment, for every program"),
            ("workspace", "Workspace", "one value in each environment; comes before the organization's"),
            ("linked_account", "Linked account", "a value for each customer"),
            ("workflow", "Workflow", "a value for each workflow; comes before all others"),
        ]
    }

    fn formats(&self) -> [(&'static str, &'static str); 3] {
        [
            ("string", "any text"),
            ("number", "a number, as JSON writes it"),
            ("url", "an address with scheme and host"),
        ]
    }
}

/// `GET /console/definitions/new`
pub(super) async fn new(visit: Visit<need::Manage>) -> Result<HttpResponse, ApiError> {
    let scope = visit.query.filter("scope")?.unwrap_or("org").to_owned();
    let name = visit.query.filter("name")?.unwrap_or_default().to_owned();
    let fields = Fields { scope, name, format: "string".into(), ..Fields::default() };
    let mut frame = visit.frame;
    frame.all_at_once = true;
    draw(StatusCode::OK, &Page { frame, fields, problem: None, definition: None, values: 0 })
}

/// `POST /console/definitions/new`
pub(super) async fn create(
    Change { visit, form }: Change<need::Manage>,
    vault: Data<Vault>,
) -> Result<HttpResponse, ApiError> {
    let fields = Fields::of(&form)?;
    let made = match read(&fields) {
        Ok(new) => vault.create_definition(visit.at.caller(), new).await,
        Err(problem) => return refused(visit.frame, fields, problem, None, 0, StatusCode::BAD_REQUEST),
    };
    match made {
        Ok(definition) => {
            let path = visit.frame.to(&format!("variables/{}", definition.id));
            Ok(see(&with_notice(&path, "created")))
        }
        Err(error) => match duplicate(&error) {
            Some(problem) => refused(visit.frame, fields, problem, None, 0, StatusCode::CONFLICT),
            None => Err(error.into()),
        },
    }
}

fn read(fields: &Fields) -> Result<NewDefinition, Problem> {
    Ok(NewDefinition {
        name: field("name", &fields.name)?,
        description: field("description", &fields.description)?,
        scope: field("scope", &fields.scope)?,
        format: field("format", &fields.format)?,
        encrypted: fields.encrypted,
        required: fields.required,
    })
}

fn field<T: FromStr<Err = Invalid>>(field: &'static str, text: &str) -> Result<T, Problem> {
    text.parse().map_err(|invalid: Invalid| Problem { field, message: format!("It {}.", invalid.expected) })
}

fn duplicate(error: &Error) -> Option<Problem> {
    matches!(error, Error::DuplicateDefinition(_)).then(|| Problem {
        field: "name",
        message: "There is a variable of this name in this scope. Choose another name, or another scope."
            .into(),
    })
}

fn refused(
    mut frame: Frame,
    fields: Fields,
    problem: Problem,
    definition: Option<Definition>,
    values: u64,
    status: StatusCode,
) -> Result<HttpResponse, ApiError> {
    frame.all_at_once = true;
    draw(status, &Page { frame, fields, problem: Some(problem), definition, values })
}

/// `GET /console/definitions/{id}`
pub(super) async fn edit(
    visit: Visit<need::ReadAll>,
    vault: Data<Vault>,
    id: Path<String>,
) -> Result<HttpResponse, ApiError> {
    let (definition, values) = found(&visit, &vault, &id).await?;
    let mut frame = visit.frame;
    frame.all_at_once = true;
    let fields = Fields::from(&definition);
    draw(StatusCode::OK, &Page { frame, fields, problem: None, definition: Some(definition), values })
}

async fn found<N: vault::Need>(
    visit: &Visit<N>,
    vault: &Vault,
    id: &str,
) -> Result<(Definition, u64), ApiError> {
    let reader = visit.acting::<need::Read>().await?;
    let definition = vault.get_definition(reader.caller(), id.parse().ok()).await?;
    let counter = visit.acting::<need::ReadAll>().await?;
    let values = vault.count_values(counter.caller(), definition.id).await?;
    Ok((definition, values))
}

/// `POST /console/definitions/{id}`
pub(super) async fn change(
    Change { visit, form }: Change<need::Manage>,
    vault: Data<Vault>,
    id: Path<String>,
) -> Result<HttpResponse, ApiError> {
    let (definition, values) = found(&visit, &vault, &id).await?;
    // The scope cannot change, and what is encrypted stays so: neither is in the form then.
    let mut fields = Fields::of(&form)?;
    fields.scope = definition.scope.to_string();
    fields.encrypted |= definition.encrypted;
    let new = match read(&fields) {
        Ok(new) => new,
        Err(problem) => {
            return refused(visit.frame, fields, problem, Some(definition), values, StatusCode::BAD_REQUEST);
        }
    };
    let format_changes = new.format != definition.format;
    let patch = DefinitionPatch {
        name: Some(new.name),
        description: Some(new.description),
        format: Some(new.format),
        encrypted: Some(new.encrypted),
        required: Some(new.required),
        scope: None,
    };
    let error = match vault.patch_definition(visit.at.caller(), Some(definition.id), &patch).await {
        Ok(changed) => {
            let word = if changed == definition { "unchanged" } else { "changed" };
            let path = visit.frame.to(&format!("variables/{}", definition.id));
            return Ok(see(&with_notice(&path, word)));
        }
        Err(error) => error,
    };
    let problem = match (&error, duplicate(&error)) {
        (_, Some(problem)) => problem,
        (Error::InvalidRequest(message), _) if format_changes => Problem {
            field: "format",
            message: format!("{message}: change or delete what does not fit first."),
        },
        (Error::Forbidden(message), _) => {
            Problem { field: "encrypted", message: format!("Not with this key: {message}.") }
        }
        _ => return Err(error.into()),
    };
    let status = ApiError::from(error).status_code();
    refused(visit.frame, fields, problem, Some(definition), values, status)
}

#[derive(Template)]
#[template(path = "delete_definition.html")]
struct Deletion {
    frame: Frame,
    definition: Definition,
    values: u64,
    problem: Option<String>,
}

impl Deletion {
    fn values_text(&self) -> String {
        show::count(self.values, "value", "values")
    }

    fn action(&self) -> String {
        self.frame.to(&format!("definitions/{}/delete", self.definition.id))
    }

    fn back(&self) -> String {
        self.frame.to(&format!("definitions/{}", self.definition.id))
    }
}

/// `GET /console/definitions/{id}/delete`
pub(super) async fn confirm_deletion(
    visit: Visit<need::Manage>,
    vault: Data<Vault>,
    id: Path<String>,
) -> Result<HttpResponse, ApiError> {
    let (definition, values) = found(&visit, &vault, &id).await?;
    deletion(visit.frame, definition, values, None, StatusCode::OK)
}

fn deletion(
    mut frame: Frame,
    definition: Definition,
    values: u64,
    problem: Option<String>,
    status: StatusCode,
) -> Result<HttpResponse, ApiError> {
    frame.all_at_once = true;
    draw(status, &Deletion { frame, definition, values, problem })
}

/// `POST /console/definitions/{id}/delete`: with its values only where that was ticked.
pub(super) async fn delete(
    Change { visit, form }: Change<need::Manage>,
    vault: Data<Vault>,
    id: Path<String>,
) -> Result<HttpResponse, ApiError> {
    let (definition, values) = found(&visit, &vault, &id).await?;
    let force = form.is_ticked("force")?;
    let why = match vault.delete_definition(visit.at.caller(), Some(definition.id), force).await {
        Ok(_) => {
            let path = visit.frame.to(&format!("variables?scope={}", definition.scope));
            return Ok(see(&with_notice(&path, "definition-deleted")));
        }
        Err(Error::DefinitionInUse(count)) => {
            let values = show::count(count, "value", "values");
            format!("It still has {values}: tick that they go too, or keep it.")
        }
        Err(Error::Forbidden(message)) => format!("Not with this key: {message}."),
        Err(error) => return Err(error.into()),
    };
    deletion(visit.frame, definition, values, Some(why), StatusCode::CONFLICT)
}
