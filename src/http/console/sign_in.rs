//! Signing in with an API key, and out.

use actix_web::http::StatusCode;
use actix_web::http::header::{HeaderValue, SET_COOKIE};
use actix_web::web::{Data, Payload};
use actix_web::{HttpRequest, HttpResponse, ResponseError};
use askama::Template;

use crate::http::auth::{is_refused, note_refusal};
use crate::http::client_address::is_https;
use crate::http::console::form::Form;
use crate::http::console::frame::{Head, Look, page as draw, see, way_back};
use crate::http::console::sessions::Sessions;
use crate::http::console::visit::{self, From, cookie_name, signed_in};
use crate::http::error::{ApiError, Code};
use crate::http::limits;
use crate::http::query::Query;
use crate::model::Permission;
use crate::vault::{self, Caller, Vault, need};

#[derive(Template)]
#[template(path = "sign_in.html")]
struct Page<'a> {
    head: Head,
    next: &'a str,
    error: Option<String>,
    has_left: bool,
    here: String,
}

/// `GET /console/`: to the first page that the key may see.
pub(super) async fn entrance(request: HttpRequest, vault: Data<Vault>) -> Result<HttpResponse, ApiError> {
    let Some(signed_in) = signed_in(&request) else { return Ok(see("/console/sign-in")) };
    let Ok(caller) = vault.authenticate_again::<need::Read>(&signed_in.key).await else {
        return Ok(see("/console/sign-in"));
    };
    let may = |permission| caller.permissions().contains(permission);
    Ok(see(if may(Permission::Read) {
        "/console/variables"
    } else if may(Permission::Admin) {
        "/console/keys"
    } else {
        "/console/health"
    }))
}

/// `GET /console/sign-in`
pub(super) async fn page(request: HttpRequest, query: Query) -> Result<HttpResponse, ApiError> {
    let next = way_back(query.text("next")?.unwrap_or_default());
    draw(StatusCode::OK, &drawn(&request, next, None, query.flag("left")?))
}

fn drawn<'a>(request: &HttpRequest, next: &'a str, error: Option<String>, has_left: bool) -> Page<'a> {
    let head = Head::new(Look::of(request.headers()));
    Page { head, next, error, has_left, here: request.uri().to_string() }
}

/// `POST /console/sign-in`
pub(super) async fn sign_in(
    request: HttpRequest,
    vault: Data<Vault>,
    sessions: Data<Sessions>,
    payload: Payload,
) -> Result<HttpResponse, ApiError> {
    // Otherwise another site could sign somebody in with a key of its own, and see what is typed then.
    if visit::came_from(&request) != From::ThisSite {
        return Err(ApiError::new(Code::Forbidden, "sign in on the console's own page"));
    }
    let form = Form::read(&request, payload.into_inner()).await?;
    let next = way_back(form.text("next")?);
    let key = form.trimmed("key")?;
    let checked = vault.authenticate::<need::Read>(key).await.map_err(ApiError::from);
    if !key.is_empty() && is_refused(&checked) {
        note_refusal(&request, vault::ShownCredential::ApiKey(Some(key))).await?;
    }
    match limits::settle(&request, !key.is_empty(), checked, Caller::credential_id) {
        Ok(_) => {}
        Err(error) if error.status_code() == StatusCode::UNAUTHORIZED => {
            let why = if key.is_empty() {
                "Paste an API key."
            } else {
                "This key opens nothing: it is mistyped, was revoked or has expired."
            };
            return draw(StatusCode::UNAUTHORIZED, &drawn(&request, next, Some(why.into()), false));
        }
        Err(error) if error.status_code() == StatusCode::TOO_MANY_REQUESTS => {
            let why = format!("{error}, then try again.");
            return draw(StatusCode::TOO_MANY_REQUESTS, &drawn(&request, next, Some(why), false));
        }
        Err(error) => return Err(error),
    }
    // Whoever signs in again leaves nothing open behind.
    if let Some(former) = signed_in(&request) {
        sessions.end(&former);
    }
    let cookie = sessions.begin(vault.api_key_handle(key))?;
    let mut response = see(next);
    set_cookie(&request, &mut response, &cookie, "")?;
    Ok(response)
}

/// `POST /console/sign-out`
pub(super) async fn sign_out(
    request: HttpRequest,
    sessions: Data<Sessions>,
    payload: Payload,
) -> Result<HttpResponse, ApiError> {
    leave(request, payload, |signed_in| sessions.end(signed_in)).await
}

/// `POST /console/sign-out-everywhere`: every session of the key, on whatever machine.
pub(super) async fn sign_out_everywhere(
    request: HttpRequest,
    sessions: Data<Sessions>,
    payload: Payload,
) -> Result<HttpResponse, ApiError> {
    leave(request, payload, |signed_in| sessions.end_all(signed_in)).await
}

/// Whoever is signed out already is where it wanted to be, also where its key is gone.
async fn leave(
    request: HttpRequest,
    payload: Payload,
    end: impl FnOnce(&super::sessions::SignedIn),
) -> Result<HttpResponse, ApiError> {
    if let Some(signed_in) = signed_in(&request) {
        if visit::came_from(&request) == From::Elsewhere {
            return Err(visit::foreign());
        }
        let form = Form::read(&request, payload.into_inner()).await?;
        if !signed_in.sent_it(form.text("csrf")?) {
            return Err(visit::foreign());
        }
        end(&signed_in);
    }
    let mut response = see("/console/sign-in?left=true");
    set_cookie(&request, &mut response, "", "; Max-Age=0")?;
    Ok(response)
}

fn set_cookie(
    request: &HttpRequest,
    response: &mut HttpResponse,
    content: &str,
    more: &str,
) -> Result<(), ApiError> {
    let secure = is_https(request);
    let name = cookie_name(secure);
    let only_tls = if secure { "; Secure" } else { "" };
    let line = format!("{name}={content}; Path=/console; HttpOnly; SameSite=Strict{only_tls}{more}");
    let line = HeaderValue::from_str(&line).map_err(|_| vault::Error::InvalidCredentials)?;
    response.headers_mut().insert(SET_COOKIE, line);
    Ok(())
}
