//! From what was written to what it means; what is missing keeps its default.

use std::net::IpAddr;
use std::ops::RangeInclusive;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use ipnet::IpNet;
use url::Url;

use super::address;
use super::error::Origin;
use super::source::{Found, Raw, Sources};
use super::{
    Config, ConfigError, InvalidDuration, Limits, ListenAddress, PassphrasePlace, Serving, Storage, TlsFiles,
    parse_duration,
};
use crate::crypto::{KdfParameters, Passphrase};
use crate::secret_file;

const NUMBER_AS_DURATION: &str = "a number and s, m, h or d in quotes, such as \"24h\": from 1s to 36500d";

const NETWORKS: &str = "a list of addresses and networks, such as [\"127.0.0.1\", \"10.0.0.0/8\"]";

const ORIGINS: &str =
    "a list of origins as browsers write them, such as [\"https://app.example.com\"]: no * and no path";

pub(super) fn config(mut sources: Sources) -> Result<Config, ConfigError> {
    let mut config = Config::default();
    let (floor, cap) = (KdfParameters::FLOOR, KdfParameters::CAP);
    let read = &mut sources;

    text(read, "server.listen", address::EXPECTED, &mut config.server.listen)?;
    config.server.tls = tls_files(read)?;
    boolean(read, "server.allow_plaintext", &mut config.server.allow_plaintext)?;
    list(read, "server.trusted_proxies", NETWORKS, network, &mut config.server.trusted_proxies)?;
    list(read, "cors.allowed_origins", ORIGINS, web_origin, &mut config.cors.allowed_origins)?;
    config.storage.path = storage_path(read)?;
    if let Some((passphrase, place)) = passphrase(read)? {
        config.encryption.passphrase = Some(passphrase);
        config.encryption.passphrase_place = place;
    }
    let kdf = &mut config.encryption.kdf;
    number(read, "encryption.argon2_memory_kib", floor.memory_kib..=cap.memory_kib, &mut kdf.memory_kib)?;
    number(read, "encryption.argon2_passes", floor.passes..=cap.passes, &mut kdf.passes)?;
    boolean(read, "accounts.strict", &mut config.accounts.strict)?;
    duration(read, "sessions.ttl", &mut config.sessions.ttl)?;
    duration(read, "sessions.refresh_ttl", &mut config.sessions.refresh_ttl)?;
    shorter(read, "console.idle", "1s to 30m", &mut config.console.idle)?;
    shorter(read, "console.lifetime", "1s to 12h", &mut config.console.lifetime)?;
    let limits = &mut config.limits;
    number(read, "limits.max_value_bytes", 1..=Limits::MAX_VALUE_BYTES_CAP, &mut limits.max_value_bytes)?;
    number(read, "limits.requests_per_second", 0..=1_000_000, &mut limits.requests_per_second)?;
    limits.burst = (2 * limits.requests_per_second).max(1);
    number(read, "limits.burst", 1..=2_000_000, &mut limits.burst)?;
    number(read, "history.keep_versions", 1..=10_000, &mut config.history.keep_versions)?;
    number(read, "audit.keep_days", 1..=36_500, &mut config.audit.keep_days)?;
    text(read, "log.format", "text or json", &mut config.log.format)?;
    text(read, "log.level", "error, warn, info, debug or trace", &mut config.log.level)?;
    Ok(config)
}

fn invalid(origin: Origin, key: &'static str, expected: impl Into<String>) -> ConfigError {
    let expected = expected.into();
    let expected = match origin {
        Origin::File(..) => expected,
        // Quotes would be part of it there.
        Origin::Variable(_) | Origin::Flag(_) => expected.replace(" in quotes", ""),
    };
    ConfigError::Invalid { origin, key, expected }
}

fn text<T: FromStr>(
    sources: &mut Sources,
    key: &'static str,
    expected: &str,
    into: &mut T,
) -> Result<(), ConfigError> {
    let Some(Found { origin, raw }) = sources.take(key) else { return Ok(()) };
    let parsed = match raw {
        Raw::Text(text) => text.parse().ok(),
        _ => None,
    };
    *into = parsed.ok_or_else(|| invalid(origin, key, expected))?;
    Ok(())
}

