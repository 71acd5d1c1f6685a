//! One request and its answer: blocking, within a time limit, straight to the server that was named.

use std::ffi::OsString;
use std::io::Read;
use std::time::Duration;

use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use serde::Serialize;
use serde::de::DeserializeOwned;
use ureq::config::ConfigBuilder;
use ureq::http::{HeaderValue, Response};
use ureq::typestate::{AgentScope, WithoutBody};
use url::Url;
use zeroize::Zeroizing;

use crate::client::{ClientError, Context, Credential, trust};

/// The server where none is named.
const DEFAULT_URL: &str = "http://127.0.0.1:8080";
/// Where the endpoints live.
const BASE: &str = "/api/v2/public";

/// How long a connection, and then each wait for a part of an answer, may take.
const PATIENCE: Duration = Duration::from_secs(5);
/// The same of an answer to a change, which waits for a disk.
const PATIENCE_FOR_CHANGES: Duration = Duration::from_secs(30);
/// How long the rest of an answer may take.
const PATIENCE_FOR_BODY: Duration = Duration::from_secs(30);
/// The statuses that mean something of their own.
const OK: u16 = 200;
const NOT_MODIFIED: u16 = 304;
/// More than any answer has: all of an organization's variables at their longest.
const MAX_ANSWER: u64 = 256 << 20;

/// The body of an answer.
pub struct Body {
    url: String,
    bytes: Zeroizing<Vec<u8>>,
    tag: Option<String>,
}

impl Body {
    /// The `ETag` that came with it.
    #[must_use]
    pub fn tag(&self) -> Option<&str> {
        self.tag.as_deref()
    }

    /// The bytes.
    #[must_use]
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// The body as what it should be.
    ///
    /// # Errors
    /// When it is something else.
    pub fn parse<T: DeserializeOwned>(&self) -> Result<T, ClientError> {
        serde_json::from_slice(&self.bytes).map_err(|error| ClientError::NotUnderstood {
            url: self.url.clone(),
            // Where it was noticed; the text of the error could quote a value.
            why: format!("line {}, column {} of the answer", error.line(), error.column()),
        })
    }
}

/// A server, and who asks it.
pub struct Api {
    agent: ureq::Agent,
    url: String,
    credential: Credential,
}

impl Api {
    /// The server at `url`, else at `COFFER_URL`, asked with the credential that the environment gives.
    ///
    /// # Errors
    /// Where the address, the credential or the certificates to trust are missing or wrong.
    pub fn find(url: Option<&str>, variable: impl Fn(&str) -> Option<OsString>) -> Result<Api, ClientError> {
        let from_environment =
            match variable("COFFER_URL").filter(|url| !url.is_empty()).map(OsString::into_string) {
                Some(Ok(url)) => Some(url),
                Some(Err(_)) => return Err(ClientError::setup("COFFER_URL is not text")),
                None => None,
            };
        let url = server_url(url.or(from_environment.as_deref()).unwrap_or(DEFAULT_URL))?;
        let credential = Credential::find(&variable)?;
        let mut config = agent_config()
            .timeout_connect(Some(PATIENCE))
            .timeout_send_body(Some(PATIENCE_FOR_BODY))
            .timeout_recv_body(Some(PATIENCE_FOR_BODY));
        if url.starts_with("https:") {
            config = config.tls_config(trust::config(&variable)?);
        }
        Ok(Api { agent: config.build().new_agent(), url, credential })
    }

    /// The server's address, without a slash at its end.
    #[must_use]
    pub fn url(&self) -> &str {
        &self.url
    }

    /// Who asks.
    #[must_use]
    pub fn credential(&self) -> &Credential {
        &self.credential
    }

    /// `GET`
    ///
    /// # Errors
    /// Where no answer comes, or a refusal does.
    pub fn get(&self, path: &str, context: &Context, query: &[(&str, &str)]) -> Result<Body, ClientError> {
        let request = self.request(path, context, query)?;
        let patient = request.config().timeout_recv_response(Some(PATIENCE)).timeout_per_read(Some(PATIENCE));
        self.answer(patient.build().call())
    }

    /// `GET` where the answer is not the one with this `ETag`; `None` where it is.
    ///
    /// # Errors
    /// As [`Api::get`].
    pub fn get_unless(
        &self,
        path: &str,
        context: &Context,
        query: &[(&str, &str)],
        tag: &str,
    ) -> Result<Option<Body>, ClientError> {
        let request = self.request(path, context, query)?.header("if-none-match", tag);
        let patient = request.config().timeout_recv_response(Some(PATIENCE)).timeout_per_read(Some(PATIENCE));
        match patient.build().call() {
            Ok(answer) if answer.status() == NOT_MODIFIED => Ok(None),
            answer => self.answer(answer).map(Some),
        }
    }

