//! Who asks too often: a client's address, a credential, and an address that shows wrong credentials.
//!
//! Each is counted by the generic cell rate algorithm: so many requests at once, then one for each moment
//! that passes. Addresses of IPv6 count by their /64, which one client has for itself.

use std::net::{IpAddr, Ipv6Addr};
use std::num::NonZeroU32;
use std::sync::Arc;
use std::time::Duration;

use actix_web::dev::{ServiceRequest, ServiceResponse};
use actix_web::http::StatusCode;
use actix_web::http::header::{HeaderName, HeaderValue};
use actix_web::web::Data;
use actix_web::{HttpMessage, HttpRequest, ResponseError};
use governor::clock::{Clock, DefaultClock};
use governor::middleware::StateInformationMiddleware;
use governor::state::keyed::DefaultKeyedStateStore;
use governor::{NotUntil, Quota, RateLimiter};
use parking_lot::RwLock;

use crate::http::client_address::client_address;
use crate::http::error::ApiError;
use crate::http::metrics::{Metrics, Refusal};
use crate::model::Id;

/// How many wrong credentials an address may show before it is slowed down: more than a client that was
/// given a wrong key shows while somebody puts it right.
const WRONG_CREDENTIALS: NonZeroU32 = NonZeroU32::new(20).expect("20 is not zero");
/// How many more it may show each second from then on.
const WRONG_CREDENTIALS_PER_SECOND: NonZeroU32 = NonZeroU32::MIN;

const LIMIT: HeaderName = HeaderName::from_static("ratelimit-limit");
const REMAINING: HeaderName = HeaderName::from_static("ratelimit-remaining");
const RESET: HeaderName = HeaderName::from_static("ratelimit-reset");

/// How often each address, and each credential, may ask.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RequestRate {
    per_second: NonZeroU32,
    burst: NonZeroU32,
}

impl RequestRate {
    /// `burst` at once and `per_second` from then on; nothing where one of them is zero, which is no limit.
    #[must_use]
    pub fn new(per_second: u32, burst: u32) -> Option<RequestRate> {
        Some(RequestRate { per_second: NonZeroU32::new(per_second)?, burst: NonZeroU32::new(burst)? })
    }

    fn quota(self) -> Quota {
        Quota::per_second(self.per_second).allow_burst(self.burst)
    }
}

type Limiter<K> = RateLimiter<K, DefaultKeyedStateStore<K>, DefaultClock, StateInformationMiddleware>;

/// The limits of a server.
pub(super) struct Limits {
    requests: RwLock<Option<Arc<RequestLimits>>>,
    wrong_credentials: Limiter<IpAddr>,
}

struct RequestLimits {
    rate: RequestRate,
    addresses: Limiter<IpAddr>,
    /// By the id of the API key or the session: one token has many spellings, and one session many tokens.
    credentials: Limiter<Id>,
}

impl Limits {
    pub(super) fn new(rate: Option<RequestRate>) -> Limits {
        let wrong = Quota::per_second(WRONG_CREDENTIALS_PER_SECOND).allow_burst(WRONG_CREDENTIALS);
        let requests = RwLock::new(rate.map(RequestLimits::new).map(Arc::new));
        Limits { requests, wrong_credentials: limiter(wrong) }
    }

    /// Has requests counted by another rate. Where it is the same, what was counted goes on to count.
    pub(super) fn set_rate(&self, rate: Option<RequestRate>) {
        let mut requests = self.requests.write();
        if requests.as_ref().map(|requests| requests.rate) != rate {
            *requests = rate.map(RequestLimits::new).map(Arc::new);
        }
    }

    fn requests(&self) -> Option<Arc<RequestLimits>> {
        self.requests.read().clone()
    }

    /// Forgets whoever has not asked for so long that nothing is held against them.
    pub(super) fn forget_idle(&self) {
        fn forget<K: Clone + Eq + std::hash::Hash>(limiter: &Limiter<K>) {
            limiter.retain_recent();
            limiter.shrink_to_fit();
        }
        forget(&self.wrong_credentials);
        if let Some(requests) = self.requests() {
            forget(&requests.addresses);
            forget(&requests.credentials);
        }
    }
}

impl RequestLimits {
    fn new(rate: RequestRate) -> RequestLimits {
        RequestLimits { rate, addresses: limiter(rate.quota()), credentials: limiter(rate.quota()) }
    }

