//! How a failure looks: a page that says what happened and what to do next.

use actix_web::http::StatusCode;
use actix_web::http::header::{ALLOW, CONTENT_TYPE, LOCATION, RETRY_AFTER, WWW_AUTHENTICATE};
use actix_web::{HttpMessage, HttpRequest, HttpResponse, ResponseError};
use askama::Template;
use zeroize::Zeroizing;

use crate::http::console::frame::{self, Head, Look};
use crate::http::console::place::encoded;
use crate::http::error::ApiError;

/// What was typed into a form that nobody signed in sent.
pub(super) struct Typed(pub(super) Zeroizing<String>);

/// What was typed, where the request had something that should not be lost.
pub(in crate::http) fn typed(request: &HttpRequest) -> Option<Zeroizing<String>> {
    request.extensions().get::<Typed>().map(|typed| typed.0.clone()).filter(|text| !text.is_empty())
}

/// A request for a page, as far as its refusal needs it.
pub(in crate::http) struct Asked {
    /// Path and query.
    target: String,
    is_read: bool,
    look: Look,
}

#[derive(Template)]
#[template(path = "refusal.html")]
struct Page<'a> {
    head: Head,
    title: &'static str,
    message: &'a str,
    next: &'static str,
    request_id: &'a str,
    sign_in: Option<String>,
    typed: Option<Zeroizing<String>>,
}

impl Asked {
    /// Nothing where it is not for the console.
    pub(in crate::http) fn of(request: &HttpRequest) -> Option<Asked> {
        let rest = request.path().strip_prefix("/console")?;
        (rest.is_empty() || rest.starts_with('/')).then(|| Asked {
            target: request.uri().to_string(),
            is_read: request.method().is_safe(),
            look: Look::of(request.headers()),
        })
    }

    /// The page for `error`; whoever has to sign in to read something is sent there, and comes back.
    pub(in crate::http) fn refusal(
        &self,
        error: &ApiError,
        request_id: &str,
        typed: Option<Zeroizing<String>>,
    ) -> HttpResponse {
        let status = error.status_code();
        let sign_in = || format!("/console/sign-in?next={}", encoded(&self.target));
        if status == StatusCode::UNAUTHORIZED && self.is_read {
            return HttpResponse::SeeOther().insert_header((LOCATION, sign_in())).finish();
        }
        let (title, next) = words(status);
        let message = error.to_string();
        let page = Page {
            head: Head::new(self.look),
            title,
            message: if status == StatusCode::UNAUTHORIZED {
                "Your session has ended, and nothing was changed."
            } else {
                &message
            },
            next,
            request_id,
            sign_in: (status == StatusCode::UNAUTHORIZED)
                .then(|| format!("/console/sign-in?next={}", encoded(&form_of(&self.target)))),
            typed,
        };
        let plain = error.response(request_id);
        let mut response = frame::page(status, &page).unwrap_or_else(|_| HttpResponse::new(status));
        for name in [ALLOW, RETRY_AFTER, WWW_AUTHENTICATE] {
            if let Some(value) = plain.headers().get(&name) {
                response.headers_mut().insert(name, value.clone());
            }
        }
        debug_assert!(response.headers().contains_key(CONTENT_TYPE), "every page can be drawn");
        response
    }
}

/// The page that has the form which was sent here.
fn form_of(target: &str) -> String {
    let (path, query) = target.split_once('?').map_or((target, ""), |(path, query)| (path, query));
    // These are no pages by themselves: their form stands on the page above.
    let above = ["/reveal", "/rollback"].iter().find_map(|end| path.strip_suffix(end));
    let path = match path {
        "/console/sign-out" | "/console/sign-out-everywhere" | "/console/look" => "/console/",
        _ => above.unwrap_or(path),
    };
    if query.is_empty() { path.into() } else { format!("{path}?{query}") }
}

fn words(status: StatusCode) -> (&'static str, &'static str) {
    match status {
        StatusCode::UNAUTHORIZED => ("Sign in again", "Sign in, then send it again."),
        StatusCode::FORBIDDEN => (
            "Not allowed",
            "What a key may do was decided when it was made. Whoever has a key with admin can make you another.",
        ),
        StatusCode::NOT_FOUND => {
            ("Not found", "It may have been deleted meanwhile, or it is in another environment.")
        }
        StatusCode::TOO_MANY_REQUESTS => ("Too many requests", "Wait a moment, then try again."),
        StatusCode::SERVICE_UNAVAILABLE => {
            ("The store cannot write", "Look at its health; reading goes on meanwhile.")
        }
        StatusCode::INSUFFICIENT_STORAGE => {
            ("The disk is full", "Nothing was written. Free some space: reading and deleting still work.")
        }
        status if status.is_client_error() => ("That did not work", "Go back, and try it another way."),
        _ => ("Something went wrong", "The log has more, under the request's id."),
    }
}
