//! The one table of errors, and the one shape in which they are sent.

use std::fmt;

use actix_web::http::StatusCode;
use actix_web::http::header::{ALLOW, CONTENT_TYPE, HeaderValue, RETRY_AFTER, WWW_AUTHENTICATE};
use actix_web::{HttpResponse, ResponseError};
use serde::Serialize;

use crate::{store, vault};

/// What clients branch on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Code {
    InvalidCredentials,
    InvalidToken,
    Forbidden,
    ResourceNotFound,
    MethodNotAllowed,
    RequestTimeout,
    TooManyRequests,
    DuplicateDefinition,
    DuplicateLinkedAccount,
    DefinitionInUse,
    VersionConflict,
    PayloadTooLarge,
    UnsupportedMediaType,
    ValueFormatMismatch,
    UnresolvedReference,
    ScopeMismatch,
    InvalidLinkedAccountId,
    InvalidRequest,
    InternalError,
    StoreUnavailable,
    StoreFull,
}

impl Code {
    fn row(self) -> (&'static str, StatusCode) {
        match self {
            Code::InvalidCredentials => ("INVALID_CREDENTIALS", StatusCode::UNAUTHORIZED),
            Code::InvalidToken => ("INVALID_TOKEN", StatusCode::UNAUTHORIZED),
            Code::Forbidden => ("FORBIDDEN", StatusCode::FORBIDDEN),
            Code::ResourceNotFound => ("RESOURCE_NOT_FOUND", StatusCode::NOT_FOUND),
            Code::MethodNotAllowed => ("METHOD_NOT_ALLOWED", StatusCode::METHOD_NOT_ALLOWED),
            Code::RequestTimeout => ("REQUEST_TIMEOUT", StatusCode::REQUEST_TIMEOUT),
            Code::TooManyRequests => ("TOO_MANY_REQUESTS", StatusCode::TOO_MANY_REQUESTS),
            Code::DuplicateDefinition => ("DUPLICATE_DEFINITION", StatusCode::CONFLICT),
            Code::DuplicateLinkedAccount => ("DUPLICATE_LINKED_ACCOUNT", StatusCode::CONFLICT),
            Code::DefinitionInUse => ("DEFINITION_IN_USE", StatusCode::CONFLICT),
            Code::VersionConflict => ("VERSION_CONFLICT", StatusCode::PRECONDITION_FAILED),
            Code::PayloadTooLarge => ("PAYLOAD_TOO_LARGE", StatusCode::PAYLOAD_TOO_LARGE),
            Code::UnsupportedMediaType => ("UNSUPPORTED_MEDIA_TYPE", StatusCode::UNSUPPORTED_MEDIA_TYPE),
            Code::ValueFormatMismatch => ("VALUE_FORMAT_MISMATCH", StatusCode::BAD_REQUEST),
            Code::UnresolvedReference => ("UNRESOLVED_REFERENCE", StatusCode::BAD_REQUEST),
            Code::ScopeMismatch => ("SCOPE_MISMATCH", StatusCode::BAD_REQUEST),
            Code::InvalidLinkedAccountId => ("INVALID_LINKED_ACCOUNT_ID", StatusCode::BAD_REQUEST),
            Code::InvalidRequest => ("INVALID_REQUEST", StatusCode::BAD_REQUEST),
            Code::InternalError => ("INTERNAL_ERROR", StatusCode::INTERNAL_SERVER_ERROR),
            Code::StoreUnavailable => ("STORE_UNAVAILABLE", StatusCode::SERVICE_UNAVAILABLE),
            Code::StoreFull => ("STORE_FULL", StatusCode::INSUFFICIENT_STORAGE),
        }
    }
}

/// A failure on its way to the client.
#[derive(Debug)]
pub(super) struct ApiError {
    code: Code,
    message: String,
    /// The methods that the resource has, of a request with another.
    allow: Option<&'static str>,
    /// How many seconds to wait, of a request that came too soon.
    retry_after: Option<u64>,
    /// What went wrong inside: for the operator's log, since the client can do nothing with it.
    cause: Option<String>,
}

impl ApiError {
    pub(super) fn new(code: Code, message: impl Into<String>) -> ApiError {
        ApiError { code, message: message.into(), allow: None, retry_after: None, cause: None }
    }

    pub(super) fn invalid_request(message: impl Into<String>) -> ApiError {
        ApiError::new(Code::InvalidRequest, message)
    }

    pub(super) fn method_not_allowed(allow: &'static str) -> ApiError {
        ApiError {
            allow: Some(allow),
            ..ApiError::new(Code::MethodNotAllowed, "the resource does not have this method")
        }
    }

    pub(super) fn too_many_requests(retry_after: u64) -> ApiError {
        ApiError {
            retry_after: Some(retry_after),
            ..ApiError::new(Code::TooManyRequests, format!("too many requests: wait {retry_after} s"))
        }
    }

    pub(super) fn unknown_route() -> ApiError {
        ApiError::new(Code::ResourceNotFound, "no such route; /docs describes those that there are")
    }