    /// Counts a request of `key`'s, and notes on it how its sender stands.
    fn count<K: Clone + Eq + std::hash::Hash>(
        &self,
        request: &HttpRequest,
        limiter: &Limiter<K>,
        key: &K,
    ) -> Result<(), ApiError> {
        let burst = self.rate.burst.get();
        let checked = limiter.check_key(key);
        let standing = match &checked {
            Ok(state) => {
                let remaining = state.remaining_burst_capacity();
                let reset = burst.saturating_sub(remaining).div_ceil(self.rate.per_second.get());
                Standing { burst, remaining, reset: reset.into() }
            }
            // The same moment as Retry-After, as the draft asks.
            Err(until) => Standing { burst, remaining: 0, reset: seconds(limiter, until) },
        };
        let mut noted = request.extensions_mut();
        // The request counts twice, and its sender meets the stricter count first.
        if noted.get::<Standing>().is_none_or(|other| standing.remaining <= other.remaining) {
            noted.insert(standing);
        }
        checked.map(|_| ()).map_err(|_| ApiError::too_many_requests(standing.reset))
    }
}

fn limiter<K: Clone + Eq + std::hash::Hash>(quota: Quota) -> Limiter<K> {
    RateLimiter::keyed(quota).with_middleware()
}

/// How long to wait, in whole seconds.
fn seconds<K: Clone + Eq + std::hash::Hash>(
    limiter: &Limiter<K>,
    until: &NotUntil<<DefaultClock as Clock>::Instant>,
) -> u64 {
    let wait = until.wait_time_from(limiter.clock().now());
    (wait + Duration::from_nanos(999_999_999)).as_secs().max(1)
}

/// What the sender of a request is told about its limit.
#[derive(Debug, Clone, Copy)]
struct Standing {
    burst: u32,
    remaining: u32,
    /// Seconds until nothing is held against it; of a refused request, until the next one is taken.
    reset: u64,
}

/// Counts a request by its address, before anything is done for it. Probes and metrics are not counted:
/// whoever watches a server must not be refused when it is busy.
pub(super) fn admit(request: &ServiceRequest) -> Result<(), ApiError> {
    let Some(limits) = request.app_data::<Data<Limits>>() else { return Ok(()) };
    let Some(requests) = limits.requests() else { return Ok(()) };
    if matches!(request.path(), "/healthz" | "/readyz" | "/metrics") {
        return Ok(());
    }
    let request = request.request();
    requests
        .count(request, &requests.addresses, &network(client_address(request)))
        .inspect_err(|_| note(request, Refusal::Address))
}

/// What comes of a check of the credential that a request shows, if it shows one. A right one is counted by
/// itself, where `id` knows it; a wrong one is held against the address. A right one is never refused for the
/// wrong ones of its address: many clients may share it, and 256 random bits cannot be guessed, so this is
/// against noise, not guessing.
pub(super) fn settle<T>(
    request: &HttpRequest,
    is_shown: bool,
    checked: Result<T, ApiError>,
    id: impl FnOnce(&T) -> Option<Id>,
) -> Result<T, ApiError> {
    let Some(limits) = request.app_data::<Data<Limits>>() else { return checked };
    match checked {
        Ok(caller) => {
            if let (Some(requests), Some(id)) = (limits.requests(), id(&caller)) {
                requests
                    .count(request, &requests.credentials, &id)
                    .inspect_err(|_| note(request, Refusal::Credential))?;
            }
            Ok(caller)
        }
        Err(error) if error.status_code() == StatusCode::UNAUTHORIZED => {
            if !is_shown {
                return Err(error);
            }
            match limits.wrong_credentials.check_key(&network(client_address(request))) {
                Ok(_) => Err(error),
                Err(until) => {
                    note(request, Refusal::WrongCredential);
                    Err(ApiError::too_many_requests(seconds(&limits.wrong_credentials, &until)))
                }
            }
        }
        Err(error) => Err(error),
    }
}

/// Tells the sender of a request how it stands, where it is limited.
pub(super) fn tell<B>(response: &mut ServiceResponse<B>) {
    let standing = response.request().extensions().get::<Standing>().copied();
    if let Some(standing) = standing {
        let headers = response.headers_mut();
        headers.insert(LIMIT, HeaderValue::from(standing.burst));
        headers.insert(REMAINING, HeaderValue::from(standing.remaining));
        headers.insert(RESET, HeaderValue::from(standing.reset));
    }
}

/// What counts as one client.
fn network(address: IpAddr) -> IpAddr {
    match address {
        IpAddr::V4(_) => address,
        IpAddr::V6(address) => Ipv6Addr::from_bits(address.to_bits() >> 64 << 64).into(),
    }
}

