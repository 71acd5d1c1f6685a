//! Why a server's answer did not come, or was a refusal. No error has a value or a credential in it.

use std::io;

use serde::Deserialize;

use crate::client::trust;

/// Why a request had no answer that could be used.
#[derive(Debug, thiserror::Error)]
pub enum ClientError {
    /// Nobody answered, or only a proxy or a server that cannot work did: a cache may stand in.
    #[error("{url} does not answer ({why}): is the server up, and is --url (or COFFER_URL) right?")]
    Unreachable {
        /// Where it was tried.
        url: String,
        /// What happened.
        why: String,
    },
    /// The server does not take the credential.
    #[error(
        "the server at {url} refuses the credential ({message}): is it one of this server, and neither revoked nor expired?"
    )]
    Unauthenticated {
        /// Which server.
        url: String,
        /// The server's own words.
        message: String,
    },
    /// The server refused the request.
    #[error("{message} ({code})")]
    Refused {
        /// The status of the answer.
        status: u16,
        /// The code that programs branch on.
        code: String,
        /// The server's own words.
        message: String,
    },
    /// Whoever answered is no coffer, or one that this client does not understand.
    #[error(
        "{url} answered something else than expected ({why}): is --url (or COFFER_URL) that of a coffer server?"
    )]
    NotUnderstood {
        /// Who answered.
        url: String,
        /// What was odd.
        why: String,
    },
    /// The server could not be trusted.
    #[error("{url} is not trusted ({why}): COFFER_CA_FILE names a file with the certificates to trust")]
    Untrusted {
        /// Which server.
        url: String,
        /// Why.
        why: String,
    },
    /// Something that the client was started with is missing or wrong.
    #[error("{0}")]
    Setup(String),
}

/// The one shape of the server's errors.
#[derive(Deserialize)]
struct ErrorBody {
    error_code: String,
    message: String,
}

impl ErrorBody {
    /// The same without what a terminal would obey.
    fn for_terminals(self) -> ErrorBody {
        let clean = |text: String| text.replace(char::is_control, "\u{fffd}");
        ErrorBody { error_code: clean(self.error_code), message: clean(self.message) }
    }
}

impl ClientError {
    /// Something about a setting of the client.
    pub(super) fn setup(what: impl Into<String>) -> ClientError {
        ClientError::Setup(what.into())
    }

    /// What an answer with another status than 2xx means.
    pub(super) fn of_answer(url: &str, status: u16, body: &[u8]) -> ClientError {
        let url = url.to_owned();
        let told: Option<ErrorBody> = serde_json::from_slice(body).ok().map(ErrorBody::for_terminals);
        match (status, told) {
            (502..=504, told) => {
                let why = told
                    .map_or_else(|| format!("status {status}"), |told| format!("{status}: {}", told.message));
                ClientError::Unreachable { url, why }
            }
            (401, Some(told)) => ClientError::Unauthenticated { url, message: told.message },
            (_, Some(told)) => ClientError::Refused { status, code: told.error_code, message: told.message },
            (401, None) => ClientError::Unauthenticated { url, message: "status 401".into() },
            (300..=399, None) => ClientError::NotUnderstood {
                url,
                why: format!(
                    "status {status}: it sends to another address, and the credential goes to this one alone"
                ),
            },
            (_, None) => ClientError::NotUnderstood { url, why: format!("status {status}") },
        }
    }

    /// What a failure on the way there or back means.
    pub(super) fn of_transport(url: &str, error: ureq::Error) -> ClientError {
        let url = url.to_owned();
        match error {
            ureq::Error::Rustls(why) => ClientError::Untrusted { url, why: why.to_string() },
            ureq::Error::Tls(why) => ClientError::Untrusted { url, why: why.to_owned() },
            ureq::Error::Io(why) if trust::is_no_tls(&why) => {
                ClientError::NotUnderstood { url, why: "not in TLS: is it http:// there".into() }
            }
            // How TLS reports what a certificate has against it.
            ureq::Error::Io(why) if why.kind() == io::ErrorKind::InvalidData => {
                ClientError::Untrusted { url, why: why.to_string() }
            }
            ureq::Error::Io(why) => ClientError::Unreachable { url, why: why.to_string() },
            ureq::Error::Timeout(_) => ClientError::Unreachable { url, why: "no answer in time".into() },
            ureq::Error::HostNotFound => {
                ClientError::Unreachable { url, why: "the host is not known".into() }
            }
            ureq::Error::ConnectionFailed => ClientError::Unreachable { url, why: "no connection".into() },
            other => ClientError::NotUnderstood { url, why: other.to_string() },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn away(error: &ClientError) -> bool {
        matches!(error, ClientError::Unreachable { .. })
    }

    #[test]
    fn only_a_server_that_is_away_lets_a_cache_stand_in() {
        for (status, stands_in) in [
            (400, false),
            (401, false),
            (403, false),
            (429, false),
            (500, false),
            (502, true),
            (503, true),
            (504, true),
        ] {
            let body = br#"{"error_code":"X","message":"m"}"#;
            assert_eq!(away(&ClientError::of_answer("u", status, body)), stands_in, "{status}");
            assert_eq!(away(&ClientError::of_answer("u", status, b"<html>")), stands_in, "{status}");
        }
        assert!(!away(&ClientError::of_answer("u", 302, b"")));
        let refused = ureq::Error::Io(io::ErrorKind::ConnectionRefused.into());
        assert!(away(&ClientError::of_transport("u", refused)));
        let certificate = ureq::Error::Io(io::Error::new(io::ErrorKind::InvalidData, "UnknownIssuer"));
        assert!(!away(&ClientError::of_transport("u", certificate)));
    }

    #[test]
    fn no_answer_commands_a_terminal() {
        let body = br#"{"error_code":"X\u001b[31m","message":"\u001b]0;owned\u0007\u009b2Jgone\r\nline"}"#;
        let told = ClientError::of_answer("u", 400, body).to_string();
        assert_eq!(told, "\u{fffd}]0;owned\u{fffd}\u{fffd}2Jgone\u{fffd}\u{fffd}line (X\u{fffd}[31m)");
    }
}
