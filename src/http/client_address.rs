//! Which address a request comes from, and whether under TLS, also where a proxy stands between.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use actix_web::HttpRequest;
use actix_web::http::header::{HeaderMap, HeaderName};
use actix_web::web::Data;
use ipnet::IpNet;

const FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");
const FORWARDED_PROTO: HeaderName = HeaderName::from_static("x-forwarded-proto");

/// The proxies whose word about their clients is believed.
#[derive(Debug, Default)]
pub(super) struct TrustedProxies(pub(super) Vec<IpNet>);

impl TrustedProxies {
    fn has(&self, address: IpAddr) -> bool {
        self.0.iter().any(|network| network.contains(&address))
    }

    /// The address of the client behind `peer`. Each proxy adds the address that it was asked from at the right, so
    /// an entry is as good as the one that wrote it: its right neighbour, or the peer. Reading goes on to
    /// the left only while the address at hand is that of a trusted proxy; everything further left may be
    /// invented. Where a trusted proxy wrote what is no address, it is itself the best that is known.
    fn client(&self, peer: IpAddr, headers: &HeaderMap) -> IpAddr {
        let mut client = peer.to_canonical();
        if !self.has(client) {
            return client;
        }
        // Several lines of one field are one list (RFC 9110, section 5.3).
        let lines: Vec<_> = headers.get_all(FORWARDED_FOR).collect();
        let entries = lines.iter().rev().flat_map(|line| line.as_bytes().rsplit(|byte| *byte == b','));
        for entry in entries {
            let Some(address) = address(entry) else { break };
            client = address;
            if !self.has(client) {
                break;
            }
        }
        client
    }

    /// Whether `peer` is a proxy that says of the request that it came to it under TLS. Where there are several
    /// entries, the rightmost is its own.
    fn came_to_under_tls(&self, peer: IpAddr, headers: &HeaderMap) -> bool {
        let last = headers
            .get_all(FORWARDED_PROTO)
            .last()
            .and_then(|line| line.as_bytes().rsplit(|b| *b == b',').next());
        self.has(peer.to_canonical())
            && last.is_some_and(|scheme| scheme.trim_ascii().eq_ignore_ascii_case(b"https"))
    }
}

/// One entry: an address, which some proxies write with its port.
fn address(entry: &[u8]) -> Option<IpAddr> {
    let text = std::str::from_utf8(entry).ok()?.trim_matches([' ', '\t']);
    let address =
        text.parse::<IpAddr>().or_else(|_| text.parse::<SocketAddr>().map(|with_port| with_port.ip()));
    address.ok().map(|address| address.to_canonical())
}

/// The address of whoever sent `request`; the unspecified one where not even the peer is known. An IPv4
/// address is given as such, however the connection came in.
pub(super) fn client_address(request: &HttpRequest) -> IpAddr {
    let Some(peer) = request.peer_addr() else { return Ipv4Addr::UNSPECIFIED.into() };
    match request.app_data::<Data<TrustedProxies>>() {
        Some(trusted) => trusted.client(peer.ip(), request.headers()),
        None => peer.ip().to_canonical(),
    }
}

/// Whether the browser that sent `request` sees HTTPS: it came under TLS, or a trusted proxy says that it did.
pub(super) fn is_https(request: &HttpRequest) -> bool {
    let by_proxy = || {
        let trusted = request.app_data::<Data<TrustedProxies>>()?;
        Some(trusted.came_to_under_tls(request.peer_addr()?.ip(), request.headers()))
    };
    request.app_config().secure() || by_proxy().unwrap_or(false)
}

#[cfg(test)]
mod tests {
    use actix_web::test::TestRequest;

    use super::*;

    /// Who is seen when `peer` sends these lines of `X-Forwarded-For` to a server that trusts `trusted`.
    fn seen(trusted: &[&str], peer: &str, lines: &[&str]) -> String {
        let trusted = trusted.iter().map(|text| text.parse().unwrap()).collect();
        let peer = SocketAddr::new(peer.parse().unwrap(), 4711);
        let request = TestRequest::default().peer_addr(peer).app_data(Data::new(TrustedProxies(trusted)));
        let request =
            lines.iter().fold(request, |request, line| request.append_header((FORWARDED_FOR, *line)));
        client_address(&request.to_http_request()).to_string()
    }

    const TRUSTED: &[&str] = &["127.0.0.1/32", "10.0.0.0/8", "fd00::/8"];

