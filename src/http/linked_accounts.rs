//! `/linked-account`: an organization's end customers.

use actix_web::http::header::HeaderMap;
use actix_web::web::{Data, Path};
use actix_web::{HttpRequest, HttpResponse};
use serde::Serialize;

use crate::http::auth::{InEnvironment, subject_ids};
use crate::http::body::{Body, Fields};
use crate::http::error::ApiError;
use crate::http::query::Query;
use crate::http::shape::{PageBody, Text};
use crate::http::values::DoneBody;
use crate::model::{AccountId, Environment, Id, Timestamp};
use crate::vault::{AccountChange, AccountFilter, CallerIn, NamedAccount, Need, SubjectIds, Vault, need};

/// `POST /linked-account`
pub(super) async fn create(
    InEnvironment(at): InEnvironment<need::Manage>,
    vault: Data<Vault>,
    request: HttpRequest,
    query: Query,
    body: Body,
) -> Result<HttpResponse, ApiError> {
    let ids = subject_ids(at.caller(), request.headers(), &query)?;
    let (ids, change) = read(ids, body.fields().await?)?;
    let account = vault.create_account(&at, &ids, &change).await?;
    Ok(HttpResponse::Ok().json(AccountBody::from(account)))
}

/// `PUT /linked-account`
pub(super) async fn upsert(
    InEnvironment(at): InEnvironment<need::ManageOwn>,
    vault: Data<Vault>,
    request: HttpRequest,
    query: Query,
    body: Body,
) -> Result<HttpResponse, ApiError> {
    let ids = subject_ids(at.caller(), request.headers(), &query)?;
    let (ids, change) = read(ids, body.fields().await?)?;
    let changed = vault.upsert_account(&at, &ids, &change).await?;
    let body = UpsertBody { new_account: changed.is_new, account: changed.account.into() };
    Ok(HttpResponse::Ok().json(body))
}

fn read(mut ids: SubjectIds, fields: Fields) -> Result<(SubjectIds, AccountChange), ApiError> {
    let mut fields = fields.nested("payload")?;
    for field in ["account_id", "linked_account_id"] {
        if let Some(account) = fields.text(field)? {
            ids.name_account(account.as_bytes())?;
        }
    }
    Ok((ids, AccountChange { name: fields.text("name")?, udf: fields.text_map("udf")? }))
}

/// `GET /linked-account`
pub(super) async fn list(
    InEnvironment(at): InEnvironment<need::ReadAll>,
    vault: Data<Vault>,
    query: Query,
) -> Result<HttpResponse, ApiError> {
    let page = query.page()?;
    // An empty value is one to look for; an empty name is none.
    let (name, value) = (query.filter("env_variable_name")?, query.text("env_variable_value")?);
    let filter = AccountFilter::parse(name, value)?;
    let page = vault.list_accounts(&at, &filter, page).await?;
    Ok(HttpResponse::Ok().json(PageBody::of(page, WithIntegrations::from)))
}

/// `GET /linked-account/{linked_account_id}`
pub(super) async fn get(
    InEnvironment(at): InEnvironment<need::Read>,
    vault: Data<Vault>,
    request: HttpRequest,
    account: Path<String>,
    query: Query,
) -> Result<HttpResponse, ApiError> {
    let account = of_path(&at, request.headers(), &query, &account)?;
    let account = vault.get_account(&at, account).await?;
    Ok(HttpResponse::Ok().json(WithIntegrations::from(account)))
}

/// `DELETE /linked-account/{linked_account_id}`
pub(super) async fn delete(
    InEnvironment(at): InEnvironment<need::Manage>,
    vault: Data<Vault>,
    request: HttpRequest,
    account: Path<String>,
    query: Query,
) -> Result<HttpResponse, ApiError> {
    let account = of_path(&at, request.headers(), &query, &account)?;
    let account = vault.delete_account(&at, account).await?;
    Ok(HttpResponse::Ok().json(DoneBody {
        status: "success",
        message: format!("Linked account \"{account}\" deleted successfully"),
    }))
}

/// `GET /session/active-linked-account`
pub(super) async fn active(
    InEnvironment(at): InEnvironment<need::Session>,
    vault: Data<Vault>,
) -> Result<HttpResponse, ApiError> {
    Ok(HttpResponse::Ok().json(WithIntegrations::from(vault.active_account(&at).await?)))
}

/// The account in the path, which head and query must not contradict; `None` where it is malformed, which is
/// an account that is not there.
fn of_path<N: Need>(
    at: &CallerIn<N>,
    headers: &HeaderMap,
    query: &Query,
    account: &str,
) -> Result<Option<AccountId>, ApiError> {
    let mut ids = subject_ids(at.caller(), headers, query)?;
    ids.name_account(account.as_bytes())?;
    if account.parse::<AccountId>().is_err() {
        return Ok(None);
    }
    Ok(ids.account()?)
}

#[derive(Serialize)]
struct AccountBody {
    _id: Text<Id>,
    associated_org: Text<Id>,
    account_id: Text<AccountId>,
    name: String,
    environment: Text<Environment>,
    udf: Vec<UserDefinedField>,
    #[serde(rename = "createdAt")]
    created_at: Text<Timestamp>,
    #[serde(rename = "updatedAt")]
    updated_at: Text<Timestamp>,
}

#[derive(Serialize)]
struct UserDefinedField {
    key_name: String,
    key_value: String,
}

#[derive(Serialize)]
struct UpsertBody {
    new_account: bool,
    #[serde(flatten)]
    account: AccountBody,
}

/// An account as it is read. What the field is for, the service does not have; clients expect it.
#[derive(Serialize)]
struct WithIntegrations {
    #[serde(flatten)]
    account: AccountBody,
    integrations: [(); 0],
}

impl From<NamedAccount> for AccountBody {
    fn from(named: NamedAccount) -> AccountBody {
        let NamedAccount { org, environment, account_id, account } = named;
        AccountBody {
            _id: Text(account.id),
            associated_org: Text(org),
            account_id: Text(account_id),
            name: account.name,
            environment: Text(environment),
            udf: account
                .udf
                .into_iter()
                .map(|(key_name, key_value)| UserDefinedField { key_name, key_value })
                .collect(),
            created_at: Text(account.created_at),
            updated_at: Text(account.updated_at),
        }
    }
}

impl From<NamedAccount> for WithIntegrations {
    fn from(named: NamedAccount) -> WithIntegrations {
        WithIntegrations { account: named.into(), integrations: [] }
    }
}
