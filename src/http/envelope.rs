//! What every response wears: a request id, what browsers must know, the one shape where it is an error, and a
//! line in the log.

use std::future::poll_fn;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::pin;
use std::rc::Rc;
use std::task::Poll;
use std::time::Instant;

use actix_web::body::{BoxBody, EitherBody, MessageBody};
use actix_web::dev::{ServiceRequest, ServiceResponse};
use actix_web::error::InternalError;
use actix_web::http::header::{CACHE_CONTROL, HeaderMap, HeaderName, HeaderValue};
use actix_web::http::{ConnectionType, Method, StatusCode};
use actix_web::middleware::Next;
use actix_web::web::Data;
use actix_web::{Error, HttpMessage, HttpResponse};
use zeroize::Zeroizing;

use crate::http::browser;
use crate::http::console;
use crate::http::cors::Crossing;
use crate::http::error::ApiError;
use crate::http::limits;
use crate::http::metrics::Metrics;
use crate::http::origin::RequestId;
use crate::http::quiet::Connection;
use crate::http::routes::RoutePattern;
use crate::http::traffic::Traffic;

const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// Wraps every request.
pub(super) async fn envelope<B: MessageBody + 'static>(
    request: ServiceRequest,
    next: Next<B>,
) -> Result<ServiceResponse<EitherBody<B, BoxBody>>, Error> {
    let started = Instant::now();
    let metrics = request.app_data::<Data<Metrics>>().cloned();
    let traffic = request.app_data::<Data<Traffic>>().cloned();
    if let Some(traffic) = &traffic {
        traffic.begin();
    }
    let _asking = request.conn_data::<Rc<Connection>>().map(Connection::ask);
    let request_id = request_id(request.headers().get(REQUEST_ID));
    request.extensions_mut().insert(RequestId(request_id.clone()));
    let method = request.method().clone();
    let (secure, crossing) = (request.app_config().secure(), Crossing::of(&request));
    let preflight = crossing.as_ref().and_then(|crossing| crossing.preflight(&request));
    let unmatched = if preflight.is_some() { "preflight" } else { "unknown" };
    let dress = Dress { request_id: &request_id, secure, crossing };
    let page = console::Asked::of(request.request());
    let refusal = |error: &ApiError, typed: Option<Zeroizing<String>>| match &page {
        Some(page) => page.refusal(error, &request_id, typed),
        None => error.response(&request_id),
    };
    // A preflight is not counted: the request that it asks for is.
    let at_once = preflight.or_else(|| limits::admit(&request).err().map(|error| refusal(&error, None)));
    let mut response = match at_once {
        Some(response) => request.into_response(response).map_into_right_body(),
        None => {
            // Handlers and extractors answer their errors with a response that carries the error.
            let Some(answered) = unless_it_panics(next.call(request)).await else {
                tracing::error!(request_id, "a handler panicked");
                let error = ApiError::of_status(StatusCode::INTERNAL_SERVER_ERROR);
                let mut response = refusal(&error, None);
                dress.put_on(response.headers_mut());
                let status = response.status();
                let line = Line { method: &method, route: unmatched, status, request_id: &request_id };
                line.record(metrics.as_ref(), started);
                return Err(InternalError::from_response(error, response).into());
            };
            let response = answered?;
            let shape = |error: &ApiError| refusal(error, console::typed(response.request()));
            match response.response().error().map(|error| error_response(error, &request_id, shape)) {
                Some(shaped) => response.into_response(shaped).map_into_right_body(),
                None => response.map_into_left_body(),
            }
        }
    };
    dress.put_on(response.headers_mut());
    limits::tell(&mut response);
    if traffic.is_some_and(|traffic| traffic.is_stopping()) {
        response.response_mut().head_mut().set_connection_type(ConnectionType::Close);
    }
    let route = response.request().app_data::<RoutePattern>().map_or(unmatched, |pattern| pattern.0);
    let line = Line { method: &method, route, status: response.status(), request_id: &request_id };
    line.record(metrics.as_ref(), started);
    Ok(response)
}

