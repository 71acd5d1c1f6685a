//! The file `feed`: the latest commits as of the newest base, for who follows the store across a restart.
//!
//! The journal has the commits since that base only. Nothing rests on this file: where it is lost, damaged or
//! does not join the base, the feed begins with the base, and who asks for more is told so. It names keys, and
//! holds no value.
//!
//! ```text
//!  0 16  instance
//! 16  n  the excerpt (postcard)
//!     4  CRC-32C of all before, little-endian
//! ```

use std::io;
use std::path::Path;

use super::files;
use super::instance::Instance;
use crate::store::Revision;
use crate::store::feed::{Excerpt, Feed};

const NAME: &str = "feed";

/// Writes what `feed` holds; durable when this returns.
pub(super) fn save(dir: &Path, instance: Instance, feed: &Feed) -> io::Result<()> {
    let bytes = postcard::to_extend(&feed.excerpt(), instance.0.to_vec()).map_err(io::Error::other)?;
    let crc = crc32c::crc32c(&bytes).to_le_bytes();
    files::replace(dir, NAME, &[bytes, crc.to_vec()].concat())
}

/// The feed of a store whose newest base is of the commit `base`, before any journal is read.
pub(super) fn load(dir: &Path, instance: Instance, base: Revision) -> Feed {
    let resumed = match std::fs::read(dir.join(NAME)) {
        Ok(bytes) => parse(&bytes, instance).and_then(|excerpt| Feed::resume(excerpt, base)),
        // As before the first base.
        Err(e) if e.kind() == io::ErrorKind::NotFound => return Feed::after_commit(base),
        Err(_) => None,
    };
    resumed.unwrap_or_else(|| {
        tracing::info!("the file `feed` does not hold: who follows the store can resume from its base only");
        Feed::after_commit(base)
    })
}

fn parse(bytes: &[u8], instance: Instance) -> Option<Excerpt> {
    let (said, crc) = bytes.split_last_chunk().map(|(said, crc)| (said, *crc))?;
    if crc32c::crc32c(said).to_le_bytes() != crc {
        return None;
    }
    postcard::from_bytes(said.strip_prefix(&instance.0)?).ok()
}

/// Removes it, from a store that is created anew.
pub(super) fn remove(dir: &Path) -> io::Result<()> {
    files::remove_file(&dir.join(NAME))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::Tree;

    #[test]
    fn it_reads_as_written_only_whole_and_only_for_its_own_store() {
        let dir = tempfile::tempdir().unwrap();
        let (instance, path) = (Instance([7; 16]), dir.path().join(NAME));
        let feed = Feed::after_commit(Revision(0));
        for revision in 1..=9 {
            feed.add(Revision(revision), [(Tree::Values, b"key".as_slice(), true)].into_iter());
        }
        let reach = |instance| {
            let feed = load(dir.path(), instance, Revision(9));
            assert_eq!(feed.last(), Revision(9));
            feed.after(Revision(0), 100).map(|commits| commits.len())
        };
        assert_eq!(reach(instance), None, "there is no file");
        save(dir.path(), instance, &feed).unwrap();
        assert_eq!(reach(instance), Some(9));
        assert_eq!(reach(Instance([8; 16])), None);
        let whole = std::fs::read(&path).unwrap();
        for at in 0..whole.len() {
            let mut changed = whole.clone();
            changed[at] ^= 1;
            std::fs::write(&path, changed).unwrap();
            assert_eq!(reach(instance), None, "byte {at}");
            std::fs::write(&path, &whole[..at]).unwrap();
            assert_eq!(reach(instance), None, "cut at {at}");
        }
    }
}
