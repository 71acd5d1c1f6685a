//! Who is signed in. In memory alone: a restart signs everyone out, and no copy of the store has a session.
//!
//! A session keeps no API key, only what finds its record again; each request looks whether it is still
//! there, so revoking the key ends what was signed in with it.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use parking_lot::Mutex;
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;
use zeroize::Zeroizing;

use crate::vault::{ApiKeyHandle, Error};

/// How long whoever has signed in stays so.
#[derive(Debug, Clone, Copy)]
pub struct Lifetimes {
    /// Without a request.
    pub idle: Duration,
    /// In any case.
    pub lifetime: Duration,
}

impl Default for Lifetimes {
    fn default() -> Lifetimes {
        Lifetimes { idle: Duration::from_secs(30 * 60), lifetime: Duration::from_secs(12 * 60 * 60) }
    }
}

/// How many sessions one key has at most, and how many there are: with one more, the one that has rested
/// longest ends.
const MAX_PER_KEY: usize = 16;
const MAX_SESSIONS: usize = 4_096;

/// The sessions of a server.
pub(in crate::http) struct Sessions {
    lifetimes: Lifetimes,
    /// By the hash of the cookie, so that no comparison tells how much of a guess is right.
    open: Mutex<HashMap<Hash, Session>>,
}

type Hash = [u8; 32];

struct Session {
    key: ApiKeyHandle,
    csrf: String,
    begun: Instant,
    seen: Instant,
}

/// A session that is open, as one request sees it.
#[derive(Clone)]
pub(super) struct SignedIn {
    hash: Hash,
    pub(super) key: ApiKeyHandle,
    /// What every change must bring along: other sites' pages cannot know it.
    pub(super) csrf: String,
}

impl SignedIn {
    /// Whether a form has this session's token.
    pub(super) fn sent_it(&self, token: &str) -> bool {
        self.csrf.as_bytes().ct_eq(token.as_bytes()).into()
    }
}

impl Sessions {
    pub(in crate::http) fn new(lifetimes: Lifetimes) -> Sessions {
        Sessions { lifetimes, open: Mutex::default() }
    }

    /// Begins a session of a key that was checked, and says what the cookie is to hold.
    pub(super) fn begin(&self, key: ApiKeyHandle) -> Result<Zeroizing<String>, Error> {
        let cookie = Zeroizing::new(random()?);
        let now = Instant::now();
        let session = Session { key, csrf: random()?, begun: now, seen: now };
        let mut open = self.open.lock();
        open.retain(|_, session| self.lasts(session, now));
        let of_key = open.values().filter(|other| other.key == session.key).count();
        if of_key >= MAX_PER_KEY {
            end_longest_resting(&mut open, |other| other.key == session.key);
        } else if open.len() >= MAX_SESSIONS {
            end_longest_resting(&mut open, |_| true);
        }
        open.insert(hash(&cookie), session);
        Ok(cookie)
    }

    /// The session that a cookie stands for, which is thereby in use.
    pub(super) fn find(&self, cookie: &str) -> Option<SignedIn> {
        let (now, hash) = (Instant::now(), hash(cookie));
        let mut open = self.open.lock();
        let session = open.get_mut(&hash)?;
        if !self.lasts(session, now) {
            open.remove(&hash);
            return None;
        }
        session.seen = now;
        Some(SignedIn { hash, key: session.key.clone(), csrf: session.csrf.clone() })
    }

    /// Ends one session.
    pub(super) fn end(&self, session: &SignedIn) {
        self.open.lock().remove(&session.hash);
    }

    /// Ends every session of the same key.
    pub(super) fn end_all(&self, session: &SignedIn) {
        self.open.lock().retain(|_, other| other.key != session.key);
    }

    fn lasts(&self, session: &Session, now: Instant) -> bool {
        now.duration_since(session.seen) < self.lifetimes.idle
            && now.duration_since(session.begun) < self.lifetimes.lifetime
    }
}