/// The headers that every response to a request has, whatever it says.
struct Dress<'a> {
    request_id: &'a str,
    /// Whether it came under TLS.
    secure: bool,
    crossing: Option<Crossing>,
}

impl Dress<'_> {
    fn put_on(&self, headers: &mut HeaderMap) {
        browser::protect(headers, self.secure);
        if let Some(crossing) = &self.crossing {
            crossing.admit(headers);
        }
        if let Ok(value) = HeaderValue::from_str(self.request_id) {
            headers.insert(REQUEST_ID, value);
        }
        // The credential is no `Authorization` header, so a shared cache does not know that an answer is for
        // one caller only.
        if !headers.contains_key(CACHE_CONTROL) {
            headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
        }
    }
}

/// What `future` yields; `None` where it panics. A fault in one request is no reason to drop a connection
/// that others of the client's share.
async fn unless_it_panics<F: Future>(future: F) -> Option<F::Output> {
    let mut future = pin!(future);
    poll_fn(|context| match catch_unwind(AssertUnwindSafe(|| future.as_mut().poll(context))) {
        Ok(polled) => polled.map(Some),
        Err(_) => Poll::Ready(None),
    })
    .await
}

fn error_response(
    error: &Error,
    request_id: &str,
    refusal: impl Fn(&ApiError) -> HttpResponse,
) -> HttpResponse {
    match error.as_error::<ApiError>() {
        Some(error) => {
            if let Some(cause) = error.cause() {
                tracing::error!(request_id, cause, "request failed");
            }
            refusal(error)
        }
        None => refusal(&ApiError::of_status(error.as_response_error().status_code())),
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

/// What is told of a request. Never the path, which has ids in it, nor the query.
struct Line<'a> {
    method: &'a Method,
    route: &'static str,
    status: StatusCode,
    request_id: &'a str,
}

impl Line<'_> {
    fn record(&self, metrics: Option<&Data<Metrics>>, started: Instant) {
        let took = started.elapsed();
        if let Some(metrics) = metrics {
            metrics.request(self.method, self.route, self.status.as_u16(), took);
        }
        tracing::info!(
            target: "coffer::access",
            method = %self.method,
            route = self.route,
            status = self.status.as_u16(),
            duration_us = took.as_micros() as u64,
            request_id = self.request_id,
            "request"
        );
    }
}

#[cfg(test)]
mod tests {
    use actix_web::middleware::from_fn;
    use actix_web::{App, test, web};

    use super::*;
    use crate::store::embedded::Stats;

    async fn panicking() -> HttpResponse {
        panic!("with something secret")
    }

    #[actix_web::test]
    async fn a_handler_that_panics_is_a_500_in_the_one_shape() {
        let metrics = Data::new(Metrics::new(|| (Stats::default(), None)));
        let app = App::new().app_data(metrics.clone()).wrap(from_fn(envelope));
        let app = app.route("/", web::get().to(panicking));
        let app = test::init_service(app).await;
        let request = test::TestRequest::get().uri("/").insert_header(("x-request-id", "mine")).to_request();
        let error = test::try_call_service(&app, request).await.err().map(|error| error.error_response());
        let response =
            error.filter(|response| response.status() == 500 && response.headers().contains_key(REQUEST_ID));
        let body = response.map(HttpResponse::into_body).unwrap();
        let text = actix_web::body::to_bytes(body).await.unwrap_or_default();
        let body: serde_json::Value = serde_json::from_slice(&text).unwrap();
        assert_eq!(body["error_code"], "INTERNAL_ERROR");
        assert_eq!(body["request_id"], "mine");
        assert!(!String::from_utf8_lossy(&text).contains("secret"));
        assert!(metrics.text().contains("status=\"500\""), "it is counted");
    }
}
