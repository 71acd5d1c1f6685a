//! The file `state`: whether the index may be believed. It holds no truth of its own; where it is lost, the
//! index is rebuilt.
//!
//! Text, so that it can be read with nothing at hand:
//! ```text
//! coffer store 1
//! instance 0c6f…
//! index clean 1207 9e107d9d   closed and synced with all commits up to this; checksum of its files
//! index open 1207             in use; the journal had at least the commits up to this
//! crc32c 1a2b3c4d             of all lines before
//! ```

use std::io;
use std::path::Path;

use super::error::{Doing, OpenError};
use super::files;
use super::instance::Instance;
use crate::store::Revision;

const NAME: &str = "state";
const TITLE: &str = "coffer store";
const FORMAT: u32 = 1;

/// What the file says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct State {
    pub(super) instance: Instance,
    pub(super) index: IndexState,
}

/// How the index was left.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum IndexState {
    /// Closed, and on disk. Holds the commits up to `last`, the store's last, in files of this checksum.
    Clean { last: Revision, crc: u32 },
    /// In use. Nothing says what its files hold, but the journal had the commits up to `noted`.
    Open { noted: Revision },
}

impl State {
    /// Reads the state; `None` where it is absent or damaged.
    ///
    /// # Errors
    /// [`OpenError::Newer`] where a later release wrote it.
    pub(super) fn load(dir: &Path) -> Result<Option<State>, OpenError> {
        let path = dir.join(NAME);
        let text = match std::fs::read(&path) {
            Ok(bytes) => String::from_utf8(bytes).unwrap_or_default(),
            Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(e) => return Err(e).doing("read", &path),
        };
        // Before the checksum, whose place a later format may have moved.
        if let Some(found) = format_of(&text).filter(|found| *found > FORMAT) {
            return Err(OpenError::Newer { file: path, found, known: FORMAT });
        }
        Ok(parse(&text))
    }

    /// Writes the state; durable when this returns.
    pub(super) fn save(&self, dir: &Path) -> io::Result<()> {
        files::replace(dir, NAME, self.to_text().as_bytes())
    }

    /// Whether there is a state in `dir`.
    pub(super) fn exists(dir: &Path) -> io::Result<bool> {
        dir.join(NAME).try_exists()
    }

    /// Removes it.
    pub(super) fn remove(dir: &Path) -> io::Result<()> {
        files::remove_file(&dir.join(NAME))
    }

    fn to_text(&self) -> String {
        let index = match self.index {
            IndexState::Clean { last, crc } => format!("clean {} {crc:08x}", last.0),
            IndexState::Open { noted } => format!("open {}", noted.0),
        };
        let lines = format!("{TITLE} {FORMAT}\ninstance {}\nindex {index}\n", self.instance);
        let crc = crc32c::crc32c(lines.as_bytes());
        format!("{lines}crc32c {crc:08x}\n")
    }
}

fn format_of(text: &str) -> Option<u32> {
    text.lines().next()?.strip_prefix(TITLE)?.trim().parse().ok()
}

fn parse(text: &str) -> Option<State> {
    let (lines, crc) = text.split_at_checked(text.rfind("crc32c ")?)?;
    if u32::from_str_radix(crc.strip_prefix("crc32c ")?.trim(), 16) != Ok(crc32c::crc32c(lines.as_bytes())) {
        return None;
    }
    let mut lines = lines.lines().skip(1);
    Some(State {
        instance: Instance::parse(lines.next()?.strip_prefix("instance ")?)?,
        index: parse_index(lines.next()?.strip_prefix("index ")?)?,
    })
}

fn parse_index(text: &str) -> Option<IndexState> {
    let words: Vec<&str> = text.split(' ').collect();
    match words[..] {
        ["clean", last, crc] => Some(IndexState::Clean {
            last: Revision(last.parse().ok()?),
            crc: u32::from_str_radix(crc, 16).ok()?,
        }),
        ["open", noted] => Some(IndexState::Open { noted: Revision(noted.parse().ok()?) }),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sample(index: IndexState) -> State {
        State { instance: Instance([7; 16]), index }
    }

    #[test]
    fn a_state_reads_back_as_written() {
        for index in [
            IndexState::Clean { last: Revision(1207), crc: 0x0102_0304 },
            IndexState::Open { noted: Revision(0) },
        ] {
            let state = sample(index);
            assert_eq!(parse(&state.to_text()), Some(state));
        }
    }

    #[test]
    fn a_changed_byte_makes_it_unknown() {
        let text = sample(IndexState::Clean { last: Revision(1207), crc: 1 }).to_text();
        for at in 0..text.len() - 1 {
            let mut bytes = text.clone().into_bytes();
            bytes[at] ^= 1;
            assert_eq!(String::from_utf8(bytes).ok().and_then(|t| parse(&t)), None, "byte {at}");
        }
    }

    #[test]
    fn a_later_format_is_refused_by_number() {
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(dir.path().join(NAME), "coffer store 2\nwhatever\n").unwrap();
        assert!(matches!(State::load(dir.path()), Err(OpenError::Newer { found: 2, known: 1, .. })));
    }
}
