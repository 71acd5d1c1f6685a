//! Where settings come from: three layers, each a map from key to what was written and where.

use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};
use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use toml::Spanned;
use toml::de::{DeArray, DeTable, DeValue};
use zeroize::Zeroizing;

use super::error::Origin;
use super::{ConfigError, KEYS, Overrides};

/// What was written for a key. It may be the passphrase: no `Debug`, and texts are wiped.
pub(super) enum Raw {
    /// A string of the file, or anything from the environment or a flag.
    Text(Zeroizing<String>),
    /// The same, where it is not Unicode; a path may be that.
    NotUnicode(OsString),
    /// A whole number of the file.
    Integer(i64),
    /// A truth value of the file.
    Boolean(bool),
    /// A list of strings of the file.
    List(Vec<Zeroizing<String>>),
    /// Anything else that TOML has; no key takes it.
    Other,
}

impl From<OsString> for Raw {
    fn from(text: OsString) -> Self {
        text.into_string().map_or_else(Self::NotUnicode, |text| Self::Text(Zeroizing::new(text)))
    }
}

/// What was written, and where.
pub(super) struct Found {
    pub(super) origin: Origin,
    pub(super) raw: Raw,
}

type Layer = BTreeMap<&'static str, Found>;

/// Everything that was written, the strongest layer first.
pub(super) struct Sources {
    layers: [Layer; 3],
    /// What a path in the file is relative to.
    pub(super) directory: PathBuf,
}

impl Sources {
    /// Reads all three, and refuses what has no place in them. Only `default_file` may be missing.
    pub(super) fn gather(
        file: Option<&Path>,
        default_file: &Path,
        overrides: Overrides,
        env: impl Iterator<Item = (OsString, OsString)>,
    ) -> Result<Self, ConfigError> {
        let path = file.unwrap_or(default_file);
        let from_file = match read(path) {
            Ok(text) => file_layer(path, &text)?,
            Err(cause) if file.is_none() && cause.kind() == ErrorKind::NotFound => Layer::new(),
            Err(cause) => return Err(ConfigError::Unreadable { path: path.to_owned(), cause }),
        };
        let directory = path.parent().unwrap_or(Path::new("")).to_owned();
        Ok(Self { layers: [flag_layer(overrides), env_layer(env)?, from_file], directory })
    }

    /// Takes what the strongest layer says of `key`.
    pub(super) fn take(&mut self, key: &str) -> Option<Found> {
        self.layers.iter_mut().find_map(|layer| layer.remove(key))
    }

    /// Takes what any layer says of `keys`.
    pub(super) fn forget(&mut self, keys: &[&str]) {
        for layer in &mut self.layers {
            layer.retain(|key, _| !keys.contains(key));
        }
    }

    /// Takes what the strongest layer says of either key.
    pub(super) fn take_either(&mut self, one: &str, other: &str) -> (Option<Found>, Option<Found>) {
        let either = |layer: &&mut Layer| layer.contains_key(one) || layer.contains_key(other);
        match self.layers.iter_mut().find(either) {
            Some(layer) => (layer.remove(one), layer.remove(other)),
            None => (None, None),
        }
    }
}

fn flag_layer(overrides: Overrides) -> Layer {
    let flag = |name, text: OsString| Found { origin: Origin::Flag(name), raw: text.into() };
    let listen =
        overrides.listen.map(|address| ("server.listen", flag("--listen", address.to_string().into())));
    let data = overrides.data.map(|path| ("storage.path", flag("--data", path.into())));
    listen.into_iter().chain(data).collect()
}

/// Where systemd puts the credentials of a service.
const CREDENTIALS: &str = "CREDENTIALS_DIRECTORY";

/// The one of them that is the passphrase.
const CREDENTIAL: &str = "coffer.passphrase";

/// Variables with two underscores are settings; `COFFER_URL` and its like belong to client commands.
fn env_layer(env: impl Iterator<Item = (OsString, OsString)>) -> Result<Layer, ConfigError> {
    let mut layer = Layer::new();
    let mut credential = None;
    for (name, value) in env {
        if name == CREDENTIALS {
            credential = Some(Path::new(&value).join(CREDENTIAL)).filter(|path| path.exists());
        }
        let Some(setting) = setting_of(&name) else { continue };
        let name = printable(&name.to_string_lossy());
        let origin = Origin::Variable(name);
        let Some(key) = KEYS.iter().find(|key| variable(key) == setting) else {
            let key = printable(&setting.to_ascii_lowercase().replacen("__", ".", 1));
            return Err(ConfigError::UnknownKey { origin, key });
        };
        layer.insert(key, Found { origin, raw: value.into() });
    }
    let is_given = |key| layer.contains_key(key);
    if let Some(path) = credential
        && !is_given("encryption.passphrase")
        && !is_given("encryption.passphrase_file")
    {
        let origin = Origin::Variable(CREDENTIALS.to_owned());
        layer.insert("encryption.passphrase_file", Found { origin, raw: path.into_os_string().into() });
    }
    Ok(layer)
}