/// A list: an array of the file's, or text with commas between.
fn list<T>(
    sources: &mut Sources,
    key: &'static str,
    expected: &str,
    parse: impl Fn(&str) -> Option<T>,
    into: &mut Vec<T>,
) -> Result<(), ConfigError> {
    let Some(Found { origin, raw }) = sources.take(key) else { return Ok(()) };
    let parsed = match &raw {
        Raw::List(texts) => texts.iter().map(|text| parse(text)).collect(),
        Raw::Text(text) if !matches!(origin, Origin::File(..)) => match text.trim() {
            "" => Some(Vec::new()),
            text => text.split(',').map(|text| parse(text.trim())).collect(),
        },
        _ => None,
    };
    *into = parsed.ok_or_else(|| invalid(origin, key, expected))?;
    Ok(())
}

fn network(text: &str) -> Option<IpNet> {
    text.parse().ok().or_else(|| text.parse::<IpAddr>().ok().map(|address| address.to_canonical().into()))
}

/// An origin in the one spelling that browsers send: what differs from it would never match.
fn web_origin(text: &str) -> Option<String> {
    // The parser takes `*` for a name.
    let exact = Some(text).filter(|text| !text.contains('*'))?;
    let url = Url::parse(exact).ok().filter(|url| matches!(url.scheme(), "https" | "http"))?;
    Some(url.origin().ascii_serialization()).filter(|origin| origin == text)
}

fn duration(
    sources: &mut Sources,
    key: &'static str,
    into: &mut std::time::Duration,
) -> Result<(), ConfigError> {
    struct Parsed(std::time::Duration);
    impl FromStr for Parsed {
        type Err = InvalidDuration;

        fn from_str(text: &str) -> Result<Self, InvalidDuration> {
            parse_duration(text).map(Self)
        }
    }
    let mut parsed = Parsed(*into);
    text(sources, key, NUMBER_AS_DURATION, &mut parsed)?;
    *into = parsed.0;
    Ok(())
}

/// A duration that is no longer than what stands there.
fn shorter(
    sources: &mut Sources,
    key: &'static str,
    range: &str,
    into: &mut std::time::Duration,
) -> Result<(), ConfigError> {
    let Some(Found { origin, raw }) = sources.take(key) else { return Ok(()) };
    let parsed = match raw {
        Raw::Text(text) => parse_duration(&text).ok(),
        _ => None,
    };
    *into = parsed
        .filter(|parsed| parsed <= into)
        .ok_or_else(|| invalid(origin, key, format!("a number and s, m, h or d in quotes, from {range}")))?;
    Ok(())
}

fn number(
    sources: &mut Sources,
    key: &'static str,
    range: RangeInclusive<u32>,
    into: &mut u32,
) -> Result<(), ConfigError> {
    let Some(Found { origin, raw }) = sources.take(key) else { return Ok(()) };
    let number = match &raw {
        Raw::Integer(number) if matches!(origin, Origin::File(..)) => u32::try_from(*number).ok(),
        // The environment has only text; a string in the file is the wrong type. `parse` takes a sign.
        Raw::Text(text) if !matches!(origin, Origin::File(..)) && !text.starts_with('+') => text.parse().ok(),
        _ => None,
    };
    *into = number.filter(|number| range.contains(number)).ok_or_else(|| {
        invalid(origin, key, format!("a whole number from {} to {}", range.start(), range.end()))
    })?;
    Ok(())
}

fn boolean(sources: &mut Sources, key: &'static str, into: &mut bool) -> Result<(), ConfigError> {
    let Some(Found { origin, raw }) = sources.take(key) else { return Ok(()) };
    let truth = match &raw {
        Raw::Boolean(truth) => Some(*truth),
        Raw::Text(text) if !matches!(origin, Origin::File(..)) => text.parse().ok(),
        _ => None,
    };
    *into = truth.ok_or_else(|| invalid(origin, key, "true or false"))?;
    Ok(())
}

