//! From a request's head to a caller. Which kind a handler needs stands in its signature.

use std::future::Future;
use std::pin::Pin;

use actix_web::dev::Payload;
use actix_web::http::header::{AUTHORIZATION, HeaderMap, HeaderName};
use actix_web::web::Data;
use actix_web::{FromRequest, HttpRequest};

use crate::http::error::{ApiError, Code};
use crate::http::limits;
use crate::http::query::Query;
use crate::vault::{self, Caller, CallerIn, NamedEnvironment, Precondition, SubjectIds, Tags, Vault};

pub(super) const API_KEY: HeaderName = HeaderName::from_static("x-api-key");
const ENVIRONMENT: HeaderName = HeaderName::from_static("environment");
/// Some proxies drop header names with underscores, so there are two spellings.
const LINKED_ACCOUNT_ID: [HeaderName; 2] =
    [HeaderName::from_static("linked_account_id"), HeaderName::from_static("linked-account-id")];

type Extracting<T> = Pin<Box<dyn Future<Output = Result<T, ApiError>>>>;

/// Whoever has shown a valid credential.
pub(super) struct Authenticated(pub(super) Caller);

/// A caller at a resource that lives in an environment, which it has named where its credential opens
/// several.
pub(super) struct InEnvironment(pub(super) CallerIn);

/// A caller at a resource that belongs to the organization: it need not name an environment, but one that
/// it names must be open to it.
pub(super) struct Anywhere(pub(super) Caller);

impl FromRequest for Authenticated {
    type Error = ApiError;
    type Future = Extracting<Authenticated>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        let request = request.clone();
        Box::pin(async move { authenticate(&request).await.map(Authenticated) })
    }
}

impl FromRequest for InEnvironment {
    type Error = ApiError;
    type Future = Extracting<InEnvironment>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        let request = request.clone();
        Box::pin(async move {
            let caller = authenticate(&request).await?;
            let query = Query::of(&request);
            let entered = vault(&request)?.enter(caller, named_environment(&request, &query)?).await?;
            Ok(InEnvironment(entered))
        })
    }
}

impl FromRequest for Anywhere {
    type Error = ApiError;
    type Future = Extracting<Anywhere>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        let request = request.clone();
        Box::pin(async move {
            let caller = authenticate(&request).await?;
            let query = Query::of(&request);
            vault(&request)?.named_environment(&caller, named_environment(&request, &query)?).await?;
            Ok(Anywhere(caller))
        })
    }
}

fn vault(request: &HttpRequest) -> Result<&Vault, ApiError> {
    let data = request.app_data::<Data<Vault>>();
    data.map(|data| data.get_ref()).ok_or_else(|| ApiError::new(Code::InternalError, "internal error"))
}

async fn authenticate(request: &HttpRequest) -> Result<Caller, ApiError> {
    limits::settle(request, check_credential(request).await)
}

async fn check_credential(request: &HttpRequest) -> Result<Caller, ApiError> {
    let mut keys = request.headers().get_all(API_KEY);
    match (keys.next(), keys.next()) {
        (Some(key), None) => {
            let key = key.to_str().map_err(|_| vault::Error::InvalidCredentials)?;
            Ok(vault(request)?.authenticate(key).await?)
        }
        (None, _) if request.headers().contains_key(AUTHORIZATION) => {
            Err(ApiError::new(Code::InvalidToken, "Invalid token"))
        }
        _ => Err(vault::Error::InvalidCredentials.into()),
    }
}

fn named_environment<'a>(
    request: &'a HttpRequest,
    query: &'a Query,
) -> Result<NamedEnvironment<'a>, ApiError> {
    let mut headers = request.headers().get_all(ENVIRONMENT);
    match (headers.next(), headers.next()) {
        (_, Some(_)) => Err(ApiError::invalid_request("environment stands twice in the header")),
        (header, None) => Ok(NamedEnvironment {
            query: query.text("environment")?,
            header: header.map(|value| value.as_bytes()),
        }),
    }
}

/// The linked account and the workflow that head and query name.
pub(super) fn subject_ids(headers: &HeaderMap, query: &Query) -> Result<SubjectIds, ApiError> {
    let mut ids = SubjectIds::new();
    for spelling in LINKED_ACCOUNT_ID {
        for account in headers.get_all(spelling) {
            ids.name_account(account.as_bytes());
        }
    }
    if let Some(account) = query.filter("linked_account_id")? {
        ids.name_account(account.as_bytes());
    }
    if let Some(workflow) = query.filter("workflow_id")? {
        ids.name_workflow(workflow);
    }
    Ok(ids)
}

/// `If-Match` and `If-None-Match`.
pub(super) fn precondition(headers: &HeaderMap) -> Result<Precondition, ApiError> {
    Ok(Precondition { if_match: tags(headers, "If-Match")?, if_none_match: tags(headers, "If-None-Match")? })
}

fn tags(headers: &HeaderMap, field: &'static str) -> Result<Option<Tags>, ApiError> {
    // Several lines of one field are one list (RFC 9110, section 5.3).
    let lines: Vec<&[u8]> = headers.get_all(field).map(|value| value.as_bytes()).collect();
    if lines.is_empty() {
        return Ok(None);
    }
    let joined = lines.join(&b", "[..]);
    let text = std::str::from_utf8(&joined)
        .map_err(|_| ApiError::invalid_request(format!("{field} is not text")))?;
    Ok(Some(Tags::parse(field, text)?))
}
