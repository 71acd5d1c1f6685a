//! Where a server listens: `host:port`, where the host may be a name.

use std::fmt;
use std::io;
use std::net::{SocketAddr, ToSocketAddrs};
use std::str::FromStr;

use thiserror::Error;

/// A host and a port, as the operator wrote them; a name is looked up when the server binds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ListenAddress {
    host: String,
    port: u16,
}

impl ListenAddress {
    /// The host: a name, or an address without brackets.
    pub fn host(&self) -> &str {
        &self.host
    }

    /// The same address for whoever connects from this machine: loopback instead of every address.
    #[must_use]
    pub fn reached_here(&self) -> ListenAddress {
        let host = match self.host.as_str() {
            "0.0.0.0" => "127.0.0.1",
            "::" => "::1",
            other => other,
        };
        ListenAddress { host: host.to_owned(), port: self.port }
    }

    /// The port; 0 asks the system for one.
    pub fn port(&self) -> u16 {
        self.port
    }
}

impl Default for ListenAddress {
    fn default() -> Self {
        Self { host: "127.0.0.1".to_owned(), port: 8080 }
    }
}

/// The text is not `host:port`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("must be {EXPECTED}")]
pub struct InvalidAddress;

/// What an address looks like, for those who wrote something else.
pub(super) const EXPECTED: &str = "host:port, such as 127.0.0.1:8080";

impl FromStr for ListenAddress {
    type Err = InvalidAddress;

    fn from_str(text: &str) -> Result<Self, InvalidAddress> {
        if let Ok(address) = text.parse::<SocketAddr>() {
            return Ok(Self { host: address.ip().to_string(), port: address.port() });
        }
        let (host, port) = text.rsplit_once(':').ok_or(InvalidAddress)?;
        let name = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'.' | b'_');
        // Digits and dots that are not an address are a typing error, not a name.
        let numeric = host.bytes().all(|b| b.is_ascii_digit() || b == b'.');
        let port_digits = port.bytes().all(|b| b.is_ascii_digit());
        if numeric || host.len() > 253 || !host.bytes().all(name) || !port_digits {
            return Err(InvalidAddress);
        }
        Ok(Self { host: host.to_owned(), port: port.parse().map_err(|_| InvalidAddress)? })
    }
}

impl fmt::Display for ListenAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.host.contains(':') {
            write!(f, "[{}]:{}", self.host, self.port)
        } else {
            write!(f, "{}:{}", self.host, self.port)
        }
    }
}

impl ToSocketAddrs for ListenAddress {
    type Iter = std::vec::IntoIter<SocketAddr>;

    fn to_socket_addrs(&self) -> io::Result<Self::Iter> {
        (self.host.as_str(), self.port).to_socket_addrs()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn host_and_port_are_parsed_and_printed_alike() {
        for text in ["127.0.0.1:8080", "localhost:0", "[::1]:65535", "0.0.0.0:80", "my-host.example:8080"] {
            assert_eq!(text.parse::<ListenAddress>().map(|a| a.to_string()), Ok(text.to_owned()));
        }
    }

    #[test]
    fn every_address_is_reached_at_loopback() {
        let reached = |text: &str| text.parse::<ListenAddress>().unwrap().reached_here().to_string();
        assert_eq!(reached("0.0.0.0:80"), "127.0.0.1:80");
        assert_eq!(reached("[::]:80"), "[::1]:80");
        for other in ["10.0.0.5:80", "coffer.example:80", "[fe80::1]:80"] {
            assert_eq!(reached(other), other);
        }
    }

    #[test]
    fn anything_else_is_refused() {
        for text in [
            "",
            "8080",
            ":8080",
            "localhost",
            "localhost:",
            "localhost:+1",
            "localhost:65536",
            "::1:8080",
            "127.0.0.1.1:80",
            "256.0.0.1:80",
            "a b:80",
            "http://localhost:80",
            "localhost:80 ",
        ] {
            assert_eq!(text.parse::<ListenAddress>(), Err(InvalidAddress), "{text}");
        }
    }
}
