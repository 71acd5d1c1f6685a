//! From a request's head to a caller. Which kind a handler needs stands in its signature.

use std::future::Future;
use std::pin::Pin;

use actix_web::dev::Payload;
use actix_web::http::StatusCode;
use actix_web::http::header::{AUTHORIZATION, HeaderMap, HeaderName};
use actix_web::web::Data;
use actix_web::{FromRequest, HttpRequest, ResponseError};
use zeroize::Zeroizing;

use crate::http::body::Fields;
use crate::http::error::{ApiError, Code};
use crate::http::limits;
use crate::http::origin::origin;
use crate::http::query::Query;
use crate::vault::{
    self, Caller, CallerIn, NamedEnvironment, Need, Precondition, SubjectIds, Tags, Vault, need,
};

const API_KEY: HeaderName = HeaderName::from_static("x-api-key");
const ENVIRONMENT: HeaderName = HeaderName::from_static("environment");
/// Some proxies drop header names with underscores, so there are two spellings.
const LINKED_ACCOUNT_ID: [HeaderName; 2] =
    [HeaderName::from_static("linked_account_id"), HeaderName::from_static("linked-account-id")];

type Extracting<T> = Pin<Box<dyn Future<Output = Result<T, ApiError>>>>;

/// Whoever has shown a valid credential, at an operation that needs `N`.
pub(super) struct Authenticated<N>(pub(super) Caller<N>);

/// A caller at a resource that lives in an environment, which it has named where its credential opens
/// several.
pub(super) struct InEnvironment<N>(pub(super) CallerIn<N>);

/// A caller at a resource that belongs to the organization: it need not name an environment, but one that
/// it names must be open to it.
pub(super) struct Anywhere<N>(pub(super) Caller<N>);

impl<N: Need> FromRequest for Authenticated<N> {
    type Error = ApiError;
    type Future = Extracting<Self>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        let request = request.clone();
        Box::pin(async move { authenticate(&request, &Query::of(&request)).await.map(Authenticated) })
    }
}

impl<N: Need> FromRequest for InEnvironment<N> {
    type Error = ApiError;
    type Future = Extracting<Self>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        let request = request.clone();
        Box::pin(async move {
            let query = Query::of(&request);
            let caller = authenticate(&request, &query).await?;
            let entered = vault(&request)?.enter(caller, named_environment(&request, &query)?).await?;
            Ok(InEnvironment(entered))
        })
    }
}

impl<N: Need> FromRequest for Anywhere<N> {
    type Error = ApiError;
    type Future = Extracting<Self>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        let request = request.clone();
        Box::pin(async move {
            let query = Query::of(&request);
            let caller = authenticate(&request, &query).await?;
            vault(&request)?.named_environment(&caller, named_environment(&request, &query)?).await?;
            Ok(Anywhere(caller))
        })
    }
}

fn vault(request: &HttpRequest) -> Result<&Vault, ApiError> {
    let data = request.app_data::<Data<Vault>>();
    data.map(|data| data.get_ref()).ok_or_else(|| ApiError::new(Code::InternalError, "internal error"))
}

async fn authenticate<N: Need>(request: &HttpRequest, query: &Query) -> Result<Caller<N>, ApiError> {
    let headers = request.headers();
    // An API key decides where both are sent, unless only a token can.
    let by_token =
        N::OF_KEYS.is_none() || (headers.contains_key(AUTHORIZATION) && !headers.contains_key(API_KEY));
    if by_token {
        let checked = check_token(request).await;
        let is_shown = headers.contains_key(AUTHORIZATION);
        if is_shown && is_refused(&checked) {
            note_refusal(request, vault::ShownCredential::SessionToken(bearer_token(headers))).await?;
        }
        let caller = limits::settle(request, is_shown, checked, Caller::credential_id)?;
        // Whatever an endpoint makes of them: naming another account is refused before anything else.
        subject_ids(&caller, headers, query)?;
        return Ok(caller.coming_from(origin(request)));
    }
    let checked = check_key(request).await;
    let is_shown = headers.contains_key(API_KEY);
    if is_shown && is_refused(&checked) {
        let key = headers.get(API_KEY).and_then(|key| key.to_str().ok());
        note_refusal(request, vault::ShownCredential::ApiKey(key)).await?;
    }
    let caller = limits::settle(request, is_shown, checked, Caller::credential_id)?;
    Ok(caller.coming_from(origin(request)))
}

