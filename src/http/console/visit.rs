//! Who is looking at a page, and who is changing something on one. What either needs stands in the handler's
//! signature, as at the API.

use std::future::Future;
use std::pin::Pin;

use actix_web::dev::Payload;
use actix_web::http::header::{COOKIE, HOST, HeaderMap, HeaderName, ORIGIN};
use actix_web::web::Data;
use actix_web::{FromRequest, HttpMessage, HttpRequest};

use crate::http::client_address::is_https;
use crate::http::console::form::Form;
use crate::http::console::frame::Frame;
use crate::http::console::refusal::Typed;
use crate::http::console::sessions::{Sessions, SignedIn};
use crate::http::error::{ApiError, Code};
use crate::http::limits;
use crate::http::origin::origin;
use crate::http::query::Query;
use crate::model::Environment;
use crate::vault::{self, Caller, CallerIn, NamedEnvironment, Need, Vault, need};

const FETCH_SITE: HeaderName = HeaderName::from_static("sec-fetch-site");

/// What the session's cookie is called. Under TLS, browsers take one of such a name from nobody else.
pub(super) fn cookie_name(secure: bool) -> &'static str {
    if secure { "__Secure-coffer-console" } else { "coffer-console" }
}

/// Somebody who is signed in with a key that may do what the page needs, in an environment that it opens.
pub(super) struct Visit<N> {
    pub(super) at: CallerIn<N>,
    pub(super) frame: Frame,
    pub(super) query: Query,
    pub(super) environments: Vec<Environment>,
    vault: Data<Vault>,
    key: vault::ApiKeyHandle,
}

/// Somebody who is signed in with any key, at a page that shows nothing of its organization.
pub(super) struct Anyone(pub(super) Visit<need::Read>);

/// The same with a form whose sender was looking at a page of this very session.
pub(super) struct Change<N> {
    pub(super) visit: Visit<N>,
    pub(super) form: Form,
}

impl<N: Need> Visit<N> {
    /// The visitor where something else is needed, in the same environment.
    pub(super) async fn acting<M: Need>(&self) -> Result<CallerIn<M>, ApiError> {
        self.acting_in(self.at.environment()).await
    }

    /// The visitor where something else is needed, in another environment.
    pub(super) async fn acting_in<M: Need>(
        &self,
        environment: &Environment,
    ) -> Result<CallerIn<M>, ApiError> {
        let caller = self.vault.authenticate_again::<M>(&self.key).await?;
        let caller = caller.coming_from(self.at.caller().origin().clone());
        let named = NamedEnvironment { query: Some(environment.as_str()), header: None };
        Ok(self.vault.enter(caller, named).await?)
    }
}

type Extracting<T> = Pin<Box<dyn Future<Output = Result<T, ApiError>>>>;

impl<N: Need> FromRequest for Visit<N> {
    type Error = ApiError;
    type Future = Extracting<Self>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        let request = request.clone();
        Box::pin(async move {
            let signed_in = signed_in(&request).ok_or_else(not_signed_in)?;
            let visit: Visit<N> = visit(&request, signed_in).await?;
            visit.at.caller().permit()?;
            Ok(visit)
        })
    }
}

impl FromRequest for Anyone {
    type Error = ApiError;
    type Future = Extracting<Self>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        let request = request.clone();
        Box::pin(async move {
            let signed_in = signed_in(&request).ok_or_else(not_signed_in)?;
            visit(&request, signed_in).await.map(Anyone)
        })
    }
}

impl<N: Need> FromRequest for Change<N> {
    type Error = ApiError;
    type Future = Extracting<Self>;

    fn from_request(request: &HttpRequest, payload: &mut Payload) -> Self::Future {
        let (request, payload) = (request.clone(), payload.take());
        Box::pin(async move {
            let from = came_from(&request);
            let Some(signed_in) = signed_in(&request) else {
                // Whoever typed much should not lose it to the clock.
                if from == From::ThisSite {
                    let form = Form::read(&request, payload).await?;
                    request.extensions_mut().insert(Typed(form.lines("value")?));
                }
                return Err(not_signed_in());
            };
            if from == From::Elsewhere {
                return Err(foreign());
            }
            let visit: Visit<N> = visit(&request, signed_in.clone()).await?;
            visit.at.caller().permit()?;
            let form = Form::read(&request, payload).await?;
            if !signed_in.sent_it(form.text("csrf")?) {
                return Err(foreign());
            }
            Ok(Change { visit, form })
        })
    }
}

