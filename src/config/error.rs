//! What can be wrong with a configuration. No message repeats a value.

use std::fmt;
use std::io;
use std::path::PathBuf;

use thiserror::Error;

/// Where a setting was made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Origin {
    /// A line of the file, the first being 1.
    File(PathBuf, usize),
    /// A variable of the environment.
    Variable(String),
    /// A flag of the command line.
    Flag(&'static str),
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File(path, line) => write!(f, "{}:{line}", path.display()),
            Self::Variable(name) => f.write_str(name),
            Self::Flag(name) => f.write_str(name),
        }
    }
}

/// Why there is no configuration.
#[derive(Debug, Error)]
pub enum ConfigError {
    /// The file cannot be read.
    #[error("{}: cannot read the configuration: {cause}", path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// What the system said.
        cause: io::Error,
    },
    /// The file is not TOML.
    #[error("{origin}: {what}")]
    Syntax {
        /// Where reading stopped.
        origin: Origin,
        /// What is wrong there, in words that the file has no part in.
        what: &'static str,
    },
    /// There is no such key.
    #[error("{origin}: unknown key `{key}`")]
    UnknownKey {
        /// Where it stands.
        origin: Origin,
        /// The key, with its section.
        key: String,
    },
    /// There is no such section.
    #[error("{origin}: unknown section `{section}`")]
    UnknownSection {
        /// Where it stands.
        origin: Origin,
        /// Its name.
        section: String,
    },
    /// A value has the wrong type, or lies out of range.
    #[error("{origin}: `{key}` must be {expected}")]
    Invalid {
        /// Where it stands.
        origin: Origin,
        /// The key, with its section.
        key: &'static str,
        /// What is expected.
        expected: String,
    },
    /// One source gives the passphrase twice.
    #[error("{origin}: `encryption.passphrase` and `encryption.passphrase_file` exclude each other")]
    TwoPassphrases {
        /// Where the second stands.
        origin: Origin,
    },
    /// The passphrase file gives no passphrase.
    #[error("{origin}: the passphrase file {} {why}", path.display())]
    PassphraseFile {
        /// Where the file is named.
        origin: Origin,
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        why: String,
    },
    /// A certificate without a key, or the other way round.
    #[error("{origin}: `{given}` is of no use without `{missing}`")]
    HalfTls {
        /// Where the one stands.
        origin: Origin,
        /// The one.
        given: &'static str,
        /// The other.
        missing: &'static str,
    },
    /// The sample passphrase would guard a store that others can reach.
    #[error(
        "refusing to listen on {listen} with the sample passphrase, which everyone knows: \
         set a passphrase of your own, or listen on 127.0.0.1"
    )]
    SamplePassphrase {
        /// Where the server would listen, as whoever runs it knows it.
        listen: String,
    },
    /// What is sent over a network would be there for anyone on the way.
    #[error(
        "refusing to listen on {listen} in plain HTTP: set `server.tls_cert` and `server.tls_key`, listen on 127.0.0.1, \
         or set `server.allow_plaintext` where something else protects the way"
    )]
    Plaintext {
        /// Where the server would listen, as whoever runs it knows it.
        listen: String,
    },
}