/// The default lies beside the file too.
pub(super) fn storage_path(sources: &mut Sources) -> Result<PathBuf, ConfigError> {
    match sources.take("storage.path") {
        Some(found) => Ok(resolved(found, "storage.path", &sources.directory)?.1),
        None => Ok(sources.directory.join(Storage::default().path)),
    }
}

pub(super) fn serving(sources: &mut Sources) -> Result<Serving, ConfigError> {
    let mut listen = ListenAddress::default();
    text(sources, "server.listen", address::EXPECTED, &mut listen)?;
    Ok(Serving { listen, is_tls: tls_files(sources)?.is_some() })
}

/// Both, or neither.
fn tls_files(sources: &mut Sources) -> Result<Option<TlsFiles>, ConfigError> {
    const CERTIFICATE: &str = "server.tls_cert";
    const KEY: &str = "server.tls_key";
    match (sources.take(CERTIFICATE), sources.take(KEY)) {
        (None, None) => Ok(None),
        (Some(certificate), Some(key)) => Ok(Some(TlsFiles {
            certificate: resolved(certificate, CERTIFICATE, &sources.directory)?.1,
            key: resolved(key, KEY, &sources.directory)?.1,
        })),
        (Some(found), None) => {
            Err(ConfigError::HalfTls { origin: found.origin, given: CERTIFICATE, missing: KEY })
        }
        (None, Some(found)) => {
            Err(ConfigError::HalfTls { origin: found.origin, given: KEY, missing: CERTIFICATE })
        }
    }
}

/// A path of the file is relative to the file; one from a flag or the environment, to where one stands.
fn resolved(
    Found { origin, raw }: Found,
    key: &'static str,
    directory: &Path,
) -> Result<(Origin, PathBuf), ConfigError> {
    let path = match raw {
        Raw::Text(text) if !text.is_empty() && !text.contains('\0') => PathBuf::from(text.as_str()),
        Raw::NotUnicode(text) => PathBuf::from(text),
        _ => return Err(invalid(origin, key, "a path in quotes")),
    };
    let path = if matches!(origin, Origin::File(..)) { directory.join(path) } else { path };
    Ok((origin, path))
}

/// The passphrase, and where it stands.
fn passphrase(sources: &mut Sources) -> Result<Option<(Passphrase, PassphrasePlace)>, ConfigError> {
    match sources.take_either("encryption.passphrase", "encryption.passphrase_file") {
        (None, None) => Ok(None),
        (Some(one), Some(other)) => {
            Err(ConfigError::TwoPassphrases { origin: later(one.origin, other.origin) })
        }
        (Some(Found { origin, raw }), None) => match raw {
            Raw::Text(mut text) if !text.is_empty() => {
                let place = match origin {
                    Origin::File(path, _) => PassphrasePlace::Configuration(path),
                    Origin::Variable(_) | Origin::Flag(_) => PassphrasePlace::Environment,
                };
                Ok(Some((std::mem::take(&mut *text).into(), place)))
            }
            Raw::Text(_) => Err(invalid(origin, "encryption.passphrase", "a passphrase: it is empty")),
            Raw::NotUnicode(_) => Err(invalid(origin, "encryption.passphrase", "UTF-8")),
            _ => Err(invalid(origin, "encryption.passphrase", "a string in quotes")),
        },
        (None, Some(found)) => {
            let (origin, path) = resolved(found, "encryption.passphrase_file", &sources.directory)?;
            match secret_file::read_text(&path) {
                Ok(mut text) => Ok(Some((std::mem::take(&mut *text).into(), PassphrasePlace::File(path)))),
                Err(why) => Err(ConfigError::PassphraseFile { origin, path, why }),
            }
        }
    }
}

fn later(one: Origin, other: Origin) -> Origin {
    match (&one, &other) {
        (Origin::File(_, a), Origin::File(_, b)) if a > b => one,
        _ => other,
    }
}