fn setting_of(name: &OsStr) -> Option<String> {
    let name = name.to_string_lossy();
    name.strip_prefix("COFFER_").filter(|rest| rest.contains("__")).map(str::to_owned)
}

/// How the environment spells a key, after `COFFER_`.
pub(super) fn variable(key: &str) -> String {
    key.replacen('.', "__", 1).to_ascii_uppercase()
}

/// The file as text, wiped when dropped: it may hold the passphrase.
fn read(path: &Path) -> std::io::Result<Zeroizing<Vec<u8>>> {
    fs::read(path).map(Zeroizing::new)
}

fn file_layer(path: &Path, bytes: &[u8]) -> Result<Layer, ConfigError> {
    let at = |offset| Origin::File(path.to_owned(), line(bytes, offset));
    let text = std::str::from_utf8(bytes)
        .map_err(|error| ConfigError::Syntax { origin: at(error.valid_up_to()), what: "not UTF-8" })?;
    // TOML's own message comes with the line it stands in, which may be the passphrase's: say less.
    let document = DeTable::parse(text).map_err(|error| ConfigError::Syntax {
        origin: at(error.span().map_or(0, |span| span.start)),
        what: in_our_words(error.message()),
    })?;

    let mut layer = Layer::new();
    for (section, value) in in_order(document.into_inner()) {
        let (origin, name) = (at(section.span().start), section.get_ref().to_string());
        let known = KEYS.iter().any(|key| key.split_once('.').is_some_and(|(known, _)| known == name));
        match value.into_inner() {
            DeValue::Table(keys) if known => file_section(&name, keys, &at, &mut layer)?,
            DeValue::Table(_) => {
                return Err(ConfigError::UnknownSection { origin, section: printable(&name) });
            }
            _ => return Err(ConfigError::UnknownKey { origin, key: printable(&name) }),
        }
    }
    Ok(layer)
}

fn in_our_words(message: &str) -> &'static str {
    if message.starts_with("duplicate key") {
        "a key or section stands here a second time"
    } else if message.starts_with("string values must be quoted") {
        "not valid TOML: text needs quotes"
    } else {
        "not valid TOML"
    }
}

fn file_section(
    section: &str,
    keys: DeTable<'_>,
    at: &impl Fn(usize) -> Origin,
    layer: &mut Layer,
) -> Result<(), ConfigError> {
    for (name, value) in in_order(keys) {
        let origin = at(name.span().start);
        let full = format!("{section}.{}", name.get_ref());
        let Some(key) = KEYS.iter().find(|key| **key == full) else {
            return Err(ConfigError::UnknownKey { origin, key: printable(&full) });
        };
        let raw = match value.into_inner() {
            DeValue::String(text) => Raw::Text(Zeroizing::new(text.into_owned())),
            DeValue::Integer(number) => {
                // Beyond 64 bits no key reaches: out of range, as any other number.
                Raw::Integer(i64::from_str_radix(number.as_str(), number.radix()).unwrap_or(i64::MAX))
            }
            DeValue::Boolean(truth) => Raw::Boolean(truth),
            DeValue::Array(items) => strings(&items).map_or(Raw::Other, Raw::List),
            _ => Raw::Other,
        };
        layer.insert(key, Found { origin, raw });
    }
    Ok(())
}

fn strings(items: &DeArray<'_>) -> Option<Vec<Zeroizing<String>>> {
    items.iter().map(|item| item.get_ref().as_str().map(|text| Zeroizing::new(text.to_owned()))).collect()
}

type Entry<'i> = (Spanned<toml::de::DeString<'i>>, Spanned<DeValue<'i>>);

/// The entries of a table as they stand in the file, so that the first mistake is the one reported.
fn in_order(table: DeTable<'_>) -> Vec<Entry<'_>> {
    let mut entries: Vec<_> = table.into_iter().collect();
    entries.sort_by_key(|(key, _)| key.span().start);
    entries
}

fn line(bytes: &[u8], offset: usize) -> usize {
    1 + bytes.iter().take(offset).filter(|byte| **byte == b'\n').count()
}

/// A name on one line, whatever is in it.
fn printable(name: &str) -> String {
    name.escape_debug().to_string()
}
