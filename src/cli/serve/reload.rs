//! What SIGHUP does: the configuration is read anew, and what may change while the server runs is changed.

use std::collections::BTreeMap;

use crate::cli::serve::warn_of_exposed_key;
use crate::cli::starting::{Start, policy};
use crate::config::Config;
use crate::http::{RequestRate, Server, Tls};
use crate::telemetry::LogGuard;
use crate::vault::Vault;

/// The settings that change while the server runs.
const CHANGING: &[&str] = &[
    "server.tls_cert",
    "server.tls_key",
    "accounts.strict",
    "sessions.ttl",
    "sessions.refresh_ttl",
    "limits.max_value_bytes",
    "limits.requests_per_second",
    "limits.burst",
    "history.keep_versions",
    "audit.keep_days",
    "log.level",
];

/// A running server, as far as its settings reach.
pub(super) struct Reload<'a> {
    start: &'a Start,
    log: &'a LogGuard,
    vault: Vault,
    tls: Option<Tls>,
    /// What is in force.
    settings: BTreeMap<&'static str, String>,
}

impl<'a> Reload<'a> {
    pub(super) fn new(start: &'a Start, log: &'a LogGuard, vault: Vault, tls: Option<Tls>) -> Reload<'a> {
        Reload { start, log, vault, tls, settings: start.config.settings() }
    }

    /// Reads everything anew. Whatever cannot be used is said, and what was in force before stays so.
    pub(super) fn run(&mut self, server: &Server) {
        match self.start.read_again() {
            Ok(config) => self.apply(&config, server),
            Err(error) => {
                tracing::warn!("SIGHUP: the configuration cannot be used, and stays as it was: {error}");
                self.reload_tls(None);
            }
        }
    }

    fn apply(&mut self, config: &Config, server: &Server) {
        // What changes is said by the former level or the new one, whichever says more.
        self.log.widen(config.log.level);
        let is_tls_kept = !self.reload_tls(Some(config));
        let mut unchanged = true;
        for (key, new) in config.settings() {
            let old = self.settings.get(key).cloned().unwrap_or_default();
            if old == new {
                continue;
            }
            unchanged = false;
            let stays = is_tls_kept && key.starts_with("server.tls_");
            if stays && self.tls.is_some() && config.server.tls.is_some() {
                tracing::warn!("SIGHUP: `{key}` stays {old} until {new} can be used");
            } else if stays || !CHANGING.contains(&key) {
                tracing::warn!(
                    "SIGHUP: `{key}` stays {old} until the server is started anew, and is {new} then"
                );
            } else {
                tracing::info!("SIGHUP: `{key}` is {new} now, and was {old}");
                self.settings.insert(key, new);
            }
        }
        if unchanged {
            tracing::info!("SIGHUP: no setting has changed");
        }
        self.vault.set_policy(policy(config));
        server.set_request_rate(RequestRate::new(config.limits.requests_per_second, config.limits.burst));
        self.log.set_level(config.log.level);
    }

    /// Has the certificate and the key read anew, from where `config` has them or else from where they were. A pair
    /// that cannot be used is no reason to stop serving. Returns whether TLS is now as `config` has it.
    fn reload_tls(&self, config: Option<&Config>) -> bool {
        let files = config.and_then(|config| config.server.tls.as_ref());
        let Some(tls) = &self.tls else { return files.is_none() };
        match tls.reload(files.map(|files| (files.certificate.as_path(), files.key.as_path()))) {
            Ok(()) => {
                tracing::info!("the certificate and its key are read anew");
                warn_of_exposed_key(tls);
                files.is_some()
            }
            Err(error) => {
                tracing::warn!(%error, "the new certificate cannot be used; the former one stays");
                false
            }
        }
    }
}
