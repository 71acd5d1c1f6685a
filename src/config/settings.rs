//! The settings as text, by key, for whoever compares two configurations.

use std::collections::BTreeMap;
use std::fmt::Display;
use std::time::Duration;

use super::Config;

impl Config {
    /// What each setting is that a running server has. Not among them is what only opens or makes a store: the
    /// section `encryption`, which is secret.
    #[must_use]
    pub fn settings(&self) -> BTreeMap<&'static str, String> {
        let Config {
            server,
            cors,
            storage,
            encryption: _,
            accounts,
            sessions,
            console,
            limits,
            history,
            audit,
            log,
        } = self;
        let tls = server.tls.as_ref();
        let path =
            |path: Option<&std::path::PathBuf>| path.map_or_else(none, |path| path.display().to_string());
        BTreeMap::from([
            ("server.listen", server.listen.to_string()),
            ("server.tls_cert", path(tls.map(|files| &files.certificate))),
            ("server.tls_key", path(tls.map(|files| &files.key))),
            ("server.allow_plaintext", server.allow_plaintext.to_string()),
            ("server.trusted_proxies", list(&server.trusted_proxies)),
            ("cors.allowed_origins", list(&cors.allowed_origins)),
            ("storage.path", storage.path.display().to_string()),
            ("accounts.strict", accounts.strict.to_string()),
            ("sessions.ttl", seconds(sessions.ttl)),
            ("sessions.refresh_ttl", seconds(sessions.refresh_ttl)),
            ("console.idle", seconds(console.idle)),
            ("console.lifetime", seconds(console.lifetime)),
            ("limits.max_value_bytes", limits.max_value_bytes.to_string()),
            ("limits.requests_per_second", limits.requests_per_second.to_string()),
            ("limits.burst", limits.burst.to_string()),
            ("history.keep_versions", history.keep_versions.to_string()),
            ("audit.keep_days", audit.keep_days.to_string()),
            ("log.format", log.format.to_string()),
            ("log.level", log.level.to_string()),
        ])
    }
}

fn none() -> String {
    "none".to_owned()
}

fn seconds(duration: Duration) -> String {
    format!("{}s", duration.as_secs())
}

fn list(items: &[impl Display]) -> String {
    if items.is_empty() {
        return none();
    }
    items.iter().map(ToString::to_string).collect::<Vec<_>>().join(",")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::KEYS;

    #[test]
    fn every_setting_but_those_of_the_passphrase_is_among_them() {
        let mut keys: Vec<_> = KEYS.iter().copied().filter(|key| !key.starts_with("encryption.")).collect();
        keys.sort_unstable();
        assert_eq!(Config::default().settings().into_keys().collect::<Vec<_>>(), keys);
    }
}
