//! `/openapi.json` and `/docs`: the API's description, in the binary.

use actix_web::HttpResponse;

const OPENAPI: &str = include_str!("openapi.json");

/// `GET /openapi.json`
pub(super) async fn openapi() -> HttpResponse {
    HttpResponse::Ok().content_type("application/json").body(OPENAPI)
}

/// `GET /docs`
pub(super) async fn page() -> HttpResponse {
    HttpResponse::Ok().content_type("text/html; charset=utf-8").body("<!doctype html><title>coffer</title>")
}
