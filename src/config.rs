//! The configuration: flag, then environment, then file, then default.
//!
//! `docs/configuration.md` has the table of every key. A mistake is one line that names where it was made
//! and what is expected there, and never what was written: the wrong text might be the passphrase.

mod address;
mod duration;
mod error;
mod read;
mod settings;
mod source;

use std::ffi::OsString;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use ipnet::IpNet;

pub use self::address::{InvalidAddress, ListenAddress};
pub use self::duration::{InvalidDuration, parse_duration};
pub use self::error::{ConfigError, Origin};
use self::source::Sources;
use crate::crypto::{KdfParameters, Passphrase};
use crate::secret_file;
use crate::telemetry::{LogFormat, LogLevel};

/// The file that is read when none is named.
pub const DEFAULT_FILE: &str = "config.toml";

/// Every key, as the file spells it.
pub const KEYS: &[&str] = &[
    "server.listen",
    "server.tls_cert",
    "server.tls_key",
    "server.allow_plaintext",
    "server.trusted_proxies",
    "cors.allowed_origins",
    "storage.path",
    "encryption.passphrase",
    "encryption.passphrase_file",
    "encryption.argon2_memory_kib",
    "encryption.argon2_passes",
    "accounts.strict",
    "sessions.ttl",
    "sessions.refresh_ttl",
    "console.idle",
    "console.lifetime",
    "limits.max_value_bytes",
    "limits.requests_per_second",
    "limits.burst",
    "history.keep_versions",
    "audit.keep_days",
    "log.format",
    "log.level",
];

/// What the command line sets; stronger than everything else.
#[derive(Debug, Clone, Default)]
pub struct Overrides {
    /// `--listen`.
    pub listen: Option<ListenAddress>,
    /// `--data`, relative to the working directory.
    pub data: Option<PathBuf>,
}

/// The whole configuration, valid.
#[derive(Debug, Default)]
pub struct Config {
    /// `[server]`.
    pub server: Server,
    /// `[cors]`.
    pub cors: Cors,
    /// `[storage]`.
    pub storage: Storage,
    /// `[encryption]`.
    pub encryption: Encryption,
    /// `[accounts]`.
    pub accounts: Accounts,
    /// `[sessions]`.
    pub sessions: Sessions,
    /// `[console]`.
    pub console: Console,
    /// `[limits]`.
    pub limits: Limits,
    /// `[history]`.
    pub history: History,
    /// `[audit]`.
    pub audit: Audit,
    /// `[log]`.
    pub log: Log,
}

/// `[server]`.
#[derive(Debug, Default)]
pub struct Server {
    /// Where the server listens.
    pub listen: ListenAddress,
    /// Where the certificate and the key for TLS are; none: plain HTTP.
    pub tls: Option<TlsFiles>,
    /// Whether plain HTTP may be spoken beyond this machine.
    pub allow_plaintext: bool,
    /// The proxies whose `X-Forwarded-For` is believed.
    pub trusted_proxies: Vec<IpNet>,
}

/// The files of a certificate and its key, relative to the working directory unless absolute.
#[derive(Debug, PartialEq, Eq)]
pub struct TlsFiles {
    /// `server.tls_cert`.
    pub certificate: PathBuf,
    /// `server.tls_key`.
    pub key: PathBuf,
}

/// What a server is asked by, from its own machine.
#[derive(Debug, PartialEq, Eq)]
pub struct Serving {
    /// Where it listens.
    pub listen: ListenAddress,
    /// Whether it speaks HTTPS.
    pub is_tls: bool,
}

/// `[cors]`.
#[derive(Debug, Default)]
pub struct Cors {
    /// The origins whose pages may read answers, each as browsers write it: `https://app.example.com`.
    pub allowed_origins: Vec<String>,
}

/// `[storage]`.
#[derive(Debug)]
pub struct Storage {
    /// The store's directory, relative to the working directory unless absolute.
    pub path: PathBuf,
}

impl Default for Storage {
    fn default() -> Self {
        Self { path: PathBuf::from("data") }
    }
}

/// `[encryption]`.
#[derive(Debug, Default)]
pub struct Encryption {
    /// What opens the store; read from `passphrase_file` where that is set.
    pub passphrase: Option<Passphrase>,
    /// Where it stands.
    pub passphrase_place: PassphrasePlace,
    /// What deriving a key from it costs in a store that is made now; an existing one keeps its own.
    pub kdf: KdfParameters,
}

/// Where the passphrase stands.
#[derive(Debug, Default)]
pub enum PassphrasePlace {
    /// In no file: in the environment, where there is one.
    #[default]
    Environment,
    /// In the configuration's own file.
    Configuration(PathBuf),
    /// In `passphrase_file`.
    File(PathBuf),
}

impl PassphrasePlace {
    /// The file, where it is in one.
    pub fn file(&self) -> Option<&Path> {
        match self {
            Self::Environment => None,
            Self::Configuration(path) | Self::File(path) => Some(path),
        }
    }
}

/// `[accounts]`.
#[derive(Debug, Default)]
pub struct Accounts {
    /// Whether an account must be registered before it may have values.
    pub strict: bool,
}

/// `[sessions]`.
#[derive(Debug, PartialEq, Eq)]
pub struct Sessions {
    /// How long a session token is valid.
    pub ttl: Duration,
    /// How long a refresh token is valid.
    pub refresh_ttl: Duration,
}

impl Default for Sessions {
    fn default() -> Self {
        const DAY: u64 = 24 * 60 * 60;
        Self { ttl: Duration::from_secs(DAY), refresh_ttl: Duration::from_secs(30 * DAY) }
    }
}

