//! What every page has around it: where one can go, as whom, in which environment, and how it looks.

use actix_web::http::StatusCode;
use actix_web::http::header::{
    CONTENT_SECURITY_POLICY, CONTENT_TYPE, HeaderMap, HeaderValue, LOCATION, REFERRER_POLICY, SET_COOKIE,
};
use actix_web::{HttpRequest, HttpResponse};
use askama::Template;

use crate::http::client_address::is_https;
use crate::http::console::form::Form;
use crate::http::console::place::encoded;
use crate::http::console::visit::{self, From};
use crate::http::console::{assets, show};
use crate::http::error::{ApiError, Code};
use crate::http::query::Query;
use crate::model::{Environment, Permission, Permissions};
use crate::vault::{CallerIn, Need, Vault};

/// Nothing but the page's own, of its own kind; nothing is ever framed, and forms go nowhere else.
const POLICY: HeaderValue = HeaderValue::from_static(
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; \
     form-action 'self'; frame-ancestors 'none'; base-uri 'none'",
);

const LOOK: &str = "coffer-look";

/// Light or dark, where one was chosen.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Look(pub(super) &'static str);

impl Look {
    /// As the browser's owner has it everywhere.
    const SYSTEM: Look = Look("system");

    pub(super) fn of(headers: &HeaderMap) -> Look {
        visit::cookie(headers, LOOK).map_or(Look::SYSTEM, Look::parse)
    }

    fn parse(text: &str) -> Look {
        match text {
            "light" => Look("light"),
            "dark" => Look("dark"),
            _ => Look::SYSTEM,
        }
    }
}

/// The head of a document.
#[derive(Clone)]
pub(super) struct Head {
    pub(super) style: &'static str,
    pub(super) script: &'static str,
    pub(super) icon: &'static str,
    pub(super) look: &'static str,
}

impl Head {
    pub(super) fn new(look: Look) -> Head {
        Head { style: assets::style(), script: assets::script(), icon: assets::icon(), look: look.0 }
    }
}

/// What a page of somebody who is signed in has around it.
#[derive(Clone)]
pub(super) struct Frame {
    pub(super) head: Head,
    /// Which kind of page this is: what its path begins with.
    pub(super) section: String,
    pub(super) org: String,
    /// What the key is called.
    pub(super) key: String,
    pub(super) environment: String,
    /// Those to choose from, where the key opens several.
    pub(super) environments: Vec<String>,
    /// Whether the page shows all of them at once, so that there is nothing to choose.
    pub(super) all_at_once: bool,
    pub(super) csrf: String,
    /// This page's path and query.
    pub(super) here: String,
    /// What was done just before.
    pub(super) notice: Option<&'static str>,
    pub(super) version: &'static str,
    permissions: Permissions,
}

impl Frame {
    pub(super) async fn new<N: Need>(
        request: &HttpRequest,
        vault: &Vault,
        at: &CallerIn<N>,
        environments: &[Environment],
        query: &Query,
        csrf: String,
    ) -> Result<Frame, ApiError> {
        let several = environments.len() > 1;
        Ok(Frame {
            head: Head::new(Look::of(request.headers())),
            section: request.path().split('/').nth(2).unwrap_or_default().to_owned(),
            org: vault.own_org(at.caller()).await?.name.as_str().to_owned(),
            key: match (at.caller().name(), at.caller().credential_id()) {
                ("", Some(id)) => format!("key {id}"),
                (name, _) => name.to_owned(),
            },
            environment: at.environment().as_str().to_owned(),
            environments: if several {
                environments.iter().map(ToString::to_string).collect()
            } else {
                vec![]
            },
            all_at_once: false,
            csrf,
            here: request.uri().to_string(),
            notice: query.filter("done")?.and_then(show::notice),
            version: env!("CARGO_PKG_VERSION"),
            permissions: at.caller().permissions(),
        })
    }

    /// Whether the key has this permission.
    pub(super) fn may(&self, permission: &str) -> bool {
        permission.parse::<Permission>().is_ok_and(|permission| self.permissions.contains(permission))
    }

