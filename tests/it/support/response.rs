//! An answer, and the checks that it must pass.

use serde_json::Value;

/// An answer.
#[derive(Debug, Clone)]
pub(crate) struct Response {
    /// The status line's number.
    pub(crate) status: u16,
    /// Header names in lower case, in the order they came.
    pub(crate) headers: Vec<(String, String)>,
    /// The payload, without its transfer coding.
    pub(crate) body: Vec<u8>,
}

impl Response {
    /// The first header of that name.
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(given, _)| given == name).map(|(_, value)| value.as_str())
    }

    /// The body as text.
    pub(crate) fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    /// The body as JSON.
    #[track_caller]
    pub(crate) fn json(&self) -> Value {
        assert_eq!(self.header("content-type"), Some("application/json"), "{}", self.text());
        serde_json::from_slice(&self.body).unwrap_or_else(|error| panic!("{error}: {}", self.text()))
    }

    /// The body of a 200.
    #[track_caller]
    pub(crate) fn ok(&self) -> Value {
        assert_eq!(self.status, 200, "{}", self.text());
        self.json()
    }

    /// The body of a 201.
    #[track_caller]
    pub(crate) fn created(&self) -> Value {
        assert_eq!(self.status, 201, "{}", self.text());
        self.json()
    }

    /// Checks a failure in all of its shape, and returns its message.
    #[track_caller]
    pub(crate) fn error(&self, status: u16, code: &str) -> String {
        assert_eq!(self.status, status, "expected {code}: {}", self.text());
        let body = self.json();
        super::check_fields(&body, "status_code http_error_type error error_code message request_id");
        assert_eq!(body["status_code"], status, "{body}");
        assert_eq!(body["http_error_type"], error_type(status), "{body}");
        assert_eq!(body["error_code"], code, "{body}");
        assert_eq!(body["error"], code, "{body}");
        let request_id = self.header("x-request-id").expect("x-request-id on every answer");
        assert_eq!(body["request_id"], request_id);
        let message = body["message"].as_str().expect("a message").to_owned();
        assert!(!message.is_empty());
        message
    }

    /// [`Response::error`], and the message too.
    #[track_caller]
    pub(crate) fn error_saying(&self, status: u16, code: &str, message: &str) {
        assert_eq!(self.error(status, code), message);
    }
}

fn error_type(status: u16) -> &'static str {
    match status {
        400 => "BAD_REQUEST",
        401 => "UNAUTHORIZED",
        403 => "FORBIDDEN",
        404 => "NOT_FOUND",
        405 => "METHOD_NOT_ALLOWED",
        408 => "REQUEST_TIMEOUT",
        409 => "CONFLICT",
        412 => "PRECONDITION_FAILED",
        413 => "PAYLOAD_TOO_LARGE",
        415 => "UNSUPPORTED_MEDIA_TYPE",
        429 => "TOO_MANY_REQUESTS",
        500 => "INTERNAL_SERVER_ERROR",
        503 => "SERVICE_UNAVAILABLE",
        507 => "INSUFFICIENT_STORAGE",
        other => panic!("no failure has the status {other}"),
    }
}
