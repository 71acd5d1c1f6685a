//! Session tokens that are not ours, or not any more what we signed: none opens anything.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use hmac::{Hmac, KeyInit, Mac};
use serde_json::{Value, json};

use crate::support::{Connection, Response, Server};

const ACCOUNT: &str = "ann@acme.com";

/// How many wrong credentials are surely answered one by one; whoever sends more may be slowed down.
const UNHURRIED: usize = 15;

/// Whoever has seen a token of this account, and tries to make more of it.
struct Attacker {
    server: Server,
    connection: Connection,
    token: String,
    sent: usize,
}

impl Attacker {
    fn new() -> Attacker {
        let server = Server::start();
        server.test().register(ACCOUNT);
        let token = server.test().token(ACCOUNT);
        let connection = Connection::open(server.address()).unwrap();
        Attacker { server, connection, token, sent: 0 }
    }

    /// The answer to a request with these lines in its head.
    fn send(&mut self, lines: &[&[u8]]) -> Response {
        let mut head = b"GET /api/v2/public/session/active-linked-account HTTP/1.1\r\nhost: x\r\n".to_vec();
        for line in lines {
            head.extend_from_slice(line);
            head.extend_from_slice(b"\r\n");
        }
        head.extend_from_slice(b"\r\n");
        self.connection.write(&head).unwrap();
        self.connection.read("GET").unwrap()
    }

    #[track_caller]
    fn refused_with(&mut self, what: &str, lines: &[&[u8]]) {
        let response = self.send(lines);
        self.sent += 1;
        if self.sent > UNHURRIED && response.status == 429 {
            response.error(429, "TOO_MANY_REQUESTS");
            return;
        }
        assert_eq!(response.status, 401, "{what}: {}", response.text());
        response.error_saying(401, "INVALID_TOKEN", "Invalid token");
    }

    #[track_caller]
    fn refused(&mut self, what: &str, token: &[u8]) {
        self.refused_with(what, &[&[b"authorization: Bearer ", token].concat()]);
    }

    /// That the token which all others were made from still opens its account.
    #[track_caller]
    fn the_true_one_works(&mut self) {
        let line = format!("authorization: Bearer {}", self.token);
        assert_eq!(self.send(&[line.as_bytes()]).ok()["account_id"], ACCOUNT);
    }

    /// Header, claims and signature, still encoded.
    fn parts(&self) -> [String; 3] {
        let parts: Vec<String> = self.token.split('.').map(str::to_owned).collect();
        parts.try_into().unwrap()
    }

    fn claims(&self) -> Value {
        serde_json::from_slice(&URL_SAFE_NO_PAD.decode(&self.parts()[1]).unwrap()).unwrap()
    }
}

fn encode(value: &Value) -> String {
    URL_SAFE_NO_PAD.encode(value.to_string())
}

#[test]
fn no_spelling_of_no_algorithm_is_taken() {
    for signed in ["with the old signature", "with an empty signature", "in two parts"] {
        let mut attacker = Attacker::new();
        let [_, claims, signature] = attacker.parts();
        for alg in ["none", "None", "NONE", "nOnE", "none ", "", "null"] {
            for header in [json!({ "alg": alg, "typ": "JWT" }), json!({ "alg": alg })] {
                let header = encode(&header);
                let token = match signed {
                    "with the old signature" => format!("{header}.{claims}.{signature}"),
                    "with an empty signature" => format!("{header}.{claims}."),
                    _ => format!("{header}.{claims}"),
                };
                attacker.refused(&format!("{alg:?} {signed}"), token.as_bytes());
            }
        }
        attacker.the_true_one_works();
    }
}

