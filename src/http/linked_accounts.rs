//! `/linked-account`: an organization's end customers.

use actix_web::web::Data;
use actix_web::{HttpRequest, HttpResponse};
use percent_encoding::percent_decode;
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

fn read(mut ids: SubjectIds, mut fields: Fields) -> Result<(SubjectIds, AccountChange), ApiError> {
    let outer = accounts_named(&mut fields)?;
    // Also where the payload wins: a token names no other account anywhere.
    for account in &outer {
        ids.admit_account(account.as_bytes())?;
    }
    let mut fields = fields.nested("payload")?;
    let inner = accounts_named(&mut fields)?;
    for account in if inner.is_empty() { outer } else { inner } {
        ids.name_account(account.as_bytes())?;
    }
    Ok((ids, AccountChange { name: fields.text("name")?, udf: fields.text_map("udf")? }))
}

/// Takes the account's id out of `fields`, under either name.
fn accounts_named(fields: &mut Fields) -> Result<Vec<String>, ApiError> {
    let named = ["account_id", "linked_account_id"].map(|field| fields.text(field).transpose());
    named.into_iter().flatten().collect()
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
    query: Query,
) -> Result<HttpResponse, ApiError> {
    let account = of_path(&at, &request, &query)?;
    let account = vault.get_account(&at, account).await?;
    Ok(HttpResponse::Ok().json(WithIntegrations::from(account)))
}

/// `DELETE /linked-account/{linked_account_id}`
pub(super) async fn delete(
    InEnvironment(at): InEnvironment<need::Manage>,
    vault: Data<Vault>,
    request: HttpRequest,
    query: Query,
) -> Result<HttpResponse, ApiError> {
    let account = of_path(&at, &request, &query)?;
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
    request: &HttpRequest,
    query: &Query,
) -> Result<Option<AccountId>, ApiError> {
    // Not as the framework decodes it: it makes U+FFFD of what is not UTF-8, and that may be another account.
    let segment = request.uri().path().rsplit('/').next().unwrap_or_default();
    let account: Vec<u8> = percent_decode(segment.as_bytes()).collect();
    let mut ids = subject_ids(at.caller(), request.headers(), query)?;
    ids.name_account(&account)?;
    match std::str::from_utf8(&account).map(str::parse::<AccountId>) {
        Ok(Ok(_)) => Ok(ids.account()?),
        _ => Ok(None),
    }
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
