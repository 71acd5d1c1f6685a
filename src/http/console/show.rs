//! How times, texts and sizes are written for people.

use crate::model::{ApiKey, Reach, Timestamp};
use crate::vault::{ResolvedValue, ShownContent};

/// A moment: for programs, and for people.
pub(super) struct Moment {
    pub(super) iso: String,
    pub(super) text: String,
}

impl From<Timestamp> for Moment {
    fn from(timestamp: Timestamp) -> Moment {
        let iso = timestamp.to_string();
        let text = format!("{} UTC", iso.get(..16).unwrap_or(&iso).replace('T', " "));
        Moment { iso, text }
    }
}

/// How many characters of a value a table shows.
const PREVIEW: usize = 80;

/// What a table shows of a value.
#[derive(Debug)]
pub(super) struct Preview {
    /// Its text, or the beginning of it; nothing of an encrypted one.
    pub(super) text: String,
    pub(super) is_cut: bool,
    pub(super) is_redacted: bool,
}

impl Preview {
    pub(super) fn of(value: &ResolvedValue) -> Preview {
        match &value.shown {
            ShownContent::Plain(whole) => {
                let text: String = whole.chars().take(PREVIEW).collect();
                Preview { is_cut: text.len() < whole.len(), text, is_redacted: false }
            }
            ShownContent::Redacted | ShownContent::Revealed(_) => {
                Preview { text: String::new(), is_cut: false, is_redacted: true }
            }
        }
    }
}

/// What a page says was done, by the word in its address: nothing that others could make up is shown.
pub(super) fn notice(word: &str) -> Option<&'static str> {
    Some(match word {
        "set" => "The value is set.",
        "unchanged" => "Nothing was changed.",
        "value-deleted" => "The value is deleted.",
        "rolled-back" => "The earlier version is set again, as a new version.",
        "created" => "The variable is defined.",
        "changed" => "The definition is changed.",
        "definition-deleted" => "The variable is deleted.",
        "account-registered" => "The linked account is registered.",
        "account-changed" => "The linked account has its new name.",
        "account-deleted" => "The linked account is deleted, with all that was its own.",
        "revoked" => "The key is revoked: it opens nothing from now on.",
        _ => return None,
    })
}

/// What a key is called: by its id, where nobody gave it a name.
pub(super) fn key_name(key: &ApiKey) -> String {
    if key.name.is_empty() { format!("key {}", key.id) } else { key.name.clone() }
}

/// The environments that a key opens.
pub(super) fn reach_name(reach: &Reach) -> String {
    match reach {
        Reach::All => "every environment".into(),
        Reach::One(environment) => environment.to_string(),
    }
}

/// A number with its thousands apart.
pub(super) fn number(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::with_capacity(digits.len() + digits.len() / 3);
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// A size.
pub(super) fn bytes(bytes: u64) -> String {
    const UNITS: [&str; 4] = ["KiB", "MiB", "GiB", "TiB"];
    if bytes < 1024 {
        return count(bytes, "byte", "bytes");
    }
    let (mut size, mut unit) = (bytes as f64 / 1024.0, 0);
    while size >= 1024.0 && unit + 1 < UNITS.len() {
        (size, unit) = (size / 1024.0, unit + 1);
    }
    if size < 10.0 { format!("{size:.1} {}", UNITS[unit]) } else { format!("{size:.0} {}", UNITS[unit]) }
}

/// How many of what.
pub(super) fn count(number: u64, one: &str, many: &str) -> String {
    format!("{} {}", self::number(number), if number == 1 { one } else { many })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_and_moments_are_written_for_people() {
        assert_eq!(number(0), "0");
        assert_eq!(number(999), "999");
        assert_eq!(number(1_000), "1,000");
        assert_eq!(number(1_234_567), "1,234,567");
        assert_eq!(bytes(1), "1 byte");
        assert_eq!(bytes(1_536), "1.5 KiB");
        assert_eq!(bytes(64 << 20), "64 MiB");
        assert_eq!(bytes(5 << 40), "5.0 TiB");
        assert_eq!(count(1, "value", "values"), "1 value");
        assert_eq!(count(2_000, "value", "values"), "2,000 values");
        assert_eq!(Moment::from(Timestamp::from_millis(0)).text, "1970-01-01 00:00 UTC");
    }
}
