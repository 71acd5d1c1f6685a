//! JSON bodies, read strictly: one object, no field twice, and errors that name a field, never its content.

use std::collections::BTreeMap;
use std::fmt;
use std::future::{Ready, ready};
use std::time::Duration;

use actix_web::http::header::{CONTENT_LENGTH, CONTENT_TYPE};
use actix_web::web::{Bytes, Payload};
use actix_web::{FromRequest, HttpRequest, dev};
use serde::Deserialize;
use serde::de::{Deserializer, Error as _, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Value};

use crate::http::error::{ApiError, Code};

/// The largest body, in bytes.
const MAX_BYTES: usize = 524_288;
/// How long a client may take to send one.
const TIME_LIMIT: Duration = Duration::from_secs(30);

/// A body that has not been read yet, so that the credential is checked first.
pub(super) struct Body {
    payload: Payload,
    is_json: bool,
    announced: Option<usize>,
}

/// The fields of a JSON object.
pub(super) struct Fields(Map<String, Value>);

impl FromRequest for Body {
    type Error = ApiError;
    type Future = Ready<Result<Body, ApiError>>;

    fn from_request(request: &HttpRequest, payload: &mut dev::Payload) -> Self::Future {
        let headers = request.headers();
        let payload = Payload::from_request(request, payload).into_inner();
        ready(payload.map_err(|_| ApiError::invalid_request("the body did not arrive whole")).map(
            |payload| Body {
                payload,
                is_json: headers.get(CONTENT_TYPE).is_none_or(|value| is_json(value.as_bytes())),
                announced: headers.get(CONTENT_LENGTH).and_then(|value| value.to_str().ok()?.parse().ok()),
            },
        ))
    }
}

fn is_json(content_type: &[u8]) -> bool {
    let essence = content_type.split(|byte| *byte == b';').next().unwrap_or_default();
    essence.trim_ascii().eq_ignore_ascii_case(b"application/json")
}

impl Body {
    /// Reads the body as a JSON object.
    pub(super) async fn fields(self) -> Result<Fields, ApiError> {
        self.fields_within(MAX_BYTES).await
    }

    /// Reads the body as a JSON object, where it may have up to `max` bytes.
    pub(super) async fn fields_within(self, max: usize) -> Result<Fields, ApiError> {
        if !self.is_json {
            return Err(ApiError::new(
                Code::UnsupportedMediaType,
                "the body must be sent with content-type: application/json",
            ));
        }
        let bytes = self.bytes_within(max).await?;
        let text =
            std::str::from_utf8(&bytes).map_err(|_| ApiError::invalid_request("the body is not UTF-8"))?;
        match serde_json::from_str::<Strict>(text) {
            Ok(Strict(Value::Object(fields))) => Ok(Fields(fields)),
            Ok(_) => Err(ApiError::invalid_request("the body must be a JSON object")),
            // The parser's own words may quote what it met.
            Err(error) if error.is_data() => Err(ApiError::invalid_request(format!(
                "the body has a field twice (line {}, column {})",
                error.line(),
                error.column()
            ))),
            Err(error) => Err(ApiError::invalid_request(format!(
                "the body is not valid JSON (line {}, column {})",
                error.line(),
                error.column()
            ))),
        }
    }

    /// Reads the body as it is, where it may have up to `max` bytes.
    pub(super) async fn bytes_within(self, max: usize) -> Result<Bytes, ApiError> {
        tokio::time::timeout(TIME_LIMIT, self.read(max))
            .await
            .map_err(|_| ApiError::new(Code::RequestTimeout, "the body took too long to arrive"))?
    }

    async fn read(self, max: usize) -> Result<Bytes, ApiError> {
        let too_large = || ApiError::new(Code::PayloadTooLarge, format!("a body is at most {max} bytes"));
        if self.announced.is_some_and(|bytes| bytes > max) {
            return Err(too_large());
        }
        let bytes = self.payload.to_bytes_limited(max).await.map_err(|_| too_large())?;
        bytes.map_err(|_| ApiError::invalid_request("the body did not arrive whole"))
    }
}

impl Fields {
    /// A text that may be left out; null counts as left out.
    pub(super) fn text(&mut self, field: &str) -> Result<Option<String>, ApiError> {
        match self.0.remove(field) {
            None | Some(Value::Null) => Ok(None),
            Some(Value::String(text)) => Ok(Some(text)),
            Some(_) => Err(ApiError::invalid_request(format!("{field} must be a string"))),
        }
    }

    /// A text that must be there.
    pub(super) fn required_text(&mut self, field: &str) -> Result<String, ApiError> {
        self.text(field)?.ok_or_else(|| ApiError::invalid_request(format!("{field} is required")))
    }

    /// A text that may be left out, as a `T`.
    pub(super) fn parsed<T>(&mut self, field: &str) -> Result<Option<T>, ApiError>
    where
        T: std::str::FromStr<Err = crate::model::Invalid>,
    {
        self.text(field)?
            .map(|text| text.parse().map_err(|invalid| crate::vault::Error::from(invalid).into()))
            .transpose()
    }

