//! `/session-token`: what a front end that acts for one linked account is let in with.

use actix_web::web::Data;
use actix_web::{HttpRequest, HttpResponse};
use serde::Serialize;
use zeroize::Zeroizing;

use crate::http::auth::{InEnvironment, is_refused, subject_ids};
use crate::http::body::Body;
use crate::http::error::ApiError;
use crate::http::limits;
use crate::http::origin::origin;
use crate::http::query::Query;
use crate::vault::{IssuedTokens, ShownCredential, Vault, need};

/// `POST /session-token`
pub(super) async fn issue(
    InEnvironment(at): InEnvironment<need::Manage>,
    vault: Data<Vault>,
    request: HttpRequest,
    query: Query,
    body: Body,
) -> Result<HttpResponse, ApiError> {
    let mut ids = subject_ids(at.caller(), request.headers(), &query)?;
    let force_new = query.flag("force_refresh")?;
    if let Some(account) = body.fields().await?.text("linked_account_id")? {
        ids.name_account(account.as_bytes())?;
    }
    let tokens = vault.issue_tokens(&at, &ids, force_new).await?;
    Ok(HttpResponse::Ok().json(TokensBody::from(&tokens)))
}

/// `POST /session-token/refresh`: the refresh token is the credential.
pub(super) async fn refresh(
    vault: Data<Vault>,
    request: HttpRequest,
    body: Body,
) -> Result<HttpResponse, ApiError> {
    let refresh_token = Zeroizing::new(body.fields().await?.required_text("refresh_token")?);
    let origin = origin(&request);
    let refreshed = vault.refresh_tokens(&refresh_token, &origin).await.map_err(ApiError::from);
    if is_refused(&refreshed) {
        vault.credential_refused(ShownCredential::RefreshToken(&refresh_token), origin).await;
    }
    let tokens = limits::settle(&request, true, refreshed, |_| None)?;
    Ok(HttpResponse::Ok().json(TokensBody::from(&tokens)))
}

/// `POST /session-token/revoke`
pub(super) async fn revoke(
    InEnvironment(at): InEnvironment<need::Session>,
    vault: Data<Vault>,
) -> Result<HttpResponse, ApiError> {
    vault.revoke_session(&at).await?;
    Ok(HttpResponse::Ok().json(RevokedBody { success: true, revoked_count: 1 }))
}

#[derive(Serialize)]
struct TokensBody<'a> {
    token: &'a str,
    refresh_token: &'a str,
    expires_in: u64,
    refresh_expires_in: u64,
}

impl<'a> From<&'a IssuedTokens> for TokensBody<'a> {
    fn from(tokens: &'a IssuedTokens) -> TokensBody<'a> {
        TokensBody {
            token: tokens.token.expose(),
            refresh_token: tokens.refresh_token.expose(),
            expires_in: tokens.expires_in,
            refresh_expires_in: tokens.refresh_expires_in,
        }
    }
}

#[derive(Serialize)]
struct RevokedBody {
    success: bool,
    revoked_count: u32,
}
