//! Where an act came from.

use std::net::IpAddr;

use serde::{Deserialize, Serialize};

/// Whoever runs commands on the host.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Operator {
    /// The id of the system's user.
    pub uid: u32,
}

/// Where a request came from, as far as that is known.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Origin {
    /// The client's address.
    pub ip: Option<IpAddr>,
    /// What the client calls itself.
    pub user_agent: Option<UserAgent>,
    /// The id of the request, as its response has it.
    pub request_id: Option<String>,
}

/// What a client calls itself: at most 256 bytes of text without control characters.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct UserAgent(String);

impl UserAgent {
    /// The most bytes that are kept.
    pub const MAX_BYTES: usize = 256;

    /// What remains of what a client sent: what is not UTF-8 or a control character is replaced, and what is
    /// too much is cut off.
    #[must_use]
    pub fn cleaned(sent: &[u8]) -> UserAgent {
        let sent = &sent[..sent.len().min(4 * Self::MAX_BYTES)];
        let replaced = |c: char| if c.is_control() { char::REPLACEMENT_CHARACTER } else { c };
        let mut text: String = String::from_utf8_lossy(sent).chars().map(replaced).collect();
        text.truncate(text.floor_char_boundary(Self::MAX_BYTES));
        UserAgent(text)
    }

    /// The text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_user_agent_is_cleaned_and_cut() {
        let cleaned = |sent: &[u8]| UserAgent::cleaned(sent).as_str().to_owned();
        assert_eq!(cleaned(b"curl/8.5.0"), "curl/8.5.0");
        assert_eq!(cleaned(b"a\x1b[2Jb\tc\xff"), "a\u{fffd}[2Jb\u{fffd}c\u{fffd}");
        assert_eq!(cleaned(&[b'x'; 10_000]).len(), 256);
        let long = "é".repeat(200);
        assert_eq!(cleaned(long.as_bytes()), "é".repeat(128));
        assert_eq!(cleaned(format!("x{long}").as_bytes()).len(), 255);
        assert_eq!(cleaned("\u{202e}rtl".as_bytes()), "\u{202e}rtl");
    }
}
