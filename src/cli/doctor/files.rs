//! Whom the files are open to, and how much room they have.

use std::fs::Metadata;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use crate::cli::own_files::is_ours;
use crate::control::Finding;
use crate::control::Verdict::{Bad, Ok as Well, Warn};
use crate::secret_file;
use crate::store::embedded::Embedded;

/// What is wrong with whom a file or directory is open to.
#[derive(PartialEq, Eq, PartialOrd, Ord)]
enum Open {
    /// Its group may read a file, or others see the names in a directory.
    Seen,
    /// Others read a file, or change something.
    Exposed,
    /// The server may not be able to use it.
    Foreign,
}

fn look(found: &Metadata, owner: u32) -> Option<Open> {
    let mode = found.mode();
    if found.uid() != owner {
        return Some(Open::Foreign);
    }
    let (exposed, seen) = if found.is_dir() { (0o022, 0o055) } else { (0o026, 0o050) };
    match mode {
        _ if mode & exposed != 0 => Some(Open::Exposed),
        _ if mode & seen != 0 => Some(Open::Seen),
        _ => None,
    }
}

/// Whom the store in `dir`, and other files with secrets in them, are open to.
pub(super) fn permissions<'a>(dir: Option<&Path>, secrets: impl Iterator<Item = &'a Path>) -> Finding {
    let mut open = Vec::new();
    let mut take = |path: &Path, owner: Option<u32>| {
        if let Ok(found) = std::fs::metadata(path)
            && let Some(how) = look(&found, owner.unwrap_or(found.uid()))
        {
            open.push((how, path.to_path_buf()));
        }
    };
    if let Some((dir, found)) = dir.and_then(|dir| Some((dir, std::fs::metadata(dir).ok()?))) {
        take(dir, None);
        let mut dirs = vec![dir.to_path_buf()];
        while let Some(each) = dirs.pop() {
            for entry in std::fs::read_dir(&each).into_iter().flatten().flatten() {
                let path = entry.path();
                // An administrator's directory may have other things in it.
                if each == dir && !entry.file_name().to_str().is_some_and(is_ours) {
                    continue;
                }
                take(&path, Some(found.uid()));
                if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
                    dirs.push(path);
                }
            }
        }
    }
    for secret in secrets.filter(|secret| !secret_file::is_handed_over(secret)) {
        // Through a link: what it leads to is what others can read.
        let secret = std::fs::canonicalize(secret).unwrap_or_else(|_| secret.to_owned());
        take(&secret, None);
    }
    open.sort_by(|(one, a), (other, b)| other.cmp(one).then_with(|| a.cmp(b)));
    let Some((worst, path)) = open.first() else {
        return Finding::new(
            "permissions",
            Well,
            "the store and the passphrase are open to their owner only",
        );
    };
    let path = path.display();
    let more = match open.iter().filter(|(how, _)| how == worst).count() {
        1 => String::new(),
        count => format!(", and {} more", count - 1),
    };
    let (status, what) = match worst {
        Open::Foreign => {
            (Bad, "belongs to another user than the store's directory: `chown` it to the one who serves")
        }
        Open::Exposed => {
            (Bad, "is open to more than its owner: `chmod go= FILE`, and take what it had for known")
        }
        Open::Seen => (Warn, "may be seen by more than its owner: `chmod go=`, unless that is meant"),
    };
    Finding::new("permissions", status, format!("{path}{more} {what}"))
}

/// The room for the store in `dir`; nothing where there is none.
pub(super) fn disk(dir: &Path) -> Option<Finding> {
    const MIB: u64 = 1 << 20;
    if !dir.exists() {
        return None;
    }
    Some(match Embedded::disk_use_in(dir) {
        Err(error) => Finding::new("disk", Bad, format!("{}: {error}", dir.display())),
        Ok(disk) => {
            let (free, used) = (disk.free / MIB, disk.used.div_ceil(MIB));
            let room = format!("{free} MiB are free, the store has {used} MiB");
            if disk.is_low {
                let what = format!("{room}: only what frees space is taken; make room");
                Finding::new("disk", Bad, what)
            } else if disk.free < disk.used {
                let what = format!("{room}: to write its files anew takes as much again; make room");
                Finding::new("disk", Warn, what)
            } else {
                Finding::new("disk", Well, room)
            }
        }
    })
}