fn note(request: &HttpRequest, refusal: Refusal) {
    if let Some(metrics) = request.app_data::<Data<Metrics>>() {
        metrics.refused(refusal);
    }
}

#[cfg(test)]
mod tests {
    use std::net::SocketAddr;

    use actix_web::HttpResponse;
    use actix_web::test::TestRequest;

    use super::*;
    use crate::http::error::Code;

    fn request(limits: &Data<Limits>, peer: &str) -> ServiceRequest {
        let peer = SocketAddr::new(peer.parse().unwrap(), 4711);
        TestRequest::default().peer_addr(peer).app_data(limits.clone()).to_srv_request()
    }

    fn settled(
        limits: &Data<Limits>,
        peer: &str,
        key: &str,
        checked: Result<(), ApiError>,
    ) -> Result<(), ApiError> {
        let mut id = [0; 12];
        id[..key.len()].copy_from_slice(key.as_bytes());
        settle(request(limits, peer).request(), true, checked, |()| Some(Id::from_bytes(id)))
    }

    fn is_429<T>(outcome: Result<T, ApiError>) -> bool {
        outcome.is_err_and(|error| error.status_code() == StatusCode::TOO_MANY_REQUESTS)
    }

    fn wrong() -> Result<(), ApiError> {
        Err(ApiError::new(Code::InvalidCredentials, "Invalid Credentials"))
    }

    #[test]
    fn an_address_is_counted_with_its_network() {
        let limits = Data::new(Limits::new(RequestRate::new(1, 2)));
        let refused = |peer| is_429(admit(&request(&limits, peer)));
        assert!(!refused("2001:db8::1") && !refused("2001:db8::2"));
        assert!(refused("2001:db8::ffff:1"), "one /64");
        assert!(!refused("2001:db8:0:1::1"), "another /64");
        assert!(!refused("192.0.2.1") && !refused("192.0.2.1") && refused("192.0.2.1"));
        assert!(!refused("192.0.2.2"));
    }

    #[test]
    fn a_credential_is_counted_wherever_it_is_used() {
        let limits = Data::new(Limits::new(RequestRate::new(1, 2)));
        let refused = |peer, key| is_429(settled(&limits, peer, key, Ok(())));
        assert!(!refused("192.0.2.1", "one") && !refused("192.0.2.2", "one"));
        assert!(refused("192.0.2.3", "one"));
        assert!(!refused("192.0.2.3", "another"));
    }

    #[test]
    fn wrong_credentials_slow_their_address_down_and_no_other() {
        let limits = Data::new(Limits::new(None));
        for _ in 0..20 {
            assert!(!is_429(settled(&limits, "192.0.2.1", "x", wrong())));
        }
        assert!(is_429(settled(&limits, "192.0.2.1", "y", wrong())));
        assert!(!is_429(settled(&limits, "192.0.2.2", "y", wrong())));
        assert!(settled(&limits, "192.0.2.1", "right", Ok(())).is_ok());
        std::thread::sleep(Duration::from_millis(1_050));
        assert!(!is_429(settled(&limits, "192.0.2.1", "x", wrong())), "one a second");
        assert!(is_429(settled(&limits, "192.0.2.1", "x", wrong())));
    }

    #[test]
    fn whoever_has_been_idle_is_forgotten() {
        let limits = Data::new(Limits::new(RequestRate::new(1_000, 1)));
        for host in 0..=255 {
            let _ = admit(&request(&limits, &format!("192.0.2.{host}")));
            let _ = settled(&limits, "192.0.2.1", &format!("{host}"), Ok(()));
        }
        let requests = limits.requests().unwrap();
        assert_eq!((requests.addresses.len(), requests.credentials.len()), (256, 256));
        std::thread::sleep(Duration::from_millis(10));
        limits.forget_idle();
        assert_eq!((requests.addresses.len(), requests.credentials.len()), (0, 0));
    }

    #[test]
    fn without_a_rate_nobody_is_counted() {
        assert!(RequestRate::new(0, 1).is_none());
        let limits = Data::new(Limits::new(None));
        let request = request(&limits, "192.0.2.1");
        for _ in 0..1_000 {
            assert!(admit(&request).is_ok() && settle(request.request(), true, Ok(()), |()| None).is_ok());
        }
        let mut response = request.into_response(HttpResponse::Ok().finish());
        tell(&mut response);
        assert!(response.headers().is_empty());
    }
}
