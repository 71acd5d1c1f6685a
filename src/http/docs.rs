//! `/openapi.json` and `/docs`: the API's description, in the binary.

use std::sync::LazyLock;

use actix_web::HttpResponse;
use actix_web::http::header::{CONTENT_SECURITY_POLICY, HeaderValue};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::Value;
use sha2::{Digest, Sha256};

use crate::http::docs_page;

/// The description: written by hand, held to the routes by a test here, and to every answer by the
/// black-box suite.
const OPENAPI: &str = include_str!("openapi.json");

/// The page, and the policy under which browsers show it. Rendered when it is first asked for.
static PAGE: LazyLock<(String, HeaderValue)> = LazyLock::new(|| {
    let document: Value = serde_json::from_str(OPENAPI).unwrap_or_default();
    (docs_page::render(&document), policy())
});

/// Nothing may load and nothing may run; of styles, only the page's own.
fn policy() -> HeaderValue {
    let hash = STANDARD.encode(Sha256::digest(docs_page::STYLE));
    let text = format!(
        "default-src 'none'; style-src 'sha256-{hash}'; base-uri 'none'; form-action 'none'; \
         frame-ancestors 'none'"
    );
    HeaderValue::from_str(&text).unwrap_or(HeaderValue::from_static("default-src 'none'"))
}

/// `GET /openapi.json`
pub(super) async fn openapi() -> HttpResponse {
    HttpResponse::Ok().content_type("application/json").body(OPENAPI)
}

/// `GET /docs`
pub(super) async fn page() -> HttpResponse {
    let (page, policy) = &*PAGE;
    HttpResponse::Ok()
        .content_type("text/html; charset=utf-8")
        .insert_header((CONTENT_SECURITY_POLICY, policy.clone()))
        .insert_header(("x-content-type-options", "nosniff"))
        .body(page.as_str())
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    fn document() -> Value {
        serde_json::from_str(OPENAPI).unwrap()
    }

    #[test]
    fn the_description_has_every_route_and_no_other() {
        let document = document();
        let described: BTreeSet<(String, String)> = document["paths"]
            .as_object()
            .unwrap()
            .iter()
            .flat_map(|(path, item)| {
                item.as_object().unwrap().keys().map(|method| (method.to_uppercase(), path.clone()))
            })
            .collect();
        let routed: BTreeSet<(String, String)> =
            crate::http::routes().into_iter().map(|(method, path)| (method, path.to_owned())).collect();
        assert_eq!(described, routed);
    }

    #[test]
    fn the_description_is_of_this_version() {
        assert_eq!(document()["info"]["version"], env!("CARGO_PKG_VERSION"));
    }

    #[test]
    fn the_page_shows_every_operation_and_allows_only_its_own_style() {
        let (page, policy) = &*PAGE;
        for item in document()["paths"].as_object().unwrap().values() {
            for operation in item.as_object().unwrap().values() {
                let id = operation["operationId"].as_str().unwrap();
                assert!(page.contains(&format!("id=\"{id}\"")), "{id}");
            }
        }
        assert!(page.contains(&format!("<style>{}</style>", docs_page::STYLE)));
        assert!(!page.contains("<script") && !page.contains(" style="));
        assert!(policy.to_str().unwrap().starts_with("default-src 'none'; style-src 'sha256-"));
    }
}