    /// A text that must be there, as a `T`.
    pub(super) fn required<T>(&mut self, field: &str) -> Result<T, ApiError>
    where
        T: std::str::FromStr<Err = crate::model::Invalid>,
    {
        self.parsed(field)?.ok_or_else(|| ApiError::invalid_request(format!("{field} is required")))
    }

    /// These fields, and those below `field`, which win where they are not null.
    pub(super) fn nested(mut self, field: &str) -> Result<Fields, ApiError> {
        match self.0.remove(field) {
            None | Some(Value::Null) => Ok(self),
            Some(Value::Object(nested)) => {
                self.0.extend(nested.into_iter().filter(|(_, value)| !value.is_null()));
                Ok(self)
            }
            Some(_) => Err(ApiError::invalid_request(format!("{field} must be an object"))),
        }
    }

    /// An object of texts, of which each may be null; none where it is left out.
    pub(super) fn text_map(&mut self, field: &str) -> Result<BTreeMap<String, Option<String>>, ApiError> {
        let wrong = || ApiError::invalid_request(format!("{field} must be an object of strings"));
        match self.0.remove(field) {
            None | Some(Value::Null) => Ok(BTreeMap::new()),
            Some(Value::Object(entries)) => entries
                .into_iter()
                .map(|(key, entry)| match entry {
                    Value::String(text) => Ok((key, Some(text))),
                    Value::Null => Ok((key, None)),
                    _ => Err(wrong()),
                })
                .collect(),
            Some(_) => Err(wrong()),
        }
    }

    /// A boolean that may be left out.
    pub(super) fn boolean(&mut self, field: &str) -> Result<Option<bool>, ApiError> {
        match self.0.remove(field) {
            None | Some(Value::Null) => Ok(None),
            Some(Value::Bool(flag)) => Ok(Some(flag)),
            Some(_) => Err(ApiError::invalid_request(format!("{field} must be true or false"))),
        }
    }

    /// A positive whole number that may be left out.
    pub(super) fn positive(&mut self, field: &str) -> Result<Option<u64>, ApiError> {
        match self.0.remove(field) {
            None | Some(Value::Null) => Ok(None),
            Some(Value::Number(number)) if number.as_u64().is_some_and(|number| number > 0) => {
                Ok(number.as_u64())
            }
            Some(_) => Err(ApiError::invalid_request(format!("{field} must be a positive integer"))),
        }
    }

    /// An array of objects that must be there.
    pub(super) fn objects(&mut self, field: &str) -> Result<Vec<Fields>, ApiError> {
        let wrong = || ApiError::invalid_request(format!("{field} must be an array of objects"));
        let Some(Value::Array(items)) = self.0.remove(field) else { return Err(wrong()) };
        items
            .into_iter()
            .map(|item| if let Value::Object(fields) = item { Ok(Fields(fields)) } else { Err(wrong()) })
            .collect()
    }

    /// An array of texts that may be left out.
    pub(super) fn texts(&mut self, field: &str) -> Result<Option<Vec<String>>, ApiError> {
        let wrong = || ApiError::invalid_request(format!("{field} must be an array of strings"));
        match self.0.remove(field) {
            None | Some(Value::Null) => Ok(None),
            Some(Value::Array(items)) => items
                .into_iter()
                .map(|item| if let Value::String(text) = item { Ok(text) } else { Err(wrong()) })
                .collect::<Result<_, _>>()
                .map(Some),
            Some(_) => Err(wrong()),
        }
    }
}

/// A JSON value in which no object has a field twice.
struct Strict(Value);

impl<'de> Deserialize<'de> for Strict {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Strict, D::Error> {
        deserializer.deserialize_any(StrictVisitor).map(Strict)
    }
}

struct StrictVisitor;

impl<'de> Visitor<'de> for StrictVisitor {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JSON")
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_bool<E>(self, flag: bool) -> Result<Value, E> {
        Ok(Value::Bool(flag))
    }

    fn visit_i64<E>(self, number: i64) -> Result<Value, E> {
        Ok(number.into())
    }

    fn visit_u64<E>(self, number: u64) -> Result<Value, E> {
        Ok(number.into())
    }

    fn visit_f64<E>(self, number: f64) -> Result<Value, E> {
        Ok(number.into())
    }

    fn visit_str<E>(self, text: &str) -> Result<Value, E> {
        Ok(Value::String(text.into()))
    }

    fn visit_string<E>(self, text: String) -> Result<Value, E> {
        Ok(Value::String(text))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Value, A::Error> {
        let mut array = Vec::new();
        while let Some(Strict(item)) = items.next_element()? {
            array.push(item);
        }
        Ok(Value::Array(array))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<Value, A::Error> {
        let mut object = Map::new();
        while let Some((field, Strict(value))) = entries.next_entry::<String, Strict>()? {
            if object.insert(field, value).is_some() {
                return Err(A::Error::custom("a field stands twice"));
            }
        }
        Ok(Value::Object(object))
    }
}