async fn visit<N: Need>(request: &HttpRequest, signed_in: SignedIn) -> Result<Visit<N>, ApiError> {
    let vault = request.app_data::<Data<Vault>>().cloned();
    let vault = vault.ok_or_else(|| ApiError::new(Code::InternalError, "internal error"))?;
    let checked = vault.authenticate_again::<N>(&signed_in.key).await.map_err(ApiError::from);
    let caller: Caller<N> = limits::settle(request, false, checked, Caller::credential_id)?;
    let caller = caller.coming_from(origin(request));
    let query = Query::of(request);
    let environments = vault.open_environments(&caller).await?;
    let named = query.filter("environment")?.or(environments.first().map(Environment::as_str));
    let at = vault.enter(caller, NamedEnvironment { query: named, header: None }).await?;
    let frame = Frame::new(request, &vault, &at, &environments, &query, signed_in.csrf).await?;
    Ok(Visit { at, frame, query, environments, vault, key: signed_in.key })
}

/// The session of a request.
pub(super) fn signed_in(request: &HttpRequest) -> Option<SignedIn> {
    let cookie = cookie(request.headers(), cookie_name(is_https(request)))?;
    request.app_data::<Data<Sessions>>()?.find(cookie)
}

/// The first cookie of that name.
pub(super) fn cookie<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    let lines = headers.get_all(COOKIE).filter_map(|line| line.to_str().ok());
    let mut pairs = lines.flat_map(|line| line.split(';')).filter_map(|pair| pair.trim().split_once('='));
    pairs.find(|(given, _)| *given == name).map(|(_, value)| value)
}

/// Which page sent a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum From {
    /// One of ours.
    ThisSite,
    /// One of another site's, or of another name of this machine.
    Elsewhere,
    /// Nobody says: an old browser, or none.
    Unknown,
}

/// Which page sent a request, by what its browser says.
pub(super) fn came_from(request: &HttpRequest) -> From {
    told(request.headers(), is_https(request))
}

/// What browsers say about where a request comes from. Newer ones compare themselves; of others, `Origin` must
/// be the host that was asked. Behind a proxy that ends TLS the scheme may be another than ours.
fn told(headers: &HeaderMap, secure: bool) -> From {
    if let Some(site) = headers.get(FETCH_SITE) {
        return if site.as_bytes() == b"same-origin" { From::ThisSite } else { From::Elsewhere };
    }
    let Some(origin) = headers.get(ORIGIN) else { return From::Unknown };
    let text = |value: &actix_web::http::header::HeaderValue| value.to_str().ok().map(str::to_owned);
    let (origin, host) = (text(origin), headers.get(HOST).and_then(text));
    let is_ours = origin.zip(host).is_some_and(|(origin, host)| match origin.split_once("://") {
        Some((scheme, authority)) => authority == host && (scheme == "https" || !secure),
        None => false,
    });
    if is_ours { From::ThisSite } else { From::Elsewhere }
}

fn not_signed_in() -> ApiError {
    vault::Error::InvalidCredentials.into()
}

/// The refusal of a change that no page of this session asked for.
pub(super) fn foreign() -> ApiError {
    ApiError::new(Code::Forbidden, "this form is not from a page of your session: open the page anew")
}

#[cfg(test)]
mod tests {
    use actix_web::test::TestRequest;

    use super::*;

    fn from(headers: &[(&str, &str)], secure: bool) -> From {
        let request = headers.iter().fold(TestRequest::default(), |request, header| {
            request.append_header((header.0.to_owned(), header.1.to_owned()))
        });
        told(request.to_http_request().headers(), secure)
    }

    #[test]
    fn only_our_own_pages_count_as_such() {
        let host = ("host", "coffer.example:8080");
        for site in ["cross-site", "same-site", "none", ""] {
            assert_eq!(from(&[host, ("sec-fetch-site", site)], false), From::Elsewhere, "{site}");
        }
        let both = [host, ("sec-fetch-site", "same-origin"), ("origin", "null")];
        assert_eq!(from(&both, false), From::ThisSite);
        assert_eq!(from(&[host, ("origin", "http://coffer.example:8080")], false), From::ThisSite);
        assert_eq!(from(&[host, ("origin", "https://coffer.example:8080")], false), From::ThisSite);
        assert_eq!(from(&[host, ("origin", "https://coffer.example:8080")], true), From::ThisSite);
        assert_eq!(from(&[host, ("origin", "http://coffer.example:8080")], true), From::Elsewhere);
        for origin in ["null", "", "http://coffer.example", "http://evil.example", "coffer.example:8080"] {
            assert_eq!(from(&[host, ("origin", origin)], false), From::Elsewhere, "{origin}");
        }
        assert_eq!(from(&[host], true), From::Unknown);
    }

    #[test]
    fn cookies_are_found_by_their_exact_name() {
        let request = TestRequest::default().append_header(("cookie", "a=1; coffer-console=x=y; b=2"));
        let request = request.append_header(("cookie", "xcoffer-console=z")).to_http_request();
        assert_eq!(cookie(request.headers(), "coffer-console"), Some("x=y"));
        assert_eq!(cookie(request.headers(), "coffer"), None);
    }
}
