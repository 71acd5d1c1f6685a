//! What a form sends: `application/x-www-form-urlencoded`, read as strictly as a query. And what is wrong with it.

use actix_web::http::header::CONTENT_TYPE;
use actix_web::{FromRequest, HttpRequest, dev};

use zeroize::Zeroizing;

use crate::http::body::Body;
use crate::http::error::{ApiError, Code};
use crate::http::query::Query;

/// The largest form, in bytes: the largest value fits where every byte of it takes three.
const MAX_BYTES: usize = 1 << 20;

/// The fields of a form.
pub(super) struct Form(Query);

/// What is wrong with a field, for whoever filled it in.
pub(super) struct Problem {
    pub(super) field: &'static str,
    pub(super) message: String,
}

impl Problem {
    pub(super) fn new(field: &'static str, message: impl Into<String>) -> Problem {
        Problem { field, message: message.into() }
    }

    /// What to say at a field.
    pub(super) fn at<'a>(problem: &'a Option<Problem>, field: &str) -> Option<&'a str> {
        problem.as_ref().filter(|problem| problem.field == field).map(|problem| problem.message.as_str())
    }
}

impl Form {
    /// Reads the form that a request brings.
    pub(super) async fn read(request: &HttpRequest, mut payload: dev::Payload) -> Result<Form, ApiError> {
        let kind = request.headers().get(CONTENT_TYPE).map_or(&b""[..], |value| value.as_bytes());
        let kind = kind.split(|byte| *byte == b';').next().unwrap_or_default();
        if !kind.trim_ascii().eq_ignore_ascii_case(b"application/x-www-form-urlencoded") {
            return Err(ApiError::new(Code::UnsupportedMediaType, "the console takes forms only"));
        }
        let body = Body::from_request(request, &mut payload).await?;
        let bytes = body.bytes_within(MAX_BYTES).await?;
        let text =
            std::str::from_utf8(&bytes).map_err(|_| ApiError::invalid_request("the form is not UTF-8"))?;
        Ok(Form(Query::parse(text)))
    }

    /// A field as it was typed; the empty text where it is missing.
    pub(super) fn text(&self, name: &str) -> Result<&str, ApiError> {
        Ok(self.0.text(name)?.unwrap_or_default())
    }

    /// A field without blanks around it.
    pub(super) fn trimmed(&self, name: &str) -> Result<&str, ApiError> {
        Ok(self.text(name)?.trim())
    }

    /// A field of several lines. Browsers send each line break as CR LF, whatever was typed; a value that came
    /// with such is shown with `line_breaks`, and keeps them.
    pub(super) fn lines(&self, name: &str) -> Result<Zeroizing<String>, ApiError> {
        let text = Zeroizing::new(self.text(name)?.replace("\r\n", "\n"));
        let keeps = self.text("line_breaks")? == "crlf";
        Ok(if keeps { Zeroizing::new(text.replace('\n', "\r\n")) } else { text })
    }

    /// Whether a box was ticked.
    pub(super) fn is_ticked(&self, name: &str) -> Result<bool, ApiError> {
        Ok(!self.text(name)?.is_empty())
    }

    /// Every value of a field that may stand several times.
    pub(super) fn texts(&self, name: &str) -> Result<Vec<&str>, ApiError> {
        self.0.texts(name)
    }
}
