//! Session and refresh tokens as text: what they say, and whether they are ours.
//!
//! A session token is a JWT (RFC 7519) signed with HS256 (RFC 7518, section 3.2). Its header is a constant, and
//! compared as text before anything of the token is decoded: there is no algorithm to choose (RFC 8725,
//! section 3.1). A refresh token is opaque to clients: the session, the number of its pair, and a MAC. Both are
//! made of the session's record alone, so that none is kept, and the same can be handed out again.

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use crate::crypto::{Keyring, MacKey};
use crate::model::{AccountId, Environment, Id, Session, Timestamp};
use crate::store::key;
use crate::vault::Error;

/// `{"alg":"HS256","typ":"JWT"}`, encoded.
const HEADER: &str = "eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9";
/// No token of ours is longer: of the claims, only the account's id is not short, and JSON may write each of
/// its 256 bytes as six.
const MAX_BYTES: usize = 4096;
/// By how many seconds the clock may have stepped back since a token was issued.
const LEEWAY: i64 = 60;
const REFRESH_PREFIX: &str = "rt_";

/// A token, which opens an account to whoever has it: it cannot be printed by accident.
pub struct SessionToken(Zeroizing<String>);

impl SessionToken {
    /// The token. The name is there to be seen in a review.
    #[must_use]
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for SessionToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[REDACTED]")
    }
}

/// What a session token says.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Claims {
    org_id: String,
    linked_account_id: String,
    environment: String,
    iat: i64,
    exp: i64,
    jti: String,
}

/// Whom a session token is for: signed by us, and in its time. Whether the session still exists is not known
/// by that.
#[derive(Debug)]
pub(super) struct Holder {
    pub(super) org: Id,
    pub(super) environment: Environment,
    pub(super) account: AccountId,
    pub(super) session: Id,
    pub(super) generation: u32,
}

impl Holder {
    /// The session's key in the store.
    pub(super) fn session_key(&self) -> Vec<u8> {
        key::session(self.org, &self.environment, &self.account, self.session)
    }
}

/// The newest session token of `session`.
pub(super) fn sign(
    keyring: &Keyring,
    org: Id,
    environment: &Environment,
    account: &AccountId,
    session: &Session,
) -> SessionToken {
    let claims = Claims {
        org_id: org.to_string(),
        linked_account_id: account.to_string(),
        environment: environment.to_string(),
        iat: session.issued_at.seconds(),
        exp: session.expires_at.seconds(),
        jti: format!("{}.{}", session.id, session.generation),
    };
    let claims = serde_json::to_vec(&claims).expect("text and numbers are JSON");
    let mut token = Zeroizing::new(String::with_capacity(512));
    token.push_str(HEADER);
    token.push('.');
    URL_SAFE_NO_PAD.encode_string(claims, &mut token);
    let tag = keyring.session_tokens().tag(token.as_bytes());
    token.push('.');
    URL_SAFE_NO_PAD.encode_string(tag, &mut token);
    SessionToken(token)
}

/// Whom `token` is for.
pub(super) fn verify(key: &MacKey, token: &str, now: Timestamp) -> Result<Holder, Error> {
    read(key, token, now.seconds()).ok_or(Error::InvalidToken)
}

/// Whom `token` is for, where it is ours, also where its time is over.
pub(super) fn signed_by_us(key: &MacKey, token: &str) -> Option<Holder> {
    claims(key, token)?.holder()
}

fn read(key: &MacKey, token: &str, now: i64) -> Option<Holder> {
    let claims = claims(key, token)?;
    if claims.exp <= now || claims.iat > now.saturating_add(LEEWAY) {
        return None;
    }
    claims.holder()
}

fn claims(key: &MacKey, token: &str) -> Option<Claims> {
    if token.len() > MAX_BYTES {
        return None;
    }
    let (signed, tag) = token.rsplit_once('.')?;
    let claims = signed.strip_prefix(HEADER)?.strip_prefix('.')?;
    if !key.verify(signed.as_bytes(), &URL_SAFE_NO_PAD.decode(tag).ok()?) {
        return None;
    }
    serde_json::from_slice(&URL_SAFE_NO_PAD.decode(claims).ok()?).ok()
}

impl Claims {
    fn holder(&self) -> Option<Holder> {
        let (session, generation) = self.jti.split_once('.')?;
        Some(Holder {
            org: self.org_id.parse().ok()?,
            environment: self.environment.parse().ok()?,
            account: self.linked_account_id.parse().ok()?,
            session: session.parse().ok()?,
            generation: generation.parse().ok()?,
        })
    }
}

