//! What is left of a context for when the server is away: the answer, sealed under a key that the credential
//! gives, bound to server, credential and context, and stamped.

use std::ffi::OsString;
use std::fs::{DirBuilder, File};
use std::io::{self, Read, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use crate::client::{Api, Context};
use crate::crypto::seal::AssociatedData;
use crate::crypto::{CacheKey, Plaintext};

/// More than what is ever kept.
const MAX_BYTES: u64 = 256 << 20;
/// What nobody has renewed for this long, though it may be used for less, is deleted: those of keys and tokens that
/// are gone would stay for ever.
const FORGOTTEN: Duration = Duration::from_hours(30 * 24);
/// How far ahead of ours the clock may have been that stamped a cache.
const SKEW: Duration = Duration::from_mins(5);

/// Where the answer for one server, credential and context is kept.
pub struct Cache {
    directory: PathBuf,
    path: PathBuf,
    key: CacheKey,
    bound: AssociatedData,
}

/// Why a cache cannot stand in.
#[derive(Debug, thiserror::Error)]
pub enum CacheError {
    /// There is none.
    #[error("there is no cache of this server, credential and context")]
    Absent,
    /// It is not what was written here.
    #[error("the cache {0} is not used: it was changed, or is not of this server, credential and context")]
    NotOurs(PathBuf),
    /// It is too old.
    #[error("the cache is not used: it is {} old, the limit is {}", age(*.old), age(*.limit))]
    Expired {
        /// How old it is.
        old: Duration,
        /// How old it may be.
        limit: Duration,
    },
    /// It is stamped with a time that is still to come.
    #[error("the cache is not used: it is of a time {} ahead, so a clock was or is wrong", age(*.0))]
    Ahead(Duration),
    /// The file cannot be read.
    #[error("cannot read the cache {0}: {1}")]
    Unreadable(PathBuf, io::Error),
}

impl Cache {
    /// The place of the answer to `context`, in `$XDG_STATE_HOME/coffer` or `~/.local/state/coffer`; none where
    /// the environment names neither.
    pub fn find(api: &Api, context: &Context, variable: impl Fn(&str) -> Option<OsString>) -> Option<Cache> {
        // The standard has a relative path ignored.
        let absolute = |name| variable(name).map(PathBuf::from).filter(|path| path.is_absolute());
        let state = absolute("XDG_STATE_HOME").or_else(|| Some(absolute("HOME")?.join(".local/state")))?;
        let directory = state.join("coffer");
        let key = api.credential().cache_key();
        let bound = context.bound(api.url());
        let path = directory.join(format!("{}.cache", key.name(&bound)));
        Some(Cache { directory, path, key, bound })
    }

    /// Keeps an answer, in place of the one before.
    ///
    /// # Errors
    /// Where the file cannot be written; what was kept before still is.
    pub fn keep(&self, answer: &[u8]) -> io::Result<()> {
        DirBuilder::new().recursive(true).mode(0o700).create(&self.directory)?;
        let sealed = self.key.seal(now().as_secs(), &self.bound, answer);
        // Of this process alone, so that two that write at once do not meet in one file.
        let fresh = self.path.with_extension(format!("{}.new", std::process::id()));
        let written = (|| {
            let mut options = File::options();
            let mut file = options.write(true).create(true).truncate(true).mode(0o600).open(&fresh)?;
            file.write_all(&sealed)?;
            std::fs::rename(&fresh, &self.path)
        })();
        if written.is_err() {
            let _ = std::fs::remove_file(&fresh);
        }
        written
    }

    /// Deletes caches, of whatever credential, that are too old for `limit` and for most others.
    pub fn forget_others(&self, limit: Duration) {
        let Ok(entries) = std::fs::read_dir(&self.directory) else { return };
        for path in entries.filter_map(|entry| Some(entry.ok()?.path())) {
            let is_ours = path.extension().is_some_and(|kind| kind == "cache" || kind == "new");
            let renewed = path.symlink_metadata().and_then(|about| about.modified());
            let old = renewed.ok().and_then(|at| SystemTime::now().duration_since(at).ok());
            if is_ours && old.is_some_and(|old| old > limit.max(FORGOTTEN)) {
                // Next time, where it cannot be now.
                let _ = std::fs::remove_file(path);
            }
        }
    }

    /// Where caches are.
    #[must_use]
    pub fn directory(&self) -> &Path {
        &self.directory
    }

    /// What was kept, and how old it is.
    ///
    /// # Errors
    /// As [`CacheError`] says.
    pub fn read(&self, limit: Duration) -> Result<(Plaintext, Duration), CacheError> {
        let mut sealed = Vec::new();
        match File::open(&self.path).and_then(|file| file.take(MAX_BYTES).read_to_end(&mut sealed)) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Err(CacheError::Absent),
            Err(error) => return Err(CacheError::Unreadable(self.path.clone(), error)),
            Ok(_) => {}
        }
        let opened = self.key.open(&self.bound, &sealed);
        let (stamp, answer) = opened.map_err(|_| CacheError::NotOurs(self.path.clone()))?;
        Ok((answer, checked_age(Duration::from_secs(stamp), now(), limit)?))
    }
}

fn now() -> Duration {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default()
}

fn checked_age(stamp: Duration, now: Duration, limit: Duration) -> Result<Duration, CacheError> {
    if stamp > now + SKEW {
        return Err(CacheError::Ahead(stamp - now));
    }
    let old = now.saturating_sub(stamp);
    if old > limit { Err(CacheError::Expired { old, limit }) } else { Ok(old) }
}

/// A time span in its largest unit, for people.
#[must_use]
pub fn age(span: Duration) -> String {
    let seconds = span.as_secs();
    let (number, unit) = match seconds {
        0..60 => (seconds, "second"),
        60..3_600 => (seconds / 60, "minute"),
        3_600..86_400 => (seconds / 3_600, "hour"),
        _ => (seconds / 86_400, "day"),
    };
    format!("{number} {unit}{}", if number == 1 { "" } else { "s" })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cache_that_is_too_old_or_of_the_future_is_refused() {
        let at = Duration::from_secs;
        let check = |stamp, now| checked_age(at(stamp), at(now), at(100)).map_err(|error| error.to_string());
        assert_eq!(check(1_000, 1_100), Ok(at(100)));
        assert_eq!(check(1_010, 1_000), Ok(at(0)));
        assert_eq!(
            check(1_000, 1_101),
            Err("the cache is not used: it is 1 minute old, the limit is 1 minute".into())
        );
        assert!(check(9_000, 1_000).unwrap_err().contains("2 hours ahead"));
    }

    #[test]
    fn spans_are_named_by_their_largest_unit() {
        for (seconds, text) in
            [(0, "0 seconds"), (1, "1 second"), (125, "2 minutes"), (7_300, "2 hours"), (86_400, "1 day")]
        {
            assert_eq!(age(Duration::from_secs(seconds)), text);
        }
    }
}
