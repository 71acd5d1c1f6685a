//! API keys: made, shown once, listed, revoked.

use std::time::Duration;

use actix_web::http::StatusCode;
use actix_web::web::{Data, Path};
use actix_web::{HttpResponse, ResponseError};
use askama::Template;

use crate::http::console::form::Problem;
use crate::http::console::frame::{Frame, page as draw, see, with_notice};
use crate::http::console::show::{Moment, reach_name};
use crate::http::console::visit::{Change, Visit};
use crate::http::error::ApiError;
use crate::model::{ApiKey, Id, Permission, Permissions, Reach};
use crate::vault::{
    ApiKeySecret, CallerIn, Error, KeyField, ListedApiKey, NewApiKey, PageRequest, Vault, need,
};

/// How many keys a page has.
const PER_PAGE: u32 = 100;
const DAY: u64 = 24 * 60 * 60;

struct Row {
    id: Id,
    name: String,
    reach: String,
    permissions: Vec<&'static str>,
    made: Moment,
    used: Option<Moment>,
    ends: Option<Moment>,
    is_own: bool,
    revoke: String,
}

impl Row {
    fn new(frame: &Frame, listed: ListedApiKey, own: Option<Id>) -> Row {
        let ListedApiKey { key, last_used_at } = listed;
        Row {
            id: key.id,
            reach: reach_name(&key.reach),
            permissions: key.permissions.iter().map(Permission::as_str).collect(),
            made: key.created_at.into(),
            used: last_used_at.map(Moment::from),
            ends: key.expires_at.map(Moment::from),
            is_own: own == Some(key.id),
            revoke: frame.to(&format!("keys/{}/revoke", key.id)),
            name: key.name,
        }
    }
}

/// What the form holds.
struct Fields {
    name: String,
    environment: String,
    permissions: Vec<String>,
    days: String,
}

/// A key that was made just now: this once.
struct Made {
    key: ApiKey,
    secret: ApiKeySecret,
}

#[derive(Template)]
#[template(path = "keys.html")]
struct Page {
    frame: Frame,
    rows: Vec<Row>,
    next: Option<String>,
    environments: Vec<(String, String)>,
    fields: Fields,
    problem: Option<Problem>,
    made: Option<Made>,
}

impl Page {
    fn problem_of(&self, field: &str) -> Option<&str> {
        Problem::at(&self.problem, field)
    }

    fn permissions(&self) -> [(&'static str, &'static str); 5] {
        [
            ("read", "see definitions, accounts and values; encrypted ones as [REDACTED]"),
            ("write", "set and delete values"),
            ("manage", "change definitions and linked accounts, issue session tokens"),
            ("reveal", "with read: see encrypted values in plain text"),
            ("admin", "make and revoke keys, read the audit trail"),
        ]
    }

    fn is_ticked(&self, permission: &str) -> bool {
        self.fields.permissions.iter().any(|ticked| ticked == permission)
    }

    fn is_chosen(&self, environment: &str) -> bool {
        self.fields.environment == environment
    }

    fn action(&self) -> String {
        self.frame.to("keys")
    }
}

/// `GET /console/keys`
pub(super) async fn page(visit: Visit<need::Admin>, vault: Data<Vault>) -> Result<HttpResponse, ApiError> {
    let fields = Fields {
        name: String::new(),
        environment: visit.at.environment().to_string(),
        permissions: vec!["read".into(), "write".into()],
        days: String::new(),
    };
    shown(visit, &vault, fields, None, None, StatusCode::OK).await
}

async fn shown(
    visit: Visit<need::Admin>,
    vault: &Vault,
    fields: Fields,
    problem: Option<Problem>,
    made: Option<Made>,
    status: StatusCode,
) -> Result<HttpResponse, ApiError> {
    let limit = PER_PAGE.to_string();
    let request = PageRequest::parse(visit.query.filter("page")?, Some(&limit))?;
    let listed = vault.list_api_keys(visit.at.caller(), request).await?;
    let has_more = listed.page * listed.limit < listed.total;
    let next = has_more.then(|| visit.frame.to(&format!("keys?page={}", listed.page + 1)));
    let own = own(&visit.at);
    let rows = listed.docs.into_iter().map(|key| Row::new(&visit.frame, key, own)).collect();
    let mut environments: Vec<(String, String)> =
        visit.environments.iter().map(|one| (one.to_string(), format!("Only {one}"))).collect();
    if *visit.at.caller().reach() == Reach::All {
        environments.push(("all".into(), "Every environment, also later ones".into()));
    }
    let mut frame = visit.frame;
    frame.all_at_once = true;
    draw(status, &Page { frame, rows, next, environments, fields, problem, made })
}

