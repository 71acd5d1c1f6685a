//! The file `state`: whether the index may be believed. It holds no truth of its own; where it is lost, the
//! index is rebuilt.
//!
//! Text, so that it can be read with nothing at hand:
//! ```text
//! coffer store 1
//! instance 0c6f…
//! boot 5f0e…
//! index clean 1207 524288          closed and synced with all commits up to this; length of sled's db
//! index running 1207 2049 131842   in use since that boot; has at least the commits up to this;
//!                                  device and inode of its directory, so that a copy is known as one
//! crc32c 1a2b3c4d                  of all lines before
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
    /// The boot of the machine in which this was written.
    pub(super) boot: String,
    pub(super) index: IndexState,
}

/// How the index was left.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum IndexState {
    /// Closed, and on disk. Holds the commits up to `last`, the store's last.
    Clean { last: Revision, db_bytes: u64 },
    /// In use. What the kernel had not written is gone if the machine was off since.
    Running { checkpoint: Revision, place: Place },
}

/// Where a directory is: a copy of it is elsewhere.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Place {
    device: u64,
    inode: u64,
}

impl Place {
    /// The place of the directory at `path`.
    pub(super) fn of(path: &Path) -> io::Result<Place> {
        use std::os::unix::fs::MetadataExt;
        let metadata = std::fs::metadata(path)?;
        Ok(Place { device: metadata.dev(), inode: metadata.ino() })
    }
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
            IndexState::Clean { last, db_bytes } => format!("clean {} {db_bytes}", last.0),
            IndexState::Running { checkpoint, place } => {
                format!("running {} {} {}", checkpoint.0, place.device, place.inode)
            }
        };
        let lines =
            format!("{TITLE} {FORMAT}\ninstance {}\nboot {}\nindex {index}\n", self.instance, self.boot);
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
        boot: lines.next()?.strip_prefix("boot ")?.to_owned(),
        index: parse_index(lines.next()?.strip_prefix("index ")?)?,
    })
}

fn parse_index(text: &str) -> Option<IndexState> {
    let words: Vec<&str> = text.split(' ').collect();
    match words[..] {
        ["clean", last, db_bytes] => {
            Some(IndexState::Clean { last: Revision(last.parse().ok()?), db_bytes: db_bytes.parse().ok()? })
        }
        ["running", checkpoint, device, inode] => Some(IndexState::Running {
            checkpoint: Revision(checkpoint.parse().ok()?),
            place: Place { device: device.parse().ok()?, inode: inode.parse().ok()? },
        }),
        _ => None,
    }
}

/// This boot of the machine. Where the system does not say, no two answers are the same, so that the
/// index is rebuilt rather than believed.
pub(super) fn boot_id() -> String {
    match std::fs::read_to_string("/proc/sys/kernel/random/boot_id") {
        Ok(id) => id.trim().to_owned(),
        Err(_) => match super::instance::random::<16>() {
            Ok(bytes) => format!("unknown-{}", Instance(bytes)),
            Err(_) => format!("unknown-{}", std::process::id()),
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sample(index: IndexState) -> State {
        State { instance: Instance([7; 16]), boot: "5f0e-1".into(), index }
    }

    #[test]
    fn a_state_reads_back_as_written() {
        for index in [
            IndexState::Clean { last: Revision(1207), db_bytes: 524_288 },
            IndexState::Running { checkpoint: Revision(0), place: Place { device: 2049, inode: 131_842 } },
        ] {
            let state = sample(index);
            assert_eq!(parse(&state.to_text()), Some(state));
        }
    }

    #[test]
    fn a_changed_byte_makes_it_unknown() {
        let text = sample(IndexState::Clean { last: Revision(1207), db_bytes: 1 }).to_text();
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