/// `[console]`. The defaults are the longest.
#[derive(Debug, PartialEq, Eq)]
pub struct Console {
    /// After how long without a request whoever has signed in must do so again.
    pub idle: Duration,
    /// After how long in any case.
    pub lifetime: Duration,
}

impl Default for Console {
    fn default() -> Self {
        Self { idle: Duration::from_secs(30 * 60), lifetime: Duration::from_secs(12 * 60 * 60) }
    }
}

/// `[limits]`.
#[derive(Debug)]
pub struct Limits {
    /// The most bytes that a value may have.
    pub max_value_bytes: u32,
    /// The most requests a second per credential and per address; 0 is no limit.
    pub requests_per_second: u32,
    /// The most requests at once; twice `requests_per_second` unless set.
    pub burst: u32,
}

impl Limits {
    /// The highest `max_value_bytes`. A body has 524,288 bytes at most: text of this length fits even if
    /// JSON escapes every character to two, with room left for the ids beside it.
    pub const MAX_VALUE_BYTES_CAP: u32 = 256_000;
}

impl Default for Limits {
    fn default() -> Self {
        Self { max_value_bytes: 65_536, requests_per_second: 0, burst: 1 }
    }
}

/// `[history]`.
#[derive(Debug)]
pub struct History {
    /// How many versions of a value are kept, the current one included.
    pub keep_versions: u32,
}

impl Default for History {
    fn default() -> Self {
        Self { keep_versions: 10 }
    }
}

/// `[audit]`.
#[derive(Debug)]
pub struct Audit {
    /// How many days audit entries are kept.
    pub keep_days: u32,
}

impl Default for Audit {
    fn default() -> Self {
        Self { keep_days: 365 }
    }
}

/// `[log]`.
#[derive(Debug, Default)]
pub struct Log {
    /// How a log line is written.
    pub format: LogFormat,
    /// From which level on.
    pub level: LogLevel,
}

impl Config {
    /// Reads the configuration. Without `file`, [`DEFAULT_FILE`] is read where there is one.
    ///
    /// # Errors
    ///
    /// The first mistake found, as one line. A value that a stronger source overrides is not looked at,
    /// but its key must exist.
    pub fn load(
        file: Option<&Path>,
        overrides: Overrides,
        env: impl Iterator<Item = (OsString, OsString)>,
    ) -> Result<Self, ConfigError> {
        read::config(Sources::gather(file, Path::new(DEFAULT_FILE), overrides, env)?)
    }

    /// The same without the passphrase, which may be nowhere any more: a server that runs has no use for it.
    ///
    /// # Errors
    ///
    /// As [`Config::load`].
    pub fn load_without_passphrase(
        file: Option<&Path>,
        overrides: Overrides,
        env: impl Iterator<Item = (OsString, OsString)>,
    ) -> Result<Self, ConfigError> {
        let mut sources = Sources::gather(file, Path::new(DEFAULT_FILE), overrides, env)?;
        sources.forget(&["encryption.passphrase", "encryption.passphrase_file"]);
        read::config(sources)
    }

    /// Where the store is, also of a configuration that has mistakes elsewhere.
    ///
    /// # Errors
    ///
    /// Where that cannot be told.
    pub fn storage_path(
        file: Option<&Path>,
        overrides: Overrides,
        env: impl Iterator<Item = (OsString, OsString)>,
    ) -> Result<PathBuf, ConfigError> {
        read::storage_path(&mut Sources::gather(file, Path::new(DEFAULT_FILE), overrides, env)?)
    }

    /// Where a server of this configuration is to be found, also where it has mistakes elsewhere, and without the
    /// passphrase.
    ///
    /// # Errors
    ///
    /// Where that cannot be told.
    pub fn serving(
        file: Option<&Path>,
        env: impl Iterator<Item = (OsString, OsString)>,
    ) -> Result<Serving, ConfigError> {
        read::serving(&mut Sources::gather(file, Path::new(DEFAULT_FILE), Overrides::default(), env)?)
    }

    /// The file of the passphrase, where others than its owner may read it and should not.
    pub fn exposed_passphrase_file(&self) -> Option<&Path> {
        match &self.encryption.passphrase_place {
            PassphrasePlace::File(file) if secret_file::is_exposed(file) => Some(file),
            _ => None,
        }
    }

    /// Whether the passphrase is the one that everyone knows.
    pub fn has_sample_passphrase(&self) -> bool {
        self.encryption.passphrase.as_ref().is_some_and(Passphrase::is_sample)
    }

    /// Whether a server may listen on `addresses`, which are what `listen` was looked up to be: a name that is
    /// looked up a second time may be another address.
    ///
    /// # Errors
    ///
    /// When one of them lies beyond this machine, and the passphrase is the one that everyone knows, or plain
    /// HTTP would be spoken there that nobody consented to.
    pub fn check_listening(
        &self,
        listen: &impl ToString,
        addresses: &[SocketAddr],
    ) -> Result<(), ConfigError> {
        if !addresses.iter().any(is_beyond) {
            Ok(())
        } else if self.has_sample_passphrase() {
            Err(ConfigError::SamplePassphrase { listen: listen.to_string() })
        } else if self.server.tls.is_none() && !self.server.allow_plaintext {
            Err(ConfigError::Plaintext { listen: listen.to_string() })
        } else {
            Ok(())
        }
    }

    /// Whether plain HTTP is spoken beyond this machine by a server that listens on `address`.
    pub fn is_plaintext_beyond(&self, address: &SocketAddr) -> bool {
        self.server.tls.is_none() && is_beyond(address)
    }
}

fn is_beyond(address: &SocketAddr) -> bool {
    !address.ip().to_canonical().is_loopback()
}

#[cfg(test)]
mod tests;
