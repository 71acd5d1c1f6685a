//! Variable formats: which texts a definition takes.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use url::Url;

use super::Invalid;

/// The `var_format` of a definition. A value is kept as the text that was sent, never rewritten.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Format {
    /// Any UTF-8 without NUL, the empty string included.
    String,
    /// A JSON number (RFC 8259, section 6), exactly.
    Number,
    /// An absolute URL with a scheme and a host, at most 8,192 bytes.
    Url,
}

/// What browsers and servers commonly take at the most.
const MAX_URL_BYTES: usize = 8_192;

impl Format {
    /// The format's name in the API.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Format::String => "string",
            Format::Number => "number",
            Format::Url => "url",
        }
    }

    /// Whether `text` is of this format.
    #[must_use]
    pub fn accepts(self, text: &str) -> bool {
        match self {
            Format::String => !text.contains('\0'),
            Format::Number => is_json_number(text.as_bytes()),
            Format::Url => is_url(text),
        }
    }
}

impl FromStr for Format {
    type Err = Invalid;

    fn from_str(text: &str) -> Result<Format, Invalid> {
        [Format::String, Format::Number, Format::Url]
            .into_iter()
            .find(|format| format.as_str() == text)
            .ok_or(Invalid::new("var_format", "must be one of string, number, url"))
    }
}

impl fmt::Display for Format {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

fn is_json_number(text: &[u8]) -> bool {
    let text = text.strip_prefix(b"-").unwrap_or(text);
    let (integer, text) = split_digits(text);
    if integer.is_empty() || (integer.len() > 1 && integer[0] == b'0') {
        return false;
    }
    let text = match text.strip_prefix(b".") {
        Some(fraction) => match split_digits(fraction) {
            ([], _) => return false,
            (_, rest) => rest,
        },
        None => text,
    };
    match text.split_first() {
        None => true,
        Some((b'e' | b'E', exponent)) => {
            let digits = exponent.strip_prefix(b"+").or(exponent.strip_prefix(b"-")).unwrap_or(exponent);
            !digits.is_empty() && digits.iter().all(u8::is_ascii_digit)
        }
        Some(_) => false,
    }
}

fn split_digits(text: &[u8]) -> (&[u8], &[u8]) {
    text.split_at(text.iter().take_while(|byte| byte.is_ascii_digit()).count())
}

fn is_url(text: &str) -> bool {
    // The parser forgives white space, backslashes and missing slashes; a value is kept as sent, so whoever
    // reads it later may not.
    let shaped = text.len() <= MAX_URL_BYTES
        && !text.chars().any(|c| c.is_whitespace() || c.is_control() || c == '\\')
        && text.split_once("://").is_some_and(|(_, rest)| !rest.starts_with('/'));
    shaped && Url::parse(text).is_ok_and(|url| url.host_str().is_some_and(|host| !host.is_empty()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(format: Format, accepts: &[&str], rejects: &[&str]) {
        for text in accepts {
            assert!(format.accepts(text), "{format} should accept {text:?}");
        }
        for text in rejects {
            assert!(!format.accepts(text), "{format} should reject {text:?}");
        }
    }

    #[test]
    fn string_takes_everything_without_nul() {
        check(Format::String, &["", " ", "a\nb", "é", "🦀", "\u{1}"], &["\0", "a\0b"]);
    }

    #[test]
    fn number_takes_exactly_json_numbers() {
        check(
            Format::Number,
            &[
                "0",
                "-0",
                "1",
                "-12",
                "1.5",
                "0.001",
                "1e5",
                "1E+5",
                "1.5e-10",
                "123456789012345678901234567890",
            ],
            &[
                "",
                "-",
                " 1",
                "1 ",
                "+1",
                "01",
                "-01",
                ".5",
                "1.",
                "1.e5",
                "1e",
                "1e+",
                "0x10",
                "NaN",
                "Infinity",
                "-Infinity",
                "1,000",
                "１",
                "1\n",
                "1_000",
                "--1",
                "1e1.5",
                "true",
                "null",
                "\"1\"",
            ],
        );
    }

    #[test]
    fn url_takes_absolute_urls_with_a_host() {
        let longest = format!("https://h/{}", "a".repeat(MAX_URL_BYTES - 10));
        let too_long = format!("{longest}a");
        check(
            Format::Url,
            &[
                "https://example.com",
                "http://127.0.0.1:8080/a?b=c#d",
                "http://[::1]:80/",
                "postgres://user:pw@db:5432/app",
                "redis://cache/0",
                "custom+scheme://host",
                "https://bücher.example/",
                &longest,
            ],
            &[
                "",
                "example.com",
                "/a/b",
                "https://",
                "https:///path",
                "https:example.com",
                "postgres:///db",
                "postgres://user@/db",
                "file:///etc/hosts",
                "javascript:alert(1)",
                "javascript://%0aalert(1)\n",
                "mailto:a@b.c",
                "data:text/plain,a",
                " https://a",
                "https://a ",
                "https://a/b c",
                "https://a\t",
                "https://a\n",
                "https://a/\u{85}",
                "https://a/\u{a0}",
                "https:\\\\a",
                "http://a:99999",
                "://a",
                "1http://a",
                "a/b://c",
                "?a://b",
                &too_long,
            ],
        );
    }
}