    /// What stands for a failure that a layer below found in its own words, which may quote the request.
    pub(super) fn of_status(status: StatusCode) -> ApiError {
        match status {
            StatusCode::NOT_FOUND => ApiError::unknown_route(),
            StatusCode::METHOD_NOT_ALLOWED => ApiError::method_not_allowed(""),
            StatusCode::PAYLOAD_TOO_LARGE => ApiError::new(Code::PayloadTooLarge, "the request is too large"),
            StatusCode::REQUEST_TIMEOUT => {
                ApiError::new(Code::RequestTimeout, "the request took too long to arrive")
            }
            status if status.is_client_error() => ApiError::invalid_request("the request is malformed"),
            _ => ApiError::new(Code::InternalError, "internal error"),
        }
    }

    pub(super) fn cause(&self) -> Option<&str> {
        self.cause.as_deref()
    }

    /// The response, in the one shape.
    pub(super) fn response(&self, request_id: &str) -> HttpResponse {
        let (name, status) = self.code.row();
        let body = ErrorBody {
            status_code: status.as_u16(),
            http_error_type: error_type(status),
            error: name,
            error_code: name,
            message: &self.message,
            request_id,
        };
        let mut response = HttpResponse::build(status);
        response.insert_header((CONTENT_TYPE, HeaderValue::from_static("application/json")));
        if let Some(allow) = self.allow {
            response.insert_header((ALLOW, HeaderValue::from_static(allow)));
        }
        if let Some(seconds) = self.retry_after {
            response.insert_header((RETRY_AFTER, HeaderValue::from(seconds)));
        }
        match status {
            // RFC 9110, section 11.6.1: a 401 names a way to authenticate.
            StatusCode::UNAUTHORIZED => {
                response.insert_header((WWW_AUTHENTICATE, HeaderValue::from_static("Bearer")));
            }
            StatusCode::SERVICE_UNAVAILABLE => {
                response.insert_header((RETRY_AFTER, HeaderValue::from_static("1")));
            }
            _ => {}
        }
        response.body(serde_json::to_vec(&body).unwrap_or_default())
    }
}

#[derive(Serialize)]
struct ErrorBody<'a> {
    status_code: u16,
    http_error_type: String,
    error: &'static str,
    error_code: &'static str,
    message: &'a str,
    request_id: &'a str,
}

/// The status's name in upper snake case.
fn error_type(status: StatusCode) -> String {
    let name = status.canonical_reason().unwrap_or("Error");
    name.chars().map(|c| if c.is_ascii_alphanumeric() { c.to_ascii_uppercase() } else { '_' }).collect()
}

impl fmt::Display for ApiError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl ResponseError for ApiError {
    fn status_code(&self) -> StatusCode {
        self.code.row().1
    }

    /// Only the status: the envelope writes the body, since it knows the request's id.
    fn error_response(&self) -> HttpResponse {
        HttpResponse::new(self.status_code())
    }
}

impl From<vault::Error> for ApiError {
    fn from(error: vault::Error) -> ApiError {
        use vault::Error as E;
        let code = match &error {
            E::InvalidCredentials => Code::InvalidCredentials,
            E::InvalidToken => Code::InvalidToken,
            E::Forbidden(_) | E::KeyBeyondYours(_) => Code::Forbidden,
            E::NotFound(_) | E::UnknownVariables(_) => Code::ResourceNotFound,
            E::DuplicateDefinition(_) => Code::DuplicateDefinition,
            E::DuplicateLinkedAccount(_) => Code::DuplicateLinkedAccount,
            E::DefinitionInUse(_) => Code::DefinitionInUse,
            E::VersionConflict => Code::VersionConflict,
            E::ValueFormatMismatch | E::MisfitVariables(_) => Code::ValueFormatMismatch,
            E::UnresolvedReferences(_) => Code::UnresolvedReference,
            E::ScopeMismatch(_) => Code::ScopeMismatch,
            E::InvalidLinkedAccount(_) => Code::InvalidLinkedAccountId,
            E::InvalidRequest(_) | E::InvalidKey(..) => Code::InvalidRequest,
            E::TooLarge(_) | E::Store(store::Error::TooLarge) => Code::PayloadTooLarge,
            E::Store(store::Error::Busy | store::Error::Conflict | store::Error::Unavailable(_)) => {
                Code::StoreUnavailable
            }
            E::Store(store::Error::Full) => Code::StoreFull,
            E::Store(store::Error::Damaged(_)) | E::Unsealable(_) | E::NoRandomness(_) => Code::InternalError,
        };
        let message = match code {
            Code::InternalError => "internal error",
            Code::StoreUnavailable => "the store cannot write now; whether this write was made is not known",
            _ => return ApiError::new(code, error.to_string()),
        };
        ApiError { cause: Some(error.to_string()), ..ApiError::new(code, message) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_error_type_is_the_statuss_name_in_upper_snake_case() {
        assert_eq!(error_type(StatusCode::BAD_REQUEST), "BAD_REQUEST");
        assert_eq!(error_type(StatusCode::NOT_FOUND), "NOT_FOUND");
        assert_eq!(error_type(StatusCode::INSUFFICIENT_STORAGE), "INSUFFICIENT_STORAGE");
    }
}