    /// A path of the console, in this environment.
    pub(super) fn to(&self, path: &str) -> String {
        self.to_in(path, &self.environment)
    }

    /// Whether this is the page's environment.
    pub(super) fn is_in(&self, environment: &str) -> bool {
        self.environment == environment
    }

    /// This page, at its beginning, in another environment.
    pub(super) fn elsewhere(&self, environment: &str) -> String {
        let (path, query) = self.here.split_once('?').unwrap_or((&self.here, ""));
        let stays = |pair: &&str| {
            !pair.is_empty() && !["environment=", "after=", "done="].iter().any(|name| pair.starts_with(name))
        };
        let mut query: Vec<&str> = query.split('&').filter(stays).collect();
        let environment = format!("environment={}", encoded(environment));
        query.push(&environment);
        format!("{path}?{}", query.join("&"))
    }

    /// A path of the console, in an environment; it is named only where there is a choice.
    pub(super) fn to_in(&self, path: &str, environment: &str) -> String {
        if self.environments.is_empty() {
            return format!("/console/{path}");
        }
        let separator = if path.contains('?') { '&' } else { '?' };
        format!("/console/{path}{separator}environment={}", encoded(environment))
    }
}

/// A page.
pub(super) fn page(status: StatusCode, template: &impl Template) -> Result<HttpResponse, ApiError> {
    let text = template
        .render()
        .map_err(|error| ApiError::new(Code::InternalError, format!("the page cannot be drawn: {error}")))?;
    Ok(HttpResponse::build(status)
        .insert_header((CONTENT_TYPE, "text/html; charset=utf-8"))
        .insert_header((CONTENT_SECURITY_POLICY, POLICY))
        // With less, browsers would not say which page a form comes from.
        .insert_header((REFERRER_POLICY, "same-origin"))
        .body(text))
}

/// Another page, after a change: what reloads it changes nothing a second time.
pub(super) fn see(path: &str) -> HttpResponse {
    HttpResponse::SeeOther().insert_header((LOCATION, path)).finish()
}

/// The path, and what its page says was done.
pub(super) fn with_notice(path: &str, word: &'static str) -> String {
    let separator = if path.contains('?') { '&' } else { '?' };
    format!("{path}{separator}done={word}")
}

/// More than the path of any page has, with all that one can search for; browsers take no header without end.
const LONGEST_PATH: usize = 8 * 1024;

/// A path that one may be sent back to: a page of the console, whatever a form says.
pub(super) fn way_back(path: &str) -> &str {
    let is_ours = path.starts_with("/console/")
        && path.len() <= LONGEST_PATH
        && path.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'\\')
        && !path.starts_with("/console/assets/");
    if is_ours { path } else { "/console/" }
}

/// `POST /console/look`: also before one is signed in.
pub(super) async fn choose_look(
    request: HttpRequest,
    payload: actix_web::web::Payload,
) -> Result<HttpResponse, ApiError> {
    if visit::came_from(&request) == From::Elsewhere {
        return Err(visit::foreign());
    }
    let form = Form::read(&request, payload.into_inner()).await?;
    let look = Look::parse(form.text("look")?);
    let secure = if is_https(&request) { "; Secure" } else { "" };
    let cookie =
        format!("{LOOK}={}; Path=/console; Max-Age=31536000; HttpOnly; SameSite=Strict{secure}", look.0);
    let mut response = see(way_back(form.text("back")?));
    if let Ok(cookie) = HeaderValue::from_str(&cookie) {
        response.headers_mut().insert(SET_COOKIE, cookie);
    }
    Ok(response)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_way_back_leads_nowhere_else() {
        for ours in ["/console/", "/console/variables?scope=org&q=%C3%A9"] {
            assert_eq!(way_back(ours), ours);
        }
        for other in
            ["", "/", "//evil.example", "https://evil.example", "/console", "/consolex", "/console/\\evil"]
        {
            assert_eq!(way_back(other), "/console/", "{other}");
        }
        assert_eq!(way_back("/console/\r\nset-cookie: a=b"), "/console/");
        assert_eq!(way_back(&format!("/console/{}", "x".repeat(LONGEST_PATH))), "/console/");
    }
}
