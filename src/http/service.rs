//! Endpoints about the service itself: alive, ready, measured. They need no credential and show nothing of
//! what is stored.

use actix_web::HttpResponse;
use actix_web::http::header::CONTENT_TYPE;
use actix_web::web::Data;

use crate::http::error::{ApiError, Code};
use crate::http::metrics::Metrics;
use crate::vault::Vault;

/// `GET /healthz`: the process answers.
pub(super) async fn healthz() -> HttpResponse {
    HttpResponse::Ok().content_type("application/json").body(r#"{"status":"ok"}"#)
}

/// `GET /readyz`: the store is open, its keys are unlocked, and its last commit succeeded.
pub(super) async fn readyz(vault: Data<Vault>) -> Result<HttpResponse, ApiError> {
    if vault.is_writable() {
        Ok(HttpResponse::Ok().content_type("application/json").body(r#"{"status":"ready"}"#))
    } else {
        Err(ApiError::new(Code::StoreUnavailable, "the store cannot write"))
    }
}

/// `GET /metrics`: in Prometheus's text format.
pub(super) async fn metrics(metrics: Data<Metrics>, vault: Data<Vault>) -> HttpResponse {
    metrics.look_at(&vault).await;
    HttpResponse::Ok()
        .insert_header((CONTENT_TYPE, "application/openmetrics-text; version=1.0.0; charset=utf-8"))
        .body(metrics.text())
}
