//! What every command on the store starts from: the configuration, and the way to the store.

use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::cli::failure::Failure;
use crate::config::{Config, ConfigError, Overrides};
use crate::crypto::Passphrase;
use crate::telemetry::LogFormat;
use crate::vault::{self, Contents, Opened, OpeningError, Policy};

/// The configuration of this run.
pub(super) struct Start {
    pub(super) config: Config,
    file: Option<PathBuf>,
    overrides: Overrides,
    log_format: Option<LogFormat>,
}

impl Start {
    pub(super) fn load(
        file: Option<&Path>,
        overrides: Overrides,
        log_format: Option<LogFormat>,
    ) -> Result<Start, Failure> {
        let mut config = Config::load(file, overrides.clone(), std::env::vars_os())?;
        if let Some(format) = log_format {
            config.log.format = format;
        }
        Ok(Start { config, file: file.map(Path::to_owned), overrides, log_format })
    }

    /// The configuration as it is now, from the same places, but for the passphrase.
    pub(super) fn read_again(&self) -> Result<Config, ConfigError> {
        let (file, overrides) = (self.file.as_deref(), self.overrides.clone());
        let mut config = Config::load_without_passphrase(file, overrides, std::env::vars_os())?;
        if let Some(format) = self.log_format {
            config.log.format = format;
        }
        Ok(config)
    }

    pub(super) fn dir(&self) -> &Path {
        &self.config.storage.path
    }

    pub(super) fn passphrase(&self) -> Result<&Passphrase, OpeningError> {
        self.config.encryption.passphrase.as_ref().ok_or(OpeningError::NoPassphrase)
    }

    pub(super) fn policy(&self) -> Policy {
        policy(&self.config)
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

/// The rules of a store that is so configured.
pub(super) fn policy(config: &Config) -> Policy {
    Policy {
        strict_accounts: config.accounts.strict,
        max_value_bytes: config.limits.max_value_bytes as usize,
        keep_versions: config.history.keep_versions,
        session_lifetime: config.sessions.ttl,
        refresh_lifetime: config.sessions.refresh_ttl,
        audit_lifetime: Duration::from_secs(u64::from(config.audit.keep_days) * 24 * 60 * 60),
    }
}
