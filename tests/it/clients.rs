//! Clients in other languages, generated from `/openapi.json` the way `docs/generated-clients.md` says, drive the
//! real server. Where generators cannot be fetched that is skipped, unless `COFFER_REQUIRE_CLIENTS` is set.

use std::fs;
use std::path::{Path, PathBuf};

use crate::documents::{Place, try_section};

const DOCUMENT: &str = "docs/generated-clients.md";

fn file(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/clients").join(name)
}

/// A place with these files of `tests/clients`, where the document's section has been run after `prepare`.
fn generated(section: &str, files: &[&str], prepare: &str) -> Option<Place> {
    let mut place = Place::served();
    place.at_home();
    for name in files {
        place.write(name, &fs::read_to_string(file(name)).unwrap());
    }
    let required = std::env::var_os("COFFER_REQUIRE_CLIENTS").is_some();
    if !required {
        place.must("export PIP_RETRIES=0 npm_config_fetch_retries=0");
    }
    let missing = match place.run(prepare) {
        Ok((0, _)) => match try_section(DOCUMENT, section, &mut place) {
            Ok(None) => return Some(place),
            Ok(Some(missing)) => missing,
            Err(error) => panic!("{error}"),
        },
        Ok((_, printed)) | Err(printed) => printed,
    };
    assert!(!required, "{section}: {missing}");
    eprintln!("SKIPPED: no generator for {section}: {missing}");
    None
}

#[test]
fn the_python_client_works() {
    // The versions of all that it depends on, each file by its hash; what the document installs is those.
    let (wheels, pinned) = (format!("{}/wheels", env!("CARGO_TARGET_TMPDIR")), file("python.txt"));
    let prepare = format!(
        "python3 -m venv fetch && \
         fetch/bin/pip download -q --no-deps --require-hashes -r '{}' -d '{wheels}' && \
         export PIP_NO_INDEX=1 PIP_FIND_LINKS='{wheels}'",
        pinned.display()
    );
    let Some(mut place) = generated("Python", &["drive.py"], &prepare) else { return };
    assert_eq!(place.must("python drive.py").trim(), "driven");
    let generate =
        "openapi-python-client generate --url \"$COFFER_URL/openapi.json\" --meta none --output-path again";
    let complaints = place.must(&format!("{generate} 2>&1 | grep -E 'WARNING|Failure|Unable'"));
    assert_eq!(complaints.trim(), "WARNING parsing GET /metrics within service.", "all else is understood");
}

#[test]
fn the_typescript_client_works() {
    let files = ["drive.mts", "package.json", "package-lock.json"];
    let prepare = "export npm_config_loglevel=error && command -v npx >/dev/null";
    let Some(mut place) = generated("TypeScript", &files, prepare) else { return };
    place.must("npx tsc --strict --skipLibCheck --target es2022 --module nodenext --types node drive.mts");
    assert_eq!(place.must("node drive.mjs").trim(), "driven");
}
