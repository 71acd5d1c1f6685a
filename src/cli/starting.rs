//! What every command on the store starts from: the configuration, and the way to the store.

use std::path::Path;
use std::time::Duration;

use crate::cli::failure::Failure;
use crate::config::{Config, Overrides};
use crate::crypto::Passphrase;
use crate::telemetry::LogFormat;
use crate::vault::{self, Contents, Opened, OpeningError, Policy};

/// The configuration of this run.
pub(super) struct Start {
    pub(super) config: Config,
}

impl Start {
    pub(super) fn load(
        file: Option<&Path>,
        overrides: Overrides,
        log_format: Option<LogFormat>,
    ) -> Result<Start, Failure> {
        let mut config = Config::load(file, overrides, std::env::vars_os())?;
        if let Some(format) = log_format {
            config.log.format = format;
        }
        Ok(Start { config })
    }

    pub(super) fn dir(&self) -> &Path {
        &self.config.storage.path
    }

    pub(super) fn passphrase(&self) -> Result<&Passphrase, OpeningError> {
        self.config.encryption.passphrase.as_ref().ok_or(OpeningError::NoPassphrase)
    }

    pub(super) fn policy(&self) -> Policy {
        Policy {
            strict_accounts: self.config.accounts.strict,
            max_value_bytes: self.config.limits.max_value_bytes as usize,
            keep_versions: self.config.history.keep_versions,
            session_lifetime: self.config.sessions.ttl,
            refresh_lifetime: self.config.sessions.refresh_ttl,
            audit_lifetime: Duration::from_secs(u64::from(self.config.audit.keep_days) * 24 * 60 * 60),
        }
    }

    /// Opens the store. That there is none is said first: a passphrase would not help.
    pub(super) async fn open(&self) -> Result<Opened, Failure> {
        self.expect_store()?;
        self.open_with(self.passphrase()?).await
    }

    /// Opens the store with a passphrase that is not the configuration's.
    pub(super) async fn open_with(&self, passphrase: &Passphrase) -> Result<Opened, Failure> {
        self.expect_store()?;
        Ok(vault::open(self.dir(), passphrase, self.policy()).await?)
    }

    pub(super) fn expect_store(&self) -> Result<(), Failure> {
        match vault::contents(self.dir())? {
            Contents::Store => Ok(()),
            Contents::Nothing => Err(Failure::Failed(format!(
                "there is no store in {}: make one with `coffer init`",
                self.dir().display()
            ))),
        }
    }
}