/// Whether a credential does not count.
pub(super) fn is_refused<T>(checked: &Result<T, ApiError>) -> bool {
    checked.as_ref().is_err_and(|error| error.status_code() == StatusCode::UNAUTHORIZED)
}

/// Has the audit trail remember a credential that was refused.
pub(super) async fn note_refusal(
    request: &HttpRequest,
    shown: vault::ShownCredential<'_>,
) -> Result<(), ApiError> {
    vault(request)?.credential_refused(shown, origin(request)).await;
    Ok(())
}

async fn check_token<N: Need>(request: &HttpRequest) -> Result<Caller<N>, ApiError> {
    let token = bearer_token(request.headers()).ok_or(vault::Error::InvalidToken)?;
    Ok(vault(request)?.authenticate_token(token).await?)
}

async fn check_key<N: Need>(request: &HttpRequest) -> Result<Caller<N>, ApiError> {
    let mut keys = request.headers().get_all(API_KEY);
    match (keys.next().map(|key| key.to_str()), keys.next()) {
        (Some(Ok(key)), None) => Ok(vault(request)?.authenticate(key).await?),
        _ => Err(vault::Error::InvalidCredentials.into()),
    }
}

/// The token in `Authorization: Bearer …` (RFC 6750, section 2.1).
fn bearer_token(headers: &HeaderMap) -> Option<&str> {
    let mut sent = headers.get_all(AUTHORIZATION);
    let (Some(sent), None) = (sent.next(), sent.next()) else { return None };
    let (scheme, token) = sent.to_str().ok()?.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| token.trim_matches(' '))
}

/// The credential of a request whose answer goes on, to be looked at again.
pub(super) enum ShownCredential {
    ApiKey(Zeroizing<String>),
    Token(Zeroizing<String>),
}

impl ShownCredential {
    /// The one that decides.
    pub(super) fn of(headers: &HeaderMap) -> Option<ShownCredential> {
        let key = headers.get(API_KEY).map(|key| key.to_str());
        match key {
            Some(key) => key.ok().map(|key| ShownCredential::ApiKey(Zeroizing::new(key.into()))),
            None => bearer_token(headers).map(|token| ShownCredential::Token(Zeroizing::new(token.into()))),
        }
    }

    /// Whether it is neither revoked nor expired.
    pub(super) async fn counts(&self, vault: &Vault) -> bool {
        match self {
            ShownCredential::ApiKey(key) => vault.authenticate::<need::Read>(key).await.is_ok(),
            ShownCredential::Token(token) => vault.authenticate_token::<need::Read>(token).await.is_ok(),
        }
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
pub(super) fn subject_ids<N: Need>(
    caller: &Caller<N>,
    headers: &HeaderMap,
    query: &Query,
) -> Result<SubjectIds, ApiError> {
    let mut ids = SubjectIds::of(caller);
    for spelling in LINKED_ACCOUNT_ID {
        for account in headers.get_all(spelling) {
            ids.name_account(account.as_bytes())?;
        }
    }
    if let Some(account) = query.filter("linked_account_id")? {
        ids.name_account(account.as_bytes())?;
    }
    if let Some(workflow) = query.filter("workflow_id")? {
        ids.name_workflow(workflow);
    }
    Ok(ids)
}

/// Adds the linked account and the workflow that a body names.
pub(super) fn name_ids(ids: &mut SubjectIds, fields: &mut Fields) -> Result<(), ApiError> {
    if let Some(account) = fields.text("linked_account_id")? {
        ids.name_account(account.as_bytes())?;
    }
    if let Some(workflow) = fields.text("workflow_id")? {
        ids.name_workflow(&workflow);
    }
    Ok(())
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
