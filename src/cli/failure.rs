//! How a command fails: one line on stderr and an exit code.

use std::io;
use std::process::ExitCode;

use crate::config::ConfigError;
use crate::control::Refusal;
use crate::http::TlsError;
use crate::store::embedded::OpenError;
use crate::vault::OpeningError;

/// Why a command did not do what it was asked for.
#[derive(Debug, thiserror::Error)]
pub(super) enum Failure {
    /// The command was used wrongly: exit code 2.
    #[error("{0}")]
    Usage(String),
    /// It failed: exit code 1.
    #[error("{0}")]
    Failed(String),
    /// A program did not start: the exit code says why, as a shell's does.
    #[error("{1}")]
    Exit(u8, String),
}

impl Failure {
    /// Something that the system refused, and what was being done.
    pub(super) fn io(doing: &str) -> impl FnOnce(io::Error) -> Failure + '_ {
        move |error| Failure::Failed(format!("cannot {doing}: {error}"))
    }

    pub(super) fn report(&self) -> ExitCode {
        super::output::complain(&format!("error: {self}"));
        match self {
            Failure::Usage(_) => ExitCode::from(2),
            Failure::Failed(_) => ExitCode::FAILURE,
            Failure::Exit(code, _) => ExitCode::from(*code),
        }
    }
}

impl From<ConfigError> for Failure {
    fn from(error: ConfigError) -> Failure {
        Failure::Failed(error.to_string())
    }
}

impl From<TlsError> for Failure {
    fn from(error: TlsError) -> Failure {
        Failure::Failed(error.to_string())
    }
}

impl From<OpenError> for Failure {
    fn from(error: OpenError) -> Failure {
        Failure::Failed(match error {
            OpenError::Damaged(_) => format!(
                "{error}; nothing was changed: keep this directory, and restore a backup into an empty one \
                 (`coffer backup restore`)"
            ),
            other => other.to_string(),
        })
    }
}

impl From<OpeningError> for Failure {
    fn from(error: OpeningError) -> Failure {
        match error {
            OpeningError::Engine(error) => error.into(),
            other => Failure::Failed(other.to_string()),
        }
    }
}

impl From<Refusal> for Failure {
    fn from(refusal: Refusal) -> Failure {
        if refusal.usage { Failure::Usage(refusal.message) } else { Failure::Failed(refusal.message) }
    }
}
