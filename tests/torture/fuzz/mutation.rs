//! Inputs that are nearly right: samples, changed a little.

use crate::random::Random;

/// Pieces that parsers have stumbled over.
const PIECES: [&[u8]; 44] = [
    b"\"",
    b"\\",
    b"{",
    b"}",
    b"[",
    b"]",
    b",",
    b":",
    b"null",
    b"true",
    b"-0",
    b"1e999",
    b"0x10",
    b"\\u0000",
    b"\\ud800",
    b"\\udfff",
    b"\xff",
    b"\xc0\x80",
    b"\xed\xa0\x80",
    b"\xef\xbb\xbf",
    b"\0",
    b"\n",
    b"\r\n",
    b"{{",
    b"}}",
    b"{{env.",
    b"{{env.org.",
    b"'",
    b"`",
    b"$",
    b"#",
    b"export ",
    b"=",
    b".",
    b"..",
    b"*",
    b"W/\"",
    b"%00",
    b"%",
    b"99999999999999999999",
    b"\xf0\x9f\x92\xa9",
    b"\xe2\x80\xae",
    b"[[[[[[[[[[[[[[[[",
    b"{\"a\":{\"a\":",
];

/// One of the samples, changed in one to four places.
pub(super) fn mutate(samples: &[Vec<u8>], random: &mut Random) -> Vec<u8> {
    let mut bytes = random.pick(samples).clone();
    for _ in 0..=random.below(4) {
        let at = random.index(bytes.len() + 1);
        let to = (at + random.index(16)).min(bytes.len());
        match random.below(9) {
            0 | 1 if at < bytes.len() => bytes[at] ^= 1 << random.below(8),
            2 if at < bytes.len() => bytes[at] = random.next().to_le_bytes()[0],
            3 => drop(bytes.drain(at..to)),
            4 => {
                let again = bytes[at..to].to_vec();
                bytes.splice(at..at, again);
            }
            5 => bytes.truncate(at),
            6 => {
                let other = random.pick(samples);
                let from = random.index(other.len() + 1);
                bytes.truncate(at);
                bytes.extend_from_slice(&other[from..]);
            }
            7 if random.chance(30) => {
                let many = random.pick(&PIECES).repeat(1 + random.index(3000));
                bytes.splice(at..at, many);
            }
            _ => drop(bytes.splice(at..to.min(at + 1), random.pick(&PIECES).iter().copied())),
        }
    }
    bytes
}

/// [`mutate`], as text.
pub(super) fn mutate_text(samples: &[&str], random: &mut Random) -> String {
    let samples: Vec<Vec<u8>> = samples.iter().map(|sample| sample.as_bytes().to_vec()).collect();
    String::from_utf8_lossy(&mutate(&samples, random)).into_owned()
}

/// What a header may hold: no control characters.
pub(super) fn as_header(mut bytes: Vec<u8>) -> Vec<u8> {
    bytes.retain(|byte| *byte >= 32 && *byte != 127);
    bytes.truncate(4000);
    bytes
}
