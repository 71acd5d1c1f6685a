//! Files with a secret in them: a regular file, within a limit, wiped when dropped, and whether others may read it.

use std::fs::{self, File};
use std::io::Read;
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::Path;

use nix::fcntl::OFlag;
use zeroize::Zeroizing;

/// More than any passphrase, key or token has.
const LONGEST_LINE: u64 = 64 * 1024;

/// Others than the owner and the group may read or change the file.
const OPEN_TO_OTHERS: u32 = 0o006;

/// Where containers are handed their secrets, with mode 0444 and for whoever is inside.
const HANDED_OVER: &str = "/run/secrets";

/// The file's content, wiped when dropped.
///
/// # Errors
/// Why there is none: the end of a sentence that begins with the file's name.
pub fn read(path: &Path, limit: u64) -> Result<Zeroizing<Vec<u8>>, String> {
    let unreadable = |cause| format!("cannot be read: {cause}");
    // Opening a pipe that nobody writes would hold up the program, and its end, for good.
    let file =
        File::options().read(true).custom_flags(OFlag::O_NONBLOCK.bits()).open(path).map_err(unreadable)?;
    let metadata = file.metadata().map_err(unreadable)?;
    if !metadata.is_file() {
        return Err("is not a regular file".to_owned());
    }
    // As large as it will become: growing would leave copies behind that nobody wipes.
    let mut content = Zeroizing::new(Vec::new());
    content.reserve_exact(metadata.len().min(limit) as usize + 1);
    file.take(limit + 1).read_to_end(&mut content).map_err(unreadable)?;
    if content.len() as u64 > limit {
        return Err(format!("is longer than {} KiB", limit / 1024));
    }
    Ok(content)
}

/// The file's content as text, without the one line break that an editor leaves at its end.
///
/// # Errors
/// As [`read`]; an empty file has none either.
pub fn read_text(path: &Path) -> Result<Zeroizing<String>, String> {
    let content = read(path, LONGEST_LINE)?;
    let text = std::str::from_utf8(&content).map_err(|_| "is not UTF-8".to_owned())?;
    let text = text.strip_suffix('\n').map_or(text, |text| text.strip_suffix('\r').unwrap_or(text));
    if text.is_empty() { Err("is empty".to_owned()) } else { Ok(Zeroizing::new(text.to_owned())) }
}

/// Whether others than the file's owner and group may read or change it, and should not: what a container was handed
/// is for whoever is inside, whatever its mode.
#[must_use]
pub fn is_exposed(path: &Path) -> bool {
    !is_handed_over(path) && fs::metadata(path).is_ok_and(|found| found.mode() & OPEN_TO_OTHERS != 0)
}

/// Whether the file lies where containers are handed their secrets.
#[must_use]
pub fn is_handed_over(path: &Path) -> bool {
    // Through links: `/var/run` is one, and orchestrators make others.
    fs::canonicalize(path).is_ok_and(|path| path.starts_with(HANDED_OVER))
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::{PermissionsExt, symlink};

    use super::*;

    #[test]
    fn one_line_break_at_the_end_is_no_part_of_it() {
        let file = tempfile::NamedTempFile::new().unwrap();
        for (content, text) in [("a", "a"), ("a\n", "a"), ("a\r\n", "a"), ("a\n\n", "a\n"), (" a \n", " a ")]
        {
            fs::write(file.path(), content).unwrap();
            assert_eq!(read_text(file.path()).map(|text| text.to_string()), Ok(text.to_owned()));
        }
    }

    #[test]
    fn what_gives_nothing_says_why() {
        let dir = tempfile::tempdir().unwrap();
        let path = |name: &str| dir.path().join(name);
        let check = |name: &str, expected: &str| {
            let error = read_text(&path(name)).unwrap_err();
            assert!(error.starts_with(expected) && !error.contains("hunter"), "{name}: {error}");
        };
        check("missing", "cannot be read: No such file");
        check(".", "is not a regular file");
        nix::unistd::mkfifo(&path("pipe"), nix::sys::stat::Mode::S_IRUSR).unwrap();
        check("pipe", "is not a regular file");
        for (name, content, expected) in [
            ("empty", &b""[..], "is empty"),
            ("blank", b"\n", "is empty"),
            ("bytes", b"hunter2\xff", "is not UTF-8"),
            ("long", &[b'x'; 65_537], "is longer than 64 KiB"),
        ] {
            fs::write(path(name), content).unwrap();
            check(name, expected);
        }
        fs::write(path("longest"), [b'x'; 65_536]).unwrap();
        assert_eq!(read_text(&path("longest")).unwrap().len(), 65_536);
    }

    #[test]
    fn who_may_read_it_is_told_through_links() {
        let dir = tempfile::tempdir().unwrap();
        let (file, link) = (dir.path().join("file"), dir.path().join("link"));
        fs::write(&file, "x").unwrap();
        symlink(&file, &link).unwrap();
        for (mode, exposed) in [(0o600, false), (0o640, false), (0o644, true), (0o602, true)] {
            fs::set_permissions(&file, fs::Permissions::from_mode(mode)).unwrap();
            assert_eq!(is_exposed(&link), exposed, "{mode:o}");
        }
        assert!(!is_exposed(&dir.path().join("missing")));
    }
}
