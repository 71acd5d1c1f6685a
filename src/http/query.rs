//! The query of a request, read strictly: a parameter that stands twice or is not UTF-8 is refused where it
//! is asked for, and one that nobody asks for is ignored.

use std::borrow::Cow;
use std::future::{Ready, ready};

use actix_web::dev::Payload;
use actix_web::{FromRequest, HttpRequest};
use percent_encoding::percent_decode;

use crate::http::error::ApiError;
use crate::vault::PageRequest;

/// The parameters of a query, decoded (`application/x-www-form-urlencoded`).
pub(super) struct Query(Vec<(Vec<u8>, Vec<u8>)>);

impl Query {
    pub(super) fn of(request: &HttpRequest) -> Query {
        Query::parse(request.query_string())
    }

    /// Reads what is written as a query, as forms are too.
    pub(super) fn parse(text: &str) -> Query {
        let pairs = text.split('&').filter(|pair| !pair.is_empty());
        Query(
            pairs
                .map(|pair| {
                    let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
                    (decode(name), decode(value))
                })
                .collect(),
        )
    }

    /// The parameter as it was sent, the empty text included.
    pub(super) fn text(&self, name: &str) -> Result<Option<&str>, ApiError> {
        let mut values = self.0.iter().filter(|(key, _)| key == name.as_bytes()).map(|(_, value)| value);
        match (values.next(), values.next()) {
            (None, _) => Ok(None),
            (Some(value), None) => std::str::from_utf8(value)
                .map(Some)
                .map_err(|_| ApiError::invalid_request(format!("{name} is not UTF-8"))),
            (Some(_), Some(_)) => Err(ApiError::invalid_request(format!("{name} stands twice in the query"))),
        }
    }

    /// Every value of a parameter that may stand several times.
    pub(super) fn texts(&self, name: &str) -> Result<Vec<&str>, ApiError> {
        let values = self.0.iter().filter(|(key, _)| key == name.as_bytes());
        values
            .map(|(_, value)| {
                std::str::from_utf8(value)
                    .map_err(|_| ApiError::invalid_request(format!("{name} is not UTF-8")))
            })
            .collect()
    }

    /// The parameter, where an empty one counts as absent.
    pub(super) fn filter(&self, name: &str) -> Result<Option<&str>, ApiError> {
        Ok(self.text(name)?.filter(|text| !text.is_empty()))
    }

    /// A parameter that is `true` or `false`; absent or empty: `false`.
    pub(super) fn flag(&self, name: &str) -> Result<bool, ApiError> {
        match self.filter(name)? {
            None | Some("false") => Ok(false),
            Some("true") => Ok(true),
            Some(_) => Err(ApiError::invalid_request(format!("{name} must be true or false"))),
        }
    }

    /// `page` and `limit`.
    pub(super) fn page(&self) -> Result<PageRequest, ApiError> {
        Ok(PageRequest::parse(self.text("page")?, self.text("limit")?)?)
    }
}

fn decode(text: &str) -> Vec<u8> {
    let spaced: Cow<'_, str> = if text.contains('+') { text.replace('+', " ").into() } else { text.into() };
    percent_decode(spaced.as_bytes()).collect()
}

impl FromRequest for Query {
    type Error = ApiError;
    type Future = Ready<Result<Query, ApiError>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        ready(Ok(Query::of(request)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parameters_are_decoded_and_read_strictly() {
        let query = Query::parse("a=1&b=mark%40acme.com&c=x+y&d=&e&f=%ff&g=1&g=2&h=%2B");
        assert_eq!(query.text("a").unwrap(), Some("1"));
        assert_eq!(query.text("b").unwrap(), Some("mark@acme.com"));
        assert_eq!(query.text("c").unwrap(), Some("x y"));
        assert_eq!(query.text("d").unwrap(), Some(""));
        assert_eq!(query.filter("d").unwrap(), None);
        assert_eq!(query.text("e").unwrap(), Some(""));
        assert_eq!(query.text("h").unwrap(), Some("+"));
        assert!(query.text("f").is_err());
        assert!(query.text("g").is_err());
        assert_eq!(query.text("z").unwrap(), None);
    }
}
