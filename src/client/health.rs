//! Whether a server is up, asked without a credential.

use std::ffi::OsString;
use std::time::Duration;

use ureq::http::StatusCode;

use crate::client::api::{self, server_url};
use crate::client::{ClientError, trust};

/// What is asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Probe {
    /// Whether the process answers.
    Live,
    /// Whether it can do its work: the store is open and takes writes.
    Ready,
}

impl Probe {
    fn path(self) -> &'static str {
        match self {
            Probe::Live => "/healthz",
            Probe::Ready => "/readyz",
        }
    }

    /// What the server says of itself where all is well.
    fn expected(self) -> &'static str {
        match self {
            Probe::Live => r#"{"status":"ok"}"#,
            Probe::Ready => r#"{"status":"ready"}"#,
        }
    }
}

/// Which server is asked, and whom to believe.
#[derive(Debug, Clone, Copy)]
pub enum Asked<'a> {
    /// The server at this URL, under TLS with the certificates that client commands trust.
    Elsewhere(&'a str),
    /// A server of this very machine, whose certificate is not looked at: no secret is sent there, and its name and
    /// its end are no business of whoever would start the server anew.
    Here(&'a str),
}

/// Asks once, and says whom. `patience` is for all of it: the name, the connection, TLS and the answer.
///
/// # Errors
/// Where no answer came in time, or it was another than that all is well.
pub fn check(
    asked: Asked<'_>,
    probe: Probe,
    patience: Duration,
    variable: impl Fn(&str) -> Option<OsString>,
) -> Result<String, ClientError> {
    let (Asked::Elsewhere(url) | Asked::Here(url)) = asked;
    let url = server_url(url)?;
    let mut config = api::agent_config().timeout_global(Some(patience));
    if url.starts_with("https:") {
        config = config.tls_config(match asked {
            Asked::Elsewhere(_) => trust::config(variable)?,
            Asked::Here(_) => trust::anybody(),
        });
    }
    let agent = config.build().new_agent();
    let lost = |error| match error {
        ureq::Error::Timeout(_) => ClientError::Unreachable {
            url: url.clone(),
            why: format!("no answer within {} s", patience.as_secs()),
        },
        error => ClientError::of_transport(&url, error),
    };
    let mut answer = agent.get(format!("{url}{}", probe.path())).call().map_err(lost)?;
    let body = answer.body_mut().with_config().limit(MAX_ANSWER).read_to_vec().map_err(lost)?;
    match answer.status() {
        StatusCode::OK if body == probe.expected().as_bytes() => Ok(url),
        StatusCode::OK => Err(ClientError::NotUnderstood { url, why: "status 200 with another text".into() }),
        status => Err(ClientError::of_answer(&url, status.as_u16(), &body)),
    }
}

/// More than the answer has, also where it is an error.
const MAX_ANSWER: u64 = 16 * 1024;
