//! What every response wears: a request id, the one shape where it is an error, and a line in the log.

use std::time::Instant;

use actix_web::body::{BoxBody, EitherBody, MessageBody};
use actix_web::dev::{ServiceRequest, ServiceResponse};
use actix_web::http::header::{HeaderName, HeaderValue};
use actix_web::middleware::Next;
use actix_web::web::Data;
use actix_web::{Error, HttpRequest, HttpResponse};

use crate::http::error::ApiError;
use crate::http::metrics::Metrics;
use crate::http::routes::RoutePattern;

const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// Wraps every request.
pub(super) async fn envelope<B: MessageBody + 'static>(
    request: ServiceRequest,
    next: Next<B>,
) -> Result<ServiceResponse<EitherBody<B, BoxBody>>, Error> {
    let started = Instant::now();
    let metrics = request.app_data::<Data<Metrics>>().cloned();
    let _in_flight = metrics.as_ref().map(|metrics| metrics.begin());
    let request_id = request_id(request.headers().get(REQUEST_ID));
    // Handlers and extractors answer their errors with a response that carries the error.
    let response = next.call(request).await?;
    let mut response = match response.response().error().map(|error| error_response(error, &request_id)) {
        Some(shaped) => response.into_response(shaped).map_into_right_body(),
        None => response.map_into_left_body(),
    };
    if let Ok(value) = HeaderValue::from_str(&request_id) {
        response.headers_mut().insert(REQUEST_ID, value);
    }
    if let Some(metrics) = &metrics {
        record(metrics, response.request(), response.status().as_u16(), &request_id, started);
    }
    Ok(response)
}

fn error_response(error: &Error, request_id: &str) -> HttpResponse {
    match error.as_error::<ApiError>() {
        Some(error) => {
            if let Some(cause) = error.cause() {
                tracing::error!(request_id, cause, "request failed");
            }
            error.response(request_id)
        }
        None => ApiError::of_status(error.as_response_error().status_code()).response(request_id),
    }
}

/// The caller's own id where it sent a usable one, else a fresh one.
fn request_id(sent: Option<&HeaderValue>) -> String {
    let usable = |text: &&str| {
        (1..=128).contains(&text.len())
            && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b'-'))
    };
    match sent.and_then(|value| value.to_str().ok()).filter(usable) {
        Some(text) => text.into(),
        None => format!("{:016x}", getrandom::u64().unwrap_or_default()),
    }
}

/// One line a request. Never the path, which has ids in it, nor the query.
fn record(metrics: &Metrics, request: &HttpRequest, status: u16, request_id: &str, started: Instant) {
    let route = request.app_data::<RoutePattern>().map_or("unknown", |pattern| pattern.0);
    let took = started.elapsed();
    metrics.request(request.method(), route, status, took);
    tracing::info!(
        target: "coffer::access",
        method = %request.method(),
        route,
        status,
        duration_us = took.as_micros() as u64,
        request_id,
        "request"
    );
}
