//! CORS: which pages of other origins may read answers. A page shows a token that it holds itself, so cookies are
//! never allowed for; nor is `x-api-key`, since a key in a browser is a key that is given away.

use actix_web::HttpResponse;
use actix_web::dev::ServiceRequest;
use actix_web::http::Method;
use actix_web::http::header::{
    ACCESS_CONTROL_ALLOW_HEADERS, ACCESS_CONTROL_ALLOW_METHODS, ACCESS_CONTROL_ALLOW_ORIGIN,
    ACCESS_CONTROL_EXPOSE_HEADERS, ACCESS_CONTROL_MAX_AGE, ACCESS_CONTROL_REQUEST_METHOD, HeaderMap,
    HeaderValue, ORIGIN, VARY,
};
use actix_web::web::Data;

const METHODS: &str = "GET, HEAD, POST, PUT, PATCH, DELETE";

const REQUEST_HEADERS: &str = "authorization, content-type, if-match, if-none-match, environment, \
    linked_account_id, linked-account-id";

const RESPONSE_HEADERS: HeaderValue = HeaderValue::from_static(
    "ETag, Location, Retry-After, X-Request-Id, RateLimit, RateLimit-Policy, RateLimit-Limit, \
     RateLimit-Remaining, RateLimit-Reset",
);

/// How long a browser may remember the answer to a preflight, in seconds.
const MAX_AGE: &str = "600";

/// The origins whose pages may read answers.
#[derive(Debug)]
pub(super) struct Cors(Vec<HeaderValue>);

impl Cors {
    /// For these origins, as browsers write them; nothing where there are none.
    pub(super) fn new(origins: &[String]) -> Option<Cors> {
        let origins: Vec<_> =
            origins.iter().filter_map(|origin| HeaderValue::from_str(origin).ok()).collect();
        (!origins.is_empty()).then_some(Cors(origins))
    }
}

/// What there is to say about the origin of one request.
pub(super) struct Crossing {
    /// The page's origin, where its pages may read the answer.
    allowed: Option<HeaderValue>,
}

impl Crossing {
    /// Nothing where CORS is off.
    pub(super) fn of(request: &ServiceRequest) -> Option<Crossing> {
        let Cors(origins) = request.app_data::<Data<Cors>>()?.get_ref();
        let sent = request.headers().get(ORIGIN);
        let allowed = origins.iter().find(|origin| Some(*origin) == sent).cloned();
        Some(Crossing { allowed })
    }

    /// The answer to a preflight from an origin that is allowed. A browser sends no credential with it, so it is
    /// answered before anyone asks for one.
    pub(super) fn preflight(&self, request: &ServiceRequest) -> Option<HttpResponse> {
        let asks = request.method() == Method::OPTIONS
            && request.headers().contains_key(ACCESS_CONTROL_REQUEST_METHOD);
        (asks && self.allowed.is_some()).then(permission)
    }

    /// Lets pages of the origin read the answer.
    pub(super) fn admit(&self, headers: &mut HeaderMap) {
        // A cache must not show one origin what another was told.
        headers.append(VARY, HeaderValue::from_static("Origin"));
        if let Some(origin) = &self.allowed {
            headers.insert(ACCESS_CONTROL_ALLOW_ORIGIN, origin.clone());
            headers.insert(ACCESS_CONTROL_EXPOSE_HEADERS, RESPONSE_HEADERS);
        }
    }
}

fn permission() -> HttpResponse {
    HttpResponse::NoContent()
        .insert_header((ACCESS_CONTROL_ALLOW_METHODS, HeaderValue::from_static(METHODS)))
        .insert_header((ACCESS_CONTROL_ALLOW_HEADERS, HeaderValue::from_static(REQUEST_HEADERS)))
        .insert_header((ACCESS_CONTROL_MAX_AGE, HeaderValue::from_static(MAX_AGE)))
        .finish()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_method_that_the_api_has_is_allowed() {
        for (method, path) in crate::http::routes() {
            assert!(METHODS.split(", ").any(|allowed| allowed == method), "{method} {path}");
        }
    }
}
