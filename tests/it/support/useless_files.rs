//! Files that give no secret, whatever is looked for in them.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use nix::sys::stat::Mode;

/// Makes them in `dir`. Returns the name of each, and what is said of it.
pub(crate) fn useless_files(dir: &Path) -> [(&'static str, &'static str); 6] {
    fs::create_dir(dir.join("directory")).expect("an empty directory");
    nix::unistd::mkfifo(&dir.join("pipe"), Mode::S_IRUSR).expect("a pipe");
    for (name, content) in [("empty", ""), ("blank", "\n"), ("long", &"hunter2".repeat(10_000))] {
        fs::write(dir.join(name), content).expect("a file");
        fs::set_permissions(dir.join(name), Permissions::from_mode(0o600)).expect("its owner");
    }
    [
        ("missing", "cannot be read: No such file or directory (os error 2)"),
        ("directory", "is not a regular file"),
        ("pipe", "is not a regular file"),
        ("empty", "is empty"),
        ("blank", "is empty"),
        ("long", "is longer than 64 KiB"),
    ]
}