#[test]
fn no_other_algorithm_and_no_key_out_of_the_header_is_taken() {
    let mut attacker = Attacker::new();
    let [header, claims, signature] = attacker.parts();
    for alg in ["RS256", "ES256", "PS256", "EdDSA", "HS384", "HS512", "hs256", "A256KW"] {
        let token = format!("{}.{claims}.{signature}", encode(&json!({ "alg": alg, "typ": "JWT" })));
        attacker.refused(alg, token.as_bytes());
    }
    // Keys that an attacker may name, or guess: those of a public key that is taken for a secret one, too.
    let key = "-----BEGIN PUBLIC KEY-----\nMFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAE\n-----END PUBLIC KEY-----\n";
    let store = attacker.server.store().clone();
    let headers = [
        json!({ "alg": "HS256", "typ": "JWT", "jwk": { "kty": "oct", "k": URL_SAFE_NO_PAD.encode(key) } }),
        json!({ "alg": "HS256", "typ": "JWT", "kid": "../../../../dev/null" }),
        json!({ "alg": "HS256", "typ": "JWT", "jku": "http://127.0.0.1:1/keys" }),
    ];
    let headers: Vec<String> = headers.iter().map(encode).chain([header]).collect();
    for header in &headers {
        for key in [
            "",
            "secret",
            key,
            &store.org,
            &store.test_key,
            crate::support::PASSPHRASE,
            "\0".repeat(32).as_ref(),
        ] {
            let mut mac = Hmac::<sha2::Sha256>::new_from_slice(key.as_bytes()).unwrap();
            mac.update(format!("{header}.{claims}").as_bytes());
            let tag = URL_SAFE_NO_PAD.encode(mac.finalize().into_bytes());
            attacker.refused(&format!("signed with {key:?}"), format!("{header}.{claims}.{tag}").as_bytes());
        }
    }
    attacker.the_true_one_works();
}

#[test]
fn no_claim_can_be_changed_under_its_signature() {
    let mut attacker = Attacker::new();
    let [header, claims, signature] = attacker.parts();
    let server = &attacker.server;
    let org = server.store().create_org("another");
    server.test().register("bob");
    server.production().register(ACCOUNT);
    let others = server.test().token("bob");
    let production = server.production().token(ACCOUNT);
    let bobs: Vec<&str> = others.split('.').collect();
    let bobs_claims: Value = serde_json::from_slice(&URL_SAFE_NO_PAD.decode(bobs[1]).unwrap()).unwrap();
    let later = attacker.claims()["exp"].as_i64().unwrap() + 3_600;
    let session = attacker.claims()["jti"].as_str().unwrap().split('.').next().unwrap().to_owned();
    for (claim, value) in [
        ("org_id", json!(org)),
        ("linked_account_id", json!("bob")),
        ("environment", json!("production")),
        ("exp", json!(later)),
        ("iat", json!(0)),
        ("jti", bobs_claims["jti"].clone()),
        ("jti", json!(format!("{session}.1"))),
        ("nbf", json!(0)),
        ("nbf", json!(later)),
        ("admin", json!(true)),
    ] {
        let mut changed = attacker.claims();
        changed[claim] = value.clone();
        let token = format!("{header}.{}.{signature}", encode(&changed));
        attacker.refused(&format!("{claim} is {value}"), token.as_bytes());
    }
    // Parts of tokens that are all good.
    attacker.refused("another's claims", format!("{header}.{}.{signature}", bobs[1]).as_bytes());
    attacker.refused("another's signature", format!("{header}.{claims}.{}", bobs[2]).as_bytes());
    let elsewhere = production.split('.').nth(1).unwrap();
    attacker.refused("another environment's claims", format!("{header}.{elsewhere}.{signature}").as_bytes());
    attacker.the_true_one_works();
}

#[test]
fn another_servers_token_is_refused() {
    let mut attacker = Attacker::new();
    let elsewhere = Attacker::new();
    attacker.refused("another server's", elsewhere.token.as_bytes());
    let ([header, claims, _], [_, _, signature]) = (attacker.parts(), elsewhere.parts());
    attacker.refused("its signature", format!("{header}.{claims}.{signature}").as_bytes());
    attacker.the_true_one_works();
}