fn end_longest_resting(open: &mut HashMap<Hash, Session>, among: impl Fn(&Session) -> bool) {
    let resting = open.iter().filter(|(_, session)| among(session)).min_by_key(|(_, session)| session.seen);
    if let Some(hash) = resting.map(|(hash, _)| *hash) {
        open.remove(&hash);
    }
}

fn hash(cookie: &str) -> Hash {
    Sha256::digest(cookie).into()
}

/// 256 bits, as text that a cookie and a form may hold.
fn random() -> Result<String, Error> {
    let mut bytes = Zeroizing::new([0; 32]);
    getrandom::fill(bytes.as_mut_slice())?;
    Ok(URL_SAFE_NO_PAD.encode(bytes.as_slice()))
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::crypto::{KdfParameters, Keyring, Passphrase};
    use crate::store::memory::Memory;
    use crate::vault::{Policy, Vault};

    fn with_keys<const N: usize>(check: impl FnOnce([ApiKeyHandle; N])) {
        crate::http::block_on(async {
            let passphrase = Passphrase::from("a passphrase for tests".to_owned());
            let (keyring, _) = Keyring::create(&passphrase, KdfParameters::FLOOR, [7; 16]).unwrap();
            let vault = Vault::open(Arc::new(Memory::new()), keyring, Policy::for_tests()).await.unwrap();
            check(std::array::from_fn(|number| vault.api_key_handle(&number.to_string())));
        });
    }

    fn lifetimes(idle: u64, lifetime: u64) -> Lifetimes {
        Lifetimes { idle: Duration::from_millis(idle), lifetime: Duration::from_millis(lifetime) }
    }

    #[test]
    fn one_key_has_few_sessions_and_the_one_that_rests_longest_ends() {
        with_keys(|[one, other]| {
            let sessions = Sessions::new(Lifetimes::default());
            let others = sessions.begin(other).unwrap();
            let first = sessions.begin(one.clone()).unwrap();
            let second = sessions.begin(one.clone()).unwrap();
            assert!(sessions.find(&first).is_some());
            for _ in 2..=MAX_PER_KEY {
                sessions.begin(one.clone()).unwrap();
            }
            assert!(sessions.find(&second).is_none(), "it rested longest");
            assert!(sessions.find(&first).is_some() && sessions.find(&others).is_some());
            assert_eq!(sessions.open.lock().len(), MAX_PER_KEY + 1);
        });
    }

    #[test]
    fn a_session_ends_when_it_rests_and_at_the_latest_after_its_lifetime() {
        with_keys(|[key]| {
            let sessions = Sessions::new(lifetimes(200, 10_000));
            let cookie = sessions.begin(key.clone()).unwrap();
            for _ in 0..5 {
                std::thread::sleep(Duration::from_millis(60));
                assert!(sessions.find(&cookie).is_some(), "in use");
            }
            std::thread::sleep(Duration::from_millis(250));
            assert!(sessions.find(&cookie).is_none(), "idle");
            assert!(sessions.open.lock().is_empty(), "nothing is kept of it");
            let sessions = Sessions::new(lifetimes(10_000, 200));
            let cookie = sessions.begin(key).unwrap();
            assert!(sessions.find(&cookie).is_some());
            std::thread::sleep(Duration::from_millis(250));
            assert!(sessions.find(&cookie).is_none(), "over");
        });
    }

    #[test]
    fn signing_out_everywhere_ends_the_sessions_of_one_key() {
        with_keys(|[one, other]| {
            let sessions = Sessions::new(Lifetimes::default());
            let cookies = [one.clone(), one, other].map(|key| sessions.begin(key).unwrap());
            let signed_in = sessions.find(&cookies[0]).unwrap();
            assert!(signed_in.sent_it(&signed_in.csrf.clone()) && !signed_in.sent_it(""));
            sessions.end_all(&signed_in);
            assert_eq!(cookies.map(|cookie| sessions.find(&cookie).is_some()), [false, false, true]);
        });
    }
}