/// The newest refresh token of `session`.
pub(super) fn refresh_token(key: &MacKey, session: &Session) -> SessionToken {
    let mut bytes = Zeroizing::new([0; REFRESH_BYTES]);
    bytes[..12].copy_from_slice(session.id.as_bytes());
    bytes[12..16].copy_from_slice(&session.generation.to_be_bytes());
    let tag = key.tag(&bytes[..16]);
    bytes[16..].copy_from_slice(&tag);
    let mut token = Zeroizing::new(String::with_capacity(80));
    token.push_str(REFRESH_PREFIX);
    URL_SAFE_NO_PAD.encode_string(bytes.as_slice(), &mut token);
    SessionToken(token)
}

const REFRESH_BYTES: usize = 12 + 4 + 32;

/// The session and the number of the pair that a refresh token of ours is of.
pub(super) fn read_refresh_token(key: &MacKey, token: &str) -> Option<(Id, u32)> {
    let encoded = token.strip_prefix(REFRESH_PREFIX)?;
    if encoded.len() != REFRESH_BYTES * 4 / 3 {
        return None;
    }
    let bytes: [u8; REFRESH_BYTES] = URL_SAFE_NO_PAD.decode(encoded).ok()?.try_into().ok()?;
    let (said, tag) = bytes.split_at(16);
    if !key.verify(said, tag) {
        return None;
    }
    let session = Id::from_bytes(said[..12].try_into().ok()?);
    Some((session, u32::from_be_bytes(said[12..].try_into().ok()?)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::crypto::{KdfParameters, Passphrase};

    const NOW: i64 = 1_800_000_000;

    fn keyring() -> Keyring {
        let passphrase = Passphrase::from("a passphrase for tests".to_owned());
        Keyring::create(&passphrase, KdfParameters::FLOOR, [7; 16]).unwrap().0
    }

    fn session() -> Session {
        Session {
            id: Id::from_bytes([3; 12]),
            account: Id::from_bytes([4; 12]),
            generation: 2,
            issued_at: Timestamp::from_seconds(NOW),
            expires_at: Timestamp::from_seconds(NOW + 60),
            refresh_expires_at: Timestamp::from_seconds(NOW + 600),
        }
    }

    fn token(keyring: &Keyring) -> String {
        let account = "mark@acme.com".parse().unwrap();
        let org = Id::from_bytes([1; 12]);
        sign(keyring, org, &Environment::test(), &account, &session()).expose().to_owned()
    }

    /// A token of this header and these claims, truly signed.
    fn forged(keyring: &Keyring, header: &str, claims: &str) -> String {
        let encode = |text: &str| URL_SAFE_NO_PAD.encode(text);
        let signed = format!("{}.{}", encode(header), encode(claims));
        let tag = URL_SAFE_NO_PAD.encode(keyring.session_tokens().tag(signed.as_bytes()));
        format!("{signed}.{tag}")
    }

    const TRUE_HEADER: &str = r#"{"alg":"HS256","typ":"JWT"}"#;

    fn claims(changed: &str) -> String {
        let account =
            r#""org_id":"010101010101010101010101","linked_account_id":"mark","environment":"test""#;
        format!(r#"{{{account},"iat":{NOW},"exp":{},"jti":"030303030303030303030303.2"{changed}}}"#, NOW + 60)
    }

    #[test]
    fn a_token_says_whom_it_is_for_as_long_as_it_is_valid() {
        let keyring = keyring();
        let token = token(&keyring);
        let key = keyring.session_tokens();
        let holder = read(key, &token, NOW).unwrap();
        assert_eq!((holder.account.as_str(), holder.environment.as_str()), ("mark@acme.com", "test"));
        assert_eq!((holder.org, holder.session), (Id::from_bytes([1; 12]), Id::from_bytes([3; 12])));
        assert_eq!(holder.generation, 2);
        assert!(read(key, &token, NOW + 59).is_some());
        assert!(read(key, &token, NOW + 60).is_none(), "expired");
        assert!(read(key, &token, NOW - 61).is_none(), "from the future");
        assert!(read(self::keyring().session_tokens(), &token, NOW).is_none(), "another server's");
        assert!(read(keyring.refresh_tokens(), &token, NOW).is_none(), "another use's key");
    }

    #[test]
    fn only_the_one_header_is_taken_however_truly_it_is_signed() {
        let keyring = keyring();
        let key = keyring.session_tokens();
        assert!(read(key, &forged(&keyring, TRUE_HEADER, &claims("")), NOW).is_some());
        for header in [
            r#"{"alg":"none","typ":"JWT"}"#,
            r#"{"alg":"None"}"#,
            r#"{"alg":"HS512","typ":"JWT"}"#,
            r#"{"alg":"RS256","typ":"JWT"}"#,
            r#"{"typ":"JWT","alg":"HS256"}"#,
            r#"{"alg":"HS256","typ":"JWT","kid":"../../dev/null"}"#,
            r#"{"alg":"HS256","typ":"JWT","jwk":{"kty":"oct","k":""}}"#,
            "{}",
            "",
        ] {
            assert!(read(key, &forged(&keyring, header, &claims("")), NOW).is_none(), "{header}");
        }
    }

    #[test]
    fn claims_that_are_not_exactly_ours_are_refused_however_truly_they_are_signed() {
        let keyring = keyring();
        let key = keyring.session_tokens();
        let nbf = format!(r#","nbf":{}"#, NOW + 30);
        for claims in [
            claims(&nbf),
            claims(r#","admin":true"#),
            claims(r#","exp":99999999999"#),
            claims("").replace("mark", ""),
            claims("").replace("mark", "a\\u0000"),
            claims("").replace(r#""test""#, r#""../production""#),
            claims("").replace(".2", ""),
            claims("").replace(".2", ".-1"),
            claims("").replace(&NOW.to_string(), r#""1800000000""#),
            claims("").replace(r#""environment":"test","#, ""),
            "[]".into(),
            "null".into(),
            String::new(),
        ] {
            assert!(read(key, &forged(&keyring, TRUE_HEADER, &claims), NOW).is_none(), "{claims}");
        }
    }

    #[test]
    fn a_token_that_was_touched_anywhere_is_refused() {
        let keyring = keyring();
        let key = keyring.session_tokens();
        let token = token(&keyring);
        for at in 0..token.len() {
            assert!(read(key, &token[..at], NOW).is_none(), "cut at {at}");
            for other in [b'A', b'.', b'=', b'_', b'z'] {
                let mut bytes = token.clone().into_bytes();
                if bytes[at] != other {
                    bytes[at] = other;
                    assert!(read(key, std::str::from_utf8(&bytes).unwrap(), NOW).is_none(), "byte {at}");
                }
            }
        }
        for tail in ["=", ".", "A", " ", "\n", ".e30"] {
            assert!(read(key, &format!("{token}{tail}"), NOW).is_none(), "{tail:?}");
        }
        let parts: Vec<&str> = token.split('.').collect();
        for unsigned in [format!("{}.{}.", parts[0], parts[1]), format!("{}.{}", parts[0], parts[1])] {
            assert!(read(key, &unsigned, NOW).is_none());
        }
        assert!(read(key, &format!("{}.{}", "A".repeat(100_000), token), NOW).is_none(), "oversized");
    }

    #[test]
    fn a_refresh_token_that_was_touched_anywhere_is_refused() {
        let keyring = keyring();
        let key = keyring.refresh_tokens();
        let token = refresh_token(key, &session()).expose().to_owned();
        assert_eq!(read_refresh_token(key, &token), Some((Id::from_bytes([3; 12]), 2)));
        for at in 0..token.len() {
            assert!(read_refresh_token(key, &token[..at]).is_none(), "cut at {at}");
            let mut bytes = token.clone().into_bytes();
            bytes[at] = if bytes[at] == b'A' { b'B' } else { b'A' };
            assert!(read_refresh_token(key, std::str::from_utf8(&bytes).unwrap()).is_none(), "byte {at}");
        }
        assert!(read_refresh_token(key, &format!("{token}A")).is_none());
        assert!(read_refresh_token(self::keyring().refresh_tokens(), &token).is_none());
    }

    #[test]
    fn an_account_id_of_any_content_fits_into_a_token() {
        let keyring = keyring();
        let account: AccountId = "\u{7ff}".repeat(128).parse().unwrap();
        let org = Id::from_bytes([1; 12]);
        let token = sign(&keyring, org, &Environment::test(), &account, &session());
        assert_eq!(read(keyring.session_tokens(), token.expose(), NOW).unwrap().account, account);
    }
}