#[test]
fn a_token_has_one_spelling() {
    let mut attacker = Attacker::new();
    let token = attacker.token.clone();
    let [header, claims, signature] = attacker.parts();
    // 43 characters hold 258 bits, of which a signature has 256: three more would decode to the same.
    let (rest, last) = signature.split_at(42);
    let alphabet = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    let place = alphabet.iter().position(|byte| *byte == last.as_bytes()[0]).unwrap();
    for bits in 1..4 {
        let twin = char::from(alphabet[place ^ bits]);
        attacker.refused("the same signature", format!("{header}.{claims}.{rest}{twin}").as_bytes());
    }
    for (what, token) in [
        ("padded", format!("{token}=")),
        ("quoted", format!("\"{token}\"")),
        ("with a dot", format!("{token}.")),
        ("with a part more", format!("{token}.{signature}")),
        ("with an empty part", format!("{header}..{claims}.{signature}")),
        ("encrypted, by its form", format!("{header}.{claims}.{claims}.{claims}.{signature}")),
        ("in JSON", json!({ "protected": header, "payload": claims, "signature": signature }).to_string()),
        ("percent-encoded", token.replace('.', "%2E")),
        ("twice", format!("{token} {token}")),
    ] {
        attacker.refused(what, token.as_bytes());
    }
    attacker.the_true_one_works();
}

#[test]
fn a_token_counts_only_in_its_header_and_only_once() {
    let mut attacker = Attacker::new();
    let token = attacker.token.clone();
    let line = |value: &str| format!("authorization: {value}").into_bytes();
    for scheme in ["", "Basic ", "Token ", "JWT ", "Bearer", "Bearer\t", "Bearer=", "Bearer: "] {
        attacker.refused_with(scheme, &[&line(&format!("{scheme}{token}"))]);
    }
    let (good, bad) = (line(&format!("Bearer {token}")), line("Bearer forged"));
    attacker.refused_with("twice", &[&good, &good]);
    attacker.refused_with("forged first", &[&bad, &good]);
    attacker.refused_with("forged last", &[&good, &bad]);
    attacker.refused_with("in a list", &[&line(&format!("Bearer {token}, Bearer {token}"))]);
    attacker.refused_with("in a cookie", &[format!("cookie: token={token}").as_bytes()]);
    let query = ["access_token", "token", "authorization", "Authorization"];
    for name in query {
        let anonymous = attacker.server.anonymous();
        let target = format!("/session/active-linked-account?{name}={token}");
        let response = anonymous.get(&target).send();
        assert!(matches!(response.status, 401 | 429), "{name}: {}", response.text());
        let response = anonymous.get(&format!("/env/definitions?{name}={token}")).send();
        assert!(matches!(response.status, 401 | 429), "{name}: {}", response.text());
    }
    attacker.the_true_one_works();
    // The scheme's name is not case-sensitive (RFC 9110, section 11.1), and blanks around are none of it.
    for value in [format!("bearer {token}"), format!("BEARER {token}"), format!("Bearer   {token}  ")] {
        attacker.send(&[&line(&value)]).ok();
    }
}

#[test]
fn one_kind_of_credential_is_not_taken_for_another() {
    let mut attacker = Attacker::new();
    let server = &attacker.server;
    let pair = server.test().log_in(ACCOUNT);
    let text = |name: &str| pair[name].as_str().unwrap().to_owned();
    let (token, refresh_token, key) = (text("token"), text("refresh_token"), server.store().test_key.clone());
    let refresh = |refresh_token: &str| {
        server.anonymous().post("/session-token/refresh", &json!({ "refresh_token": refresh_token })).send()
    };
    for other in [&token, &key, "", "rt_", "rt_AAAA"] {
        refresh(other).error_saying(401, "INVALID_TOKEN", "Invalid token");
    }
    for other in [&token, &refresh_token] {
        let response = server.anonymous().key(other).get("/env/definitions").send();
        response.error_saying(401, "INVALID_CREDENTIALS", "Invalid Credentials");
    }
    refresh(&refresh_token).ok();
    attacker.refused("a refresh token", refresh_token.as_bytes());
    attacker.refused("an API key", key.as_bytes());
    attacker.the_true_one_works();
}

