//! The Debian package: what is in it, and what installing it does.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::LazyLock;

use tempfile::TempDir;

use super::{attempt, has, output, read, root};

/// Where a file of the package may be.
const PLACES: [&str; 9] = [
    "./usr/bin/coffer",
    "./usr/share/man/man1/",
    "./usr/share/bash-completion/completions/coffer",
    "./usr/share/zsh/vendor-completions/_coffer",
    "./usr/share/fish/vendor_completions.d/coffer.fish",
    "./usr/share/doc/coffer/",
    "./usr/share/lintian/overrides/coffer",
    "./lib/systemd/system/coffer.",
    "./etc/coffer/config.toml",
];
/// And those that make the user and the directory.
const MADE_AT_INSTALLATION: [&str; 2] =
    ["./usr/lib/sysusers.d/coffer.conf", "./usr/lib/tmpfiles.d/coffer.conf"];

/// A package of the binary that is tested.
fn build(out: &Path) -> PathBuf {
    let mut script = Command::new(root().join("contrib/package/deb"));
    // It is looked into, not kept: compressing it would take longest.
    script
        .env("DEB_COMPRESSION", "none")
        .env("SOURCE_DATE_EPOCH", "1767225600")
        .env_remove("CARGO_TARGET_DIR");
    let said = output(script.args(["--binary", env!("CARGO_BIN_EXE_coffer"), "--out"]).arg(out));
    PathBuf::from(said.trim())
}

/// The package that the tests look into; none where packages cannot be built.
fn package() -> Option<&'static Path> {
    // In a static, which is never dropped: the directory is one below that of all tests.
    static PACKAGE: LazyLock<Option<PathBuf>> = LazyLock::new(|| {
        let out = Path::new(env!("CARGO_TARGET_TMPDIR")).join("package");
        can_build().then(|| build(&out))
    });
    PACKAGE.as_deref()
}

fn can_build() -> bool {
    let missing: Vec<_> =
        ["dpkg-deb", "dpkg-shlibdeps", "strip"].into_iter().filter(|tool| !has(tool)).collect();
    if !missing.is_empty() {
        eprintln!("NOTE: no package can be built here: there is no {}", missing.join(", "));
    }
    missing.is_empty()
}

#[test]
fn a_package_has_what_it_should_and_nothing_else() {
    let Some(package) = package() else { return };
    check_listing(&output(Command::new("dpkg-deb").arg("--contents").arg(package)));

    let dir = TempDir::new().unwrap();
    let tree = dir.path().join("tree");
    output(Command::new("dpkg-deb").arg("--raw-extract").args([package, &tree]));
    check_control(&tree.join("DEBIAN"));
    let sums = fs::read_to_string(tree.join("DEBIAN/md5sums")).unwrap();
    output(Command::new("md5sum").args(["--quiet", "--strict", "-c", "DEBIAN/md5sums"]).current_dir(&tree));
    let summed: BTreeSet<&str> = sums.lines().filter_map(|line| line.get(34..)).collect();
    let reference = read("docs/cli.md");
    for line in reference.lines().filter_map(|line| line.strip_prefix("## `coffer")) {
        let page = format!("usr/share/man/man1/coffer{}.1.gz", line.trim_end_matches('`').replace(' ', "-"));
        assert!(summed.contains(page.as_str()), "no {page}");
        let text = output(Command::new("gzip").arg("-dc").arg(tree.join(&page)));
        assert!(text.contains(".TH"), "{page} is no manual page");
    }
    let alerts = fs::read(tree.join("usr/share/doc/coffer/examples/prometheus-alerts.yml")).unwrap();
    assert!(alerts == fs::read(root().join("contrib/prometheus/alerts.yml")).unwrap());
    for completions in &PLACES[2..5] {
        assert!(
            fs::read_to_string(tree.join(completions)).unwrap().contains("linked-account"),
            "{completions}"
        );
    }
    assert_eq!(output(Command::new(tree.join("usr/bin/coffer")).arg("--version")), "coffer 0.1.0\n");
}

/// Each line: mode, owner, size, day, time, name.
fn check_listing(listing: &str) {
    for line in listing.lines() {
        let fields: Vec<&str> = line.split_whitespace().collect();
        let (mode, owner, name) = (fields[0], fields[1], fields[5]);
        assert_eq!(owner, "root/root", "{line}");
        let expected = match name {
            _ if name.ends_with('/') => "drwxr-xr-x",
            "./usr/bin/coffer" => "-rwxr-xr-x",
            _ => "-rw-r--r--",
        };
        assert_eq!(mode, expected, "{line}");
        let allowed = PLACES.iter().chain(&MADE_AT_INSTALLATION);
        let is_in_place = allowed
            .clone()
            .any(|place| name.starts_with(place) || (name.ends_with('/') && place.starts_with(name)));
        assert!(is_in_place, "a file where none should be: {line}");
    }
    for place in PLACES.iter().chain(&MADE_AT_INSTALLATION) {
        assert!(listing.lines().any(|line| line.contains(place)), "nothing in {place}");
    }
}

fn check_control(control: &Path) {
    let text = |name: &str| fs::read_to_string(control.join(name)).unwrap();
    assert_eq!(text("conffiles"), "/etc/coffer/config.toml\n");
    let fields = text("control");
    for expected in ["Package: coffer\n", "Version: 0.1.0-1\n", "libc6 (>= ", "systemd | systemd-sysusers"] {
        assert!(fields.contains(expected), "{expected} is not in {fields}");
    }
    for script in ["postinst", "prerm", "postrm"] {
        output(Command::new("sh").arg("-n").arg(control.join(script)));
    }
}

#[test]
fn a_purge_knows_every_name_of_a_store() {
    let purge = read("contrib/package/debian/postrm");
    let looked_at = read("src/cli/own_files.rs");
    let names = looked_at.split("const NAMES").nth(1).unwrap().split("];").next().unwrap();
    let names: Vec<&str> = names.split('"').skip(1).step_by(2).collect();
    assert!(names.len() >= 10, "{names:?}");
    let purged = purge.split("for name in ").nth(1).unwrap().split(';').next().unwrap();
    assert_eq!(
        purged.split_whitespace().collect::<Vec<_>>(),
        names,
        "it should be those that `doctor` looks at"
    );
}

#[test]
fn the_same_sources_make_the_same_package() {
    let Some(package) = package() else { return };
    let dir = TempDir::new().unwrap();
    assert!(fs::read(package).unwrap() == fs::read(build(dir.path())).unwrap(), "two builds differ");
}

#[test]
fn a_package_installs_upgrades_and_goes() {
    let Some(package) = package() else { return };
    attempt("contrib/package/try", package);
}

#[test]
fn lintian_has_nothing_against_a_package() {
    let Some(package) = package() else { return };
    if !has("lintian") {
        return eprintln!("NOTE: there is no lintian");
    }
    let mut lintian = Command::new("lintian");
    // Which this one is on purpose.
    lintian.args([
        "--suppress-tags",
        "uses-no-compression-for-control-tarball,uses-no-compression-for-data-tarball",
    ]);
    output(lintian.args(["--allow-root", "--fail-on", "error,warning"]).arg(package));
}