fn own(at: &CallerIn<need::Admin>) -> Option<Id> {
    at.caller().credential_id()
}

/// `POST /console/keys`
pub(super) async fn create(
    Change { visit, form }: Change<need::Admin>,
    vault: Data<Vault>,
) -> Result<HttpResponse, ApiError> {
    let fields = Fields {
        name: form.trimmed("name")?.into(),
        environment: form.text("reach")?.into(),
        permissions: form.texts("permissions")?.into_iter().map(str::to_owned).collect(),
        days: form.trimmed("days")?.into(),
    };
    let new = match read(&fields) {
        Ok(new) => new,
        Err(problem) => {
            return shown(visit, &vault, fields, Some(problem), None, StatusCode::BAD_REQUEST).await;
        }
    };
    match vault.issue_api_key(visit.at.caller(), new).await {
        Ok((key, secret)) => {
            let fields = Fields { name: String::new(), days: String::new(), ..fields };
            shown(visit, &vault, fields, None, Some(Made { key, secret }), StatusCode::CREATED).await
        }
        Err(error @ (Error::InvalidKey(field, _) | Error::KeyBeyondYours(field))) => {
            let problem = Problem::new(name_of(field), format!("{error}."));
            let status = ApiError::from(error).status_code();
            shown(visit, &vault, fields, Some(problem), None, status).await
        }
        Err(error) => Err(error.into()),
    }
}

/// What a field is called in the form.
fn name_of(field: KeyField) -> &'static str {
    match field {
        KeyField::Reach => "reach",
        KeyField::Permissions => "permissions",
        KeyField::Name => "name",
        KeyField::Lifetime => "days",
    }
}

fn read(fields: &Fields) -> Result<NewApiKey, Problem> {
    let reach =
        fields.environment.parse::<Reach>().map_err(|_| Problem::new("reach", "Choose an environment."))?;
    let permissions: Result<Permissions, _> =
        fields.permissions.iter().map(|name| name.parse::<Permission>()).collect();
    let permissions = permissions.map_err(|_| Problem::new("permissions", "Tick some of these."))?;
    if permissions == Permissions::NONE {
        return Err(Problem::new("permissions", "Tick at least one: a key that may do nothing is no use."));
    }
    let lifetime = match fields.days.as_str() {
        "" => None,
        days => {
            let days = days.parse::<u64>().ok().filter(|days| (1..=36_500).contains(days));
            let days = days
                .ok_or_else(|| Problem::new("days", "Write a number of days from 1 to 36500, or nothing."))?;
            Some(Duration::from_secs(days * DAY))
        }
    };
    Ok(NewApiKey { reach, permissions, name: fields.name.clone(), lifetime })
}

#[derive(Template)]
#[template(path = "revoke_key.html")]
struct Revocation {
    frame: Frame,
    row: Row,
}

/// `GET /console/keys/{id}/revoke`
pub(super) async fn confirm_revocation(
    visit: Visit<need::Admin>,
    vault: Data<Vault>,
    id: Path<String>,
) -> Result<HttpResponse, ApiError> {
    let found = vault.get_api_key(visit.at.caller(), id.parse().ok()).await?;
    let row = Row::new(&visit.frame, found, own(&visit.at));
    let mut frame = visit.frame;
    frame.all_at_once = true;
    draw(StatusCode::OK, &Revocation { frame, row })
}

/// `POST /console/keys/{id}/revoke`
pub(super) async fn revoke(
    Change { visit, .. }: Change<need::Admin>,
    vault: Data<Vault>,
    id: Path<String>,
) -> Result<HttpResponse, ApiError> {
    vault.withdraw_api_key(visit.at.caller(), id.parse().ok()).await?;
    // Whoever revoked its own key is signed out by that.
    Ok(see(&with_notice(&visit.frame.to("keys"), "revoked")))
}