#[test]
fn a_token_cut_anywhere_is_refused() {
    let mut attacker = Attacker::new();
    let token = attacker.token.clone();
    for length in 0..token.len() {
        attacker.refused(&format!("the first {length} bytes"), &token.as_bytes()[..length]);
    }
    for length in 1..token.len() {
        attacker.refused(&format!("without the first {length} bytes"), &token.as_bytes()[length..]);
    }
    attacker.the_true_one_works();
}

#[test]
fn a_token_of_any_size_is_refused() {
    let attacker = Attacker::new();
    let [header, claims, signature] = attacker.parts();
    for size in [4_000, 5_000, 30_000, 60_000, 120_000, 300_000, 2_000_000] {
        for token in [
            "A".repeat(size),
            ".".repeat(size),
            format!("{header}.{claims}{}.{signature}", "A".repeat(size)),
            format!("{}.{}", "e30.".repeat(size / 4), attacker.token),
        ] {
            // Beyond what a head may hold the server answers without reading on, or hangs up.
            let mut connection = Connection::open(attacker.server.address()).unwrap();
            let head = format!(
                "GET /api/v2/public/session/active-linked-account HTTP/1.1\r\nhost: x\r\n\
                 authorization: Bearer {token}\r\n\r\n"
            );
            let _ = connection.write(head.as_bytes());
            match connection.read("GET") {
                Ok(response) => assert!((400..500).contains(&response.status), "{size}: {response:?}"),
                Err(error) => assert!(size > 60_000, "{size}: {error}"),
            }
        }
    }
    let mut attacker = attacker;
    attacker.the_true_one_works();
}

/// Numbers that look random, and are the same in each run.
struct Dice(u64);

impl Dice {
    fn roll(&mut self, below: usize) -> usize {
        // SplitMix64.
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((mixed ^ (mixed >> 31)) % below as u64) as usize
    }

    /// A byte that a header may hold, and that is no blank.
    fn byte(&mut self) -> u8 {
        let bytes = b"ABCXYZabcxyz0189-_.+/=%~\"{}\\,;:!\x80\xc3\xff";
        bytes[self.roll(bytes.len())]
    }

    fn mutated(&mut self, token: &[u8]) -> Vec<u8> {
        let mut bytes = token.to_vec();
        for _ in 0..=self.roll(3) {
            let (at, other) = (self.roll(bytes.len()), self.roll(bytes.len()));
            match self.roll(7) {
                0 => bytes[at] = self.byte(),
                1 => bytes.insert(at, self.byte()),
                2 => drop(bytes.remove(at)),
                3 => bytes.swap(at, other),
                4 => bytes[at] ^= 1 << self.roll(5),
                5 => bytes = [&bytes[..at], &token[other.min(token.len())..]].concat(),
                _ => bytes[at] = bytes[at].to_ascii_uppercase(),
            }
            bytes.retain(|byte| !matches!(byte, 0..=b' ' | 0x7f));
            if bytes.is_empty() {
                bytes.push(b'A');
            }
        }
        bytes
    }

    fn random(&mut self) -> Vec<u8> {
        (0..1 + self.roll(400)).map(|_| self.byte()).collect()
    }
}

#[test]
fn ten_thousand_random_and_mutated_tokens_are_refused() {
    let mut attacker = Attacker::new();
    let token = attacker.token.clone().into_bytes();
    let mut dice = Dice(0x00c0_ffee);
    for number in 0..10_000 {
        let forged = if number % 4 == 0 { dice.random() } else { dice.mutated(&token) };
        if forged != token {
            attacker.refused(&format!("{number}: {}", String::from_utf8_lossy(&forged)), &forged);
        }
    }
    attacker.the_true_one_works();
}
