//! Where a request comes from, as the audit trail remembers it.

use actix_web::http::header::USER_AGENT;
use actix_web::{HttpMessage, HttpRequest};

use crate::http::client_address::client_address;
use crate::model::{Origin, UserAgent};

/// The id of a request, noted on it by the envelope.
pub(super) struct RequestId(pub(super) String);

/// Where `request` comes from.
pub(super) fn origin(request: &HttpRequest) -> Origin {
    let user_agent = request.headers().get(USER_AGENT);
    Origin {
        ip: request.peer_addr().map(|_| client_address(request)),
        user_agent: user_agent.map(|sent| UserAgent::cleaned(sent.as_bytes())),
        request_id: request.extensions().get::<RequestId>().map(|id| id.0.clone()),
    }
}