    /// `GET` of an answer that goes on for as long as something comes at least every `patience`.
    pub(super) fn stream(
        &self,
        path: &str,
        context: &Context,
        last: Option<&str>,
        patience: Duration,
    ) -> Result<ureq::BodyReader<'static>, ClientError> {
        let mut request = self.request(path, context, &[])?.header("accept", "text/event-stream");
        if let Some(last) = last {
            request = request.header("last-event-id", last);
        }
        let endless = request.config().timeout_recv_response(Some(PATIENCE)).timeout_recv_body(None);
        let answer = endless.timeout_per_read(Some(patience)).build().call();
        match answer {
            Ok(answer) if answer.status() == OK => Ok(answer.into_body().into_reader()),
            answer => match self.answer(answer) {
                Ok(_) => Err(ClientError::NotUnderstood { url: self.url.clone(), why: "no stream".into() }),
                Err(error) => Err(error),
            },
        }
    }

    fn request(
        &self,
        path: &str,
        context: &Context,
        query: &[(&str, &str)],
    ) -> Result<ureq::RequestBuilder<WithoutBody>, ClientError> {
        let (header, value) = self.header()?;
        Ok(self.agent.get(self.target(path, context, query)).header(header, value))
    }

    /// `POST`
    ///
    /// # Errors
    /// As [`Api::get`].
    pub fn post(&self, path: &str, context: &Context, body: &impl Serialize) -> Result<Body, ClientError> {
        let body = serde_json::to_vec(body).map(Zeroizing::new);
        let body = body.map_err(|error| ClientError::setup(error.to_string()))?;
        let (header, value) = self.header()?;
        let request = self.agent.post(self.target(path, context, &[])).header(header, value);
        let request = request.content_type("application/json");
        self.answer(
            request.config().timeout_recv_response(Some(PATIENCE_FOR_CHANGES)).build().send(&body[..]),
        )
    }

    /// `DELETE`
    ///
    /// # Errors
    /// As [`Api::get`].
    pub fn delete(&self, path: &str, context: &Context) -> Result<Body, ClientError> {
        let (header, value) = self.header()?;
        let request = self.agent.delete(self.target(path, context, &[])).header(header, value);
        self.answer(request.config().timeout_recv_response(Some(PATIENCE_FOR_CHANGES)).build().call())
    }

    fn header(&self) -> Result<(&'static str, HeaderValue), ClientError> {
        let (name, value) = self.credential.header();
        let mut value = HeaderValue::from_str(&value)
            .map_err(|_| ClientError::setup("the credential does not fit into a header"))?;
        value.set_sensitive(true);
        Ok((name, value))
    }

    fn target(&self, path: &str, context: &Context, query: &[(&str, &str)]) -> String {
        let mut target = format!("{}{BASE}{path}", self.url);
        let pairs = context.query().chain(query.iter().copied());
        for (index, (name, value)) in pairs.enumerate() {
            target.push(if index == 0 { '?' } else { '&' });
            target.push_str(name);
            target.push('=');
            target.extend(utf8_percent_encode(value, NON_ALPHANUMERIC));
        }
        target
    }

    fn answer(&self, answer: Result<Response<ureq::Body>, ureq::Error>) -> Result<Body, ClientError> {
        let lost = |error| ClientError::of_transport(&self.url, error);
        let mut answer = answer.map_err(lost)?;
        let status = answer.status().as_u16();
        let tag = answer.headers().get("etag").and_then(|tag| tag.to_str().ok()).map(str::to_owned);
        let length = answer.body().content_length().unwrap_or(0).min(MAX_ANSWER);
        // Room for all of it: bytes that grow would leave a copy of what they held behind.
        let mut bytes = Zeroizing::new(Vec::with_capacity(usize::try_from(length).unwrap_or(0) + 1));
        let body = answer.body_mut().with_config().limit(MAX_ANSWER).reader();
        let read = { body }.read_to_end(&mut bytes);
        read.map_err(|error| lost(ureq::Error::from(error)))?;
        if (200..300).contains(&status) {
            Ok(Body { url: self.url.clone(), bytes, tag })
        } else {
            Err(ClientError::of_answer(&self.url, status, &bytes))
        }
    }
}

/// What every request has in common.
pub(super) fn agent_config() -> ConfigBuilder<AgentScope> {
    ureq::Agent::config_builder()
        .http_status_as_error(false)
        // A redirect or a proxy from the environment would carry the credential to somebody else.
        .max_redirects(0)
        .max_redirects_will_error(false)
        .proxy(None)
        .user_agent(concat!("coffer/", env!("CARGO_PKG_VERSION")))
}

/// An address as it is used and as a cache is bound to it.
pub(super) fn server_url(text: &str) -> Result<String, ClientError> {
    // The text is not repeated: it might have a password in it.
    let wrong = |what: &str| ClientError::setup(format!("--url (or COFFER_URL) {what}"));
    let url = Url::parse(text)
        .map_err(|_| wrong("is no address: it should be like https://coffer.example:8443"))?;
    if !matches!(url.scheme(), "http" | "https") {
        return Err(wrong("begins with neither http:// nor https://"));
    }
    if !url.username().is_empty() || url.password().is_some() {
        return Err(wrong("has a user or a password in it: the credential goes into COFFER_API_KEY"));
    }
    if url.query().is_some() || url.fragment().is_some() {
        return Err(wrong("has a `?` or a `#` in it"));
    }
    let url = url.as_str().trim_end_matches('/');
    // Where the API begins is what many have at hand.
    Ok(url.strip_suffix(BASE).unwrap_or(url).to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_taken_in_one_form_or_refused() {
        let url = |text| server_url(text).map_err(|error| error.to_string());
        assert_eq!(url("HTTP://Example.com:80/"), Ok("http://example.com".into()));
        assert_eq!(url("https://h:8443/coffer/"), Ok("https://h:8443/coffer".into()));
        assert_eq!(url("https://h/coffer/api/v2/public/"), Ok("https://h/coffer".into()));
        for wrong in ["", "localhost:8080", "ftp://h", "https://u:secret@h", "http://h?a=secret", "http://"] {
            let refused = url(wrong).unwrap_err();
            assert!(refused.starts_with("--url (or COFFER_URL)") && !refused.contains("secret"), "{refused}");
        }
    }
}
