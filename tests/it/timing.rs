//! How long the refusal of a wrong credential takes says nothing of how much of it is right.
//!
//! What this can show: work that depends on the credential by more than some microseconds, such as a slow hash
//! for keys that are nearly right, a second read, a comparison that stops early over much data. What it cannot:
//! the nanoseconds by which a comparison of bytes may differ; against those stands that keys are looked up by a
//! keyed hash, and signatures compared in constant time.

use std::time::Instant;

use crate::support::{Connection, Server};

const ACCOUNT: &str = "ann";
/// How often each of two wrong credentials is sent in a round.
const SAMPLES: usize = 600;
/// A difference that is there shows in every round; one that the machine's other work made does not.
const ROUNDS: usize = 6;
/// What may differ, in nanoseconds and as a share of the whole: whichever is more.
const NANOSECONDS: u64 = 10_000;
const PERCENT: u64 = 10;

/// The same text, wrong in the byte at `at`.
fn wrong_at(text: &str, at: usize) -> String {
    let mut bytes = text.as_bytes().to_vec();
    bytes[at] = if bytes[at] == b'A' { b'Q' } else { b'A' };
    String::from_utf8(bytes).unwrap()
}

fn median(mut times: Vec<u64>) -> u64 {
    times.sort_unstable();
    times[times.len() / 2]
}

fn is_even(one: u64, other: u64) -> bool {
    one.abs_diff(other) <= NANOSECONDS.max(one.min(other) * PERCENT / 100)
}

/// A connection and two requests on it, which are to be refused alike.
struct Duel {
    connection: Connection,
    heads: [Vec<u8>; 2],
}

impl Duel {
    fn new(server: &Server, header: &str, wrong: [&str; 2]) -> Duel {
        let connection = Connection::open(server.address()).unwrap();
        let heads = wrong.map(|wrong| {
            let path = "/api/v2/public/env/definitions";
            format!("GET {path} HTTP/1.1\r\nhost: x\r\n{header}{wrong}\r\n\r\n").into_bytes()
        });
        Duel { connection, heads }
    }

    fn time(&mut self, which: usize) -> u64 {
        let start = Instant::now();
        self.connection.write(&self.heads[which]).unwrap();
        let response = self.connection.read("GET").unwrap();
        let took = start.elapsed().as_nanos() as u64;
        // Whoever sends many may be told to slow down.
        assert!(matches!(response.status, 401 | 429), "{}", response.text());
        took
    }

    /// The medians of both, which were sent by turns: what the machine did meanwhile, it did to both.
    fn medians(&mut self) -> [u64; 2] {
        let mut times = [Vec::new(), Vec::new()];
        for sample in 0..SAMPLES {
            // Neither is always the first of a pair.
            for which in if sample % 2 == 0 { [0, 1] } else { [1, 0] } {
                times[which].push(self.time(which));
            }
        }
        times.map(median)
    }

    #[track_caller]
    fn check_even(&mut self, what: &str) {
        for _ in 0..100 {
            self.time(0);
            self.time(1);
        }
        let mut seen = Vec::new();
        for _ in 0..ROUNDS {
            let [one, other] = self.medians();
            if is_even(one, other) {
                return;
            }
            seen.push([one, other]);
        }
        panic!("{what}: medians in nanoseconds, round by round: {seen:?}");
    }
}

#[test]
fn a_wrong_key_is_refused_as_fast_whether_its_first_or_its_last_byte_is_wrong() {
    let server = Server::start();
    let key = server.store().test_key.clone();
    let (first, last) = (wrong_at(&key, "tk_".len()), wrong_at(&key, key.len() - 1));
    let unknown = format!("tk_{}", "z".repeat(43));
    Duel::new(&server, "x-api-key: ", [&first, &last]).check_even("first and last byte");
    Duel::new(&server, "x-api-key: ", [&unknown, &last]).check_even("every byte and the last");
    server.test().get("/env/definitions").send().ok();
}

#[test]
fn a_wrong_signature_is_refused_as_fast_whether_its_first_or_its_last_byte_is_wrong() {
    let server = Server::start();
    server.test().register(ACCOUNT);
    let token = server.test().token(ACCOUNT);
    let signature = token.rfind('.').unwrap() + 1;
    // The last but one: not all of the last is part of the signature.
    let (first, last) = (wrong_at(&token, signature), wrong_at(&token, token.len() - 2));
    Duel::new(&server, "authorization: Bearer ", [&first, &last]).check_even("first and last byte");
    server.anonymous().bearer(&token).get("/session/active-linked-account").send().ok();
}

#[test]
fn a_difference_that_is_there_is_noticed() {
    let server = Server::start();
    // A long key takes longer to read and to hash.
    let mut duel = Duel::new(&server, "x-api-key: ", ["tk_wrong", &"x".repeat(50_000)]);
    let noticed = (0..ROUNDS).any(|_| {
        let [one, other] = duel.medians();
        !is_even(one, other)
    });
    assert!(noticed, "50,000 bytes more make no difference");
}
