//! The store's own files, and that nothing else is written among them.

use std::path::Path;

use crate::cli::failure::Failure;

/// What lies in a store's directory and is the store's (`docs/storage.md`), but for its indexes.
const NAMES: [&str; 10] =
    ["base", "journal", "state", "reached", "feed", "keyring", "control.sock", "lock", "creating", "healed"];

/// Whether a name in a store's directory is the store's own.
pub(super) fn is_ours(name: &str) -> bool {
    // A file in the making lies beside its own place.
    NAMES.contains(&name.strip_suffix(".new").unwrap_or(name)) || name.starts_with("sled")
}

/// Refuses to write a file to `path` where it would lie among the own files of the store in `dir`, which takes what is
/// there for damage, or deletes it; and where it is what other commands take for standard output.
pub(super) fn expect_elsewhere(dir: &Path, path: &Path) -> Result<(), Failure> {
    if path.as_os_str() == "-" {
        let why = "nothing is written to standard output: name a file (`./-` is one)";
        return Err(Failure::Usage(why.into()));
    }
    let parent = path.parent().filter(|parent| !parent.as_os_str().is_empty());
    let (Ok(dir), Ok(parent)) = (dir.canonicalize(), parent.unwrap_or(Path::new(".")).canonicalize()) else {
        // Whoever writes there says what is wrong.
        return Ok(());
    };
    let Some(name) = path.file_name() else { return Ok(()) };
    let full = parent.join(name);
    let first = full.strip_prefix(&dir).ok().and_then(|inside| inside.components().next());
    match first.and_then(|first| first.as_os_str().to_str()) {
        Some(name) if is_ours(name) => Err(Failure::Failed(format!(
            "cannot write {}: it is among the store's own files; name another place, best on another disk",
            path.display()
        ))),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_in_the_making_is_the_stores_too() {
        for name in ["keyring", "keyring.new", "feed.new", "state.new", "sled", "sled.next", "sled.damaged-1"]
        {
            assert!(is_ours(name), "{name}");
        }
        for name in ["new", ".new", "backup", "keyring.backup", "journal.txt"] {
            assert!(!is_ours(name), "{name}");
        }
    }
}