    #[test]
    fn a_peer_that_is_not_trusted_is_not_believed() {
        assert_eq!(seen(&[], "127.0.0.1", &["192.0.2.1"]), "127.0.0.1");
        assert_eq!(seen(TRUSTED, "198.51.100.7", &["192.0.2.1"]), "198.51.100.7");
        assert_eq!(seen(TRUSTED, "fe80::1", &["192.0.2.1"]), "fe80::1");
    }

    #[test]
    fn the_rightmost_address_that_is_not_a_trusted_proxy_is_the_client() {
        assert_eq!(seen(TRUSTED, "127.0.0.1", &["192.0.2.1"]), "192.0.2.1");
        assert_eq!(seen(TRUSTED, "127.0.0.1", &["203.0.113.9, 192.0.2.1"]), "192.0.2.1");
        assert_eq!(seen(TRUSTED, "127.0.0.1", &["203.0.113.9,192.0.2.1 ,\t10.1.2.3, fd00::1"]), "192.0.2.1");
        assert_eq!(seen(TRUSTED, "10.0.0.1", &["2001:db8::1"]), "2001:db8::1");
    }

    #[test]
    fn several_lines_are_one_list() {
        assert_eq!(seen(TRUSTED, "127.0.0.1", &["203.0.113.9", "192.0.2.1, 10.1.2.3"]), "192.0.2.1");
        assert_eq!(seen(TRUSTED, "127.0.0.1", &["203.0.113.9, 192.0.2.1", "10.1.2.3"]), "192.0.2.1");
    }

    #[test]
    fn what_is_no_address_ends_the_search_at_its_right_neighbour() {
        for broken in ["", "unknown", "_hidden", "192.0.2.300", "192.0.2.1/32", "é", "192.0.2.1 192.0.2.2"] {
            assert_eq!(seen(TRUSTED, "127.0.0.1", &[broken]), "127.0.0.1", "{broken}");
            let line = format!("203.0.113.9, {broken}, 10.1.2.3");
            assert_eq!(seen(TRUSTED, "127.0.0.1", &[&line]), "10.1.2.3", "{broken}");
        }
    }

    #[test]
    fn where_everyone_is_trusted_the_first_is_the_client() {
        assert_eq!(seen(TRUSTED, "127.0.0.1", &[]), "127.0.0.1");
        assert_eq!(seen(TRUSTED, "127.0.0.1", &["10.1.1.1, 10.2.2.2"]), "10.1.1.1");
    }

    #[test]
    fn a_port_and_the_ipv6_spelling_of_an_ipv4_address_change_nothing() {
        assert_eq!(seen(TRUSTED, "127.0.0.1", &["192.0.2.1:5000"]), "192.0.2.1");
        assert_eq!(seen(TRUSTED, "127.0.0.1", &["[2001:db8::1]:5000"]), "2001:db8::1");
        assert_eq!(seen(TRUSTED, "::ffff:127.0.0.1", &["::ffff:192.0.2.1"]), "192.0.2.1");
        assert_eq!(seen(&[], "::ffff:192.0.2.1", &[]), "192.0.2.1");
    }

    #[test]
    fn only_a_trusted_proxy_says_that_a_request_came_under_tls() {
        let is_https_of = |peer: &str, lines: &[&str]| {
            let trusted = TRUSTED.iter().map(|text| text.parse().unwrap()).collect();
            let peer = SocketAddr::new(peer.parse().unwrap(), 4711);
            let request = TestRequest::default().peer_addr(peer).app_data(Data::new(TrustedProxies(trusted)));
            let request =
                lines.iter().fold(request, |request, line| request.append_header((FORWARDED_PROTO, *line)));
            is_https(&request.to_http_request())
        };
        for lines in [&["https"][..], &["HTTPS"], &["http, https"], &["http", " https "]] {
            assert!(is_https_of("127.0.0.1", lines), "{lines:?}");
            assert!(is_https_of("::ffff:10.0.0.1", lines), "{lines:?}");
            assert!(!is_https_of("198.51.100.7", lines), "{lines:?}");
        }
        for lines in [&[][..], &[""], &["http"], &["https, http"], &["https", "http"], &["httpsx"]] {
            assert!(!is_https_of("127.0.0.1", lines), "{lines:?}");
        }
        assert!(!is_https(
            &TestRequest::default().append_header((FORWARDED_PROTO, "https")).to_http_request()
        ));
    }

    #[test]
    fn without_a_peer_nobody_is_named() {
        assert_eq!(client_address(&TestRequest::default().to_http_request()), Ipv4Addr::UNSPECIFIED);
    }
}
