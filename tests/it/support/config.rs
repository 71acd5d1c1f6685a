//! A configuration file in the making.

use std::collections::BTreeMap;
use std::fmt::Write;

/// The passphrase of every store that a test does not give another.
pub(crate) const PASSPHRASE: &str = "a passphrase of the test suite";

/// The sections and keys of one `config.toml`; values are TOML literals.
#[derive(Clone)]
pub(crate) struct Config(BTreeMap<&'static str, BTreeMap<&'static str, String>>);

impl Config {
    /// A loopback port of the system's choice, a store beside the file, and a key derivation that costs little.
    pub(crate) fn new() -> Config {
        Config(BTreeMap::new())
            .text("server", "listen", "127.0.0.1:0")
            .text("storage", "path", "data")
            .text("encryption", "passphrase", PASSPHRASE)
            .set("encryption", "argon2_memory_kib", "8192")
            .set("encryption", "argon2_passes", "1")
    }

    /// The same with `key` of `section` set to a TOML literal.
    pub(crate) fn set(mut self, section: &'static str, key: &'static str, literal: &str) -> Config {
        self.0.entry(section).or_default().insert(key, literal.to_owned());
        self
    }

    /// The same with `key` of `section` set to a string.
    pub(crate) fn text(self, section: &'static str, key: &'static str, value: &str) -> Config {
        let literal = toml_string(value);
        self.set(section, key, &literal)
    }

    /// The same without `key` of `section`.
    pub(crate) fn without(mut self, section: &'static str, key: &'static str) -> Config {
        self.0.entry(section).or_default().remove(key);
        self
    }

    /// The file's text.
    pub(crate) fn render(&self) -> String {
        let mut text = String::new();
        for (section, keys) in &self.0 {
            let _ = writeln!(text, "[{section}]");
            for (key, literal) in keys {
                let _ = writeln!(text, "{key} = {literal}");
            }
        }
        text
    }
}

fn toml_string(value: &str) -> String {
    serde_json::Value::from(value).to_string()
}
