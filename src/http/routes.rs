//! The whole API on one screen.

use actix_web::guard::{self, GuardContext};
use actix_web::http::Method;
use actix_web::{HttpRequest, HttpResponse, Resource, Route, web};

use crate::http::error::ApiError;
use crate::http::{
    admin_keys, audit, console, context, definitions, docs, history, linked_accounts, service,
    session_tokens, values, watch,
};

/// What the paths of the public API begin with.
pub(super) const PUBLIC: &str = "/api/v2/public";

/// A path, and how each of its methods is answered.
pub(super) struct Endpoint {
    pub(super) path: &'static str,
    /// For the `Allow` header.
    pub(super) allow: &'static str,
    pub(super) methods: Vec<(Method, Route)>,
}

macro_rules! endpoints {
    ($($path:literal: $allow:literal => { $($method:ident => $handler:path),+ $(,)? })+) => {
        vec![$($crate::http::routes::Endpoint {
            path: $path,
            allow: $allow,
            methods: vec![$((actix_web::http::Method::$method, actix_web::web::to($handler))),+],
        }),+]
    };
}

pub(super) use endpoints;

fn api() -> Vec<Endpoint> {
    endpoints! {
        "/api/v2/public/env/values": "POST" => { POST => values::set }
        "/api/v2/public/env/value/{definition_id}": "GET, HEAD" => { GET => values::resolve }
        "/api/v2/public/env/values/{scope_or_value_id}": "GET, HEAD, DELETE" => {
            GET => values::list,
            DELETE => values::delete,
        }
        "/api/v2/public/env/values/{value_id}/versions": "GET, HEAD" => { GET => history::versions }
        "/api/v2/public/env/values/{value_id}/rollback": "POST" => { POST => history::rollback }
        "/api/v2/public/env/resolve": "GET, HEAD" => { GET => context::resolve }
        "/api/v2/public/env/watch": "GET, HEAD" => { GET => watch::watch }
        "/api/v2/public/env/render": "POST" => { POST => context::render }
        "/api/v2/public/env/import": "POST" => { POST => context::import }
        "/api/v2/public/env/definitions": "GET, HEAD, POST" => {
            GET => definitions::list,
            POST => definitions::create,
        }
        "/api/v2/public/env/definitions/{definition_id}": "GET, HEAD, PATCH, DELETE" => {
            GET => definitions::get,
            PATCH => definitions::patch,
            DELETE => definitions::delete,
        }
        "/api/v2/public/linked-account": "GET, HEAD, POST, PUT" => {
            GET => linked_accounts::list,
            POST => linked_accounts::create,
            PUT => linked_accounts::upsert,
        }
        "/api/v2/public/linked-account/{linked_account_id}": "GET, HEAD, DELETE" => {
            GET => linked_accounts::get,
            DELETE => linked_accounts::delete,
        }
        "/api/v2/public/session/active-linked-account": "GET, HEAD" => { GET => linked_accounts::active }
        "/api/v2/public/session-token": "POST" => { POST => session_tokens::issue }
        "/api/v2/public/session-token/refresh": "POST" => { POST => session_tokens::refresh }
        "/api/v2/public/session-token/revoke": "POST" => { POST => session_tokens::revoke }
        "/api/v2/public/admin/keys": "GET, HEAD, POST" => {
            GET => admin_keys::list,
            POST => admin_keys::create,
        }
        "/api/v2/public/admin/keys/{key_id}": "DELETE" => { DELETE => admin_keys::revoke }
        "/api/v2/public/audit/audit-trails": "GET, HEAD" => { GET => audit::list }
        "/healthz": "GET, HEAD" => { GET => service::healthz }
        "/readyz": "GET, HEAD" => { GET => service::readyz }
        "/metrics": "GET, HEAD" => { GET => service::metrics }
        "/openapi.json": "GET, HEAD" => { GET => docs::openapi }
        "/docs": "GET, HEAD" => { GET => docs::page }
    }
}

/// Every method and path of the API, as the documentation must have them.
#[must_use]
pub fn routes() -> Vec<(String, &'static str)> {
    let of = |endpoint: Endpoint| {
        endpoint.methods.into_iter().map(move |(method, _)| (method.to_string(), endpoint.path))
    };
    api().into_iter().flat_map(of).collect()
}

/// The pattern of the path that a request matched: what logs and metrics say instead of the path itself,
/// which has ids in it.
#[derive(Clone, Copy)]
pub(super) struct RoutePattern(pub(super) &'static str);

struct Allow(&'static str);

pub(super) fn configure(config: &mut web::ServiceConfig) {
    for endpoint in api().into_iter().chain(console::endpoints()) {
        let resource = web::resource(endpoint.path)
            .app_data(RoutePattern(endpoint.path))
            .app_data(Allow(endpoint.allow))
            .default_service(web::to(method_not_allowed));
        config.service(endpoint.methods.into_iter().fold(resource, with_method));
    }
    config.default_service(web::to(unknown_route));
}

/// `HEAD` is answered as `GET`; the connection leaves out the body.
fn with_method(resource: Resource, (method, route): (Method, Route)) -> Resource {
    resource.route(route.guard(guard::fn_guard(move |context: &GuardContext<'_>| {
        let asked = &context.head().method;
        *asked == method || (*asked == Method::HEAD && method == Method::GET)
    })))
}

async fn method_not_allowed(request: HttpRequest) -> Result<HttpResponse, ApiError> {
    Err(ApiError::method_not_allowed(request.app_data::<Allow>().map_or("", |allow| allow.0)))
}

async fn unknown_route() -> Result<HttpResponse, ApiError> {
    Err(ApiError::unknown_route())
}
