//! Damage to the files of a store that is not being served: healed without a loss, or refused by name.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::checkup;
use crate::prepared::{Ended, Prepared};
use crate::random::Random;
use crate::report::Run;
use crate::support::{Finished, Store};

/// What is derived from the rest, so that any of it may be damaged together.
const DERIVED: [&str; 3] = ["sled/", "state", "feed"];

pub(crate) fn run(run: &mut Run) {
    let mut random = Random::new(run.seed);
    let prepared = [Ended::Stopped, Ended::Killed].map(|ended| (ended, Prepared::new(4, ended, &mut random)));
    let (mut healed, mut refused) = (0, 0);
    for seed in run.cases(24, 1000) {
        if run.is_over(None) {
            break;
        }
        run.case(seed, "damaged files", |random| {
            let (ended, prepared) = random.pick(&prepared);
            if damage(*ended, prepared, random) {
                healed += 1;
            } else {
                refused += 1;
            }
        });
    }
    run.note(format!("{healed} healed, {refused} refused by name"));
}

/// Damages a store and starts it; whether it healed.
fn damage(ended: Ended, prepared: &Prepared, random: &mut Random) -> bool {
    let mut traffic = prepared.restore();
    let store = &prepared.store;
    let victims = victims(store, random);
    let done: Vec<String> = victims.iter().map(|name| spoil(&store.data().join(name), random)).collect();
    let what = format!("{ended:?}, {victims:?}: {done:?}");
    let before = store.files();
    let server = match store.try_serve() {
        Ok(server) => server,
        Err(finished) => {
            check_refusal(&finished, &victims, &what);
            store.check_unchanged(&before, &what);
            return false;
        }
    };
    eprintln_on_panic(&what, || {
        traffic.check(&server);
        assert!(!server.stderr().contains("panicked"), "{}", server.stderr());
        // What healed is whole from now on.
        let server = if random.chance(500) {
            let store = server.stop();
            checkup::check(&store);
            store.serve()
        } else {
            server.kill().serve()
        };
        traffic.check(&server);
        assert!(!server.stderr().contains("panicked"), "{}", server.stderr());
    });
    true
}

/// Adds what was done to the message of a loss.
fn eprintln_on_panic(what: &str, check: impl FnOnce()) {
    let checked = std::panic::catch_unwind(std::panic::AssertUnwindSafe(check));
    if let Err(panic) = checked {
        let text = panic.downcast_ref::<String>().cloned().unwrap_or_else(|| "a panic".into());
        panic!("{what}: {text}");
    }
}

/// One line that names one of the files, or the directory of one that is gone.
pub(crate) fn check_refusal(finished: &Finished, victims: &[String], what: &str) {
    assert_eq!(finished.code, Some(1), "{what}: {finished:?}");
    assert!(!finished.stderr.contains("panicked"), "{what}: {}", finished.stderr);
    let line = finished.stderr.lines().find(|line| line.starts_with("error: "));
    let line = line.unwrap_or_else(|| panic!("{what}: refused without a word: {finished:?}"));
    let is_named = |victim: &String| {
        let place = victim.split('/').next().expect("a name");
        line.contains(victim.as_str()) || line.contains(&format!("/{place}"))
    };
    assert!(victims.iter().any(is_named), "{what}: {line}");
}

/// One file of those that are the store, or any of those that follow from it, or both.
fn victims(store: &Arc<Store>, random: &mut Random) -> Vec<String> {
    let data = store.data();
    let name = |path: PathBuf| path.strip_prefix(&data).expect("below").to_str().expect("text").to_owned();
    let all: Vec<String> = store.files().into_iter().map(|(path, _)| name(path)).collect();
    let is_derived = |name: &&String| DERIVED.iter().any(|place| name.starts_with(place));
    let derived: Vec<&String> = all.iter().filter(is_derived).collect();
    let own: Vec<&String> = all.iter().filter(|name| !is_derived(name)).collect();
    let mut chosen = Vec::new();
    let kind = random.below(10);
    if kind < 6 {
        chosen.push((*random.pick(&own)).clone());
    }
    if kind >= 5 {
        let part = *random.pick(&[200, 500, 1000]);
        chosen.extend(derived.iter().filter(|_| random.chance(part)).map(|name| (*name).clone()));
        if chosen.is_empty() {
            chosen.push((*random.pick(&derived)).clone());
        }
    }
    chosen
}

/// Damages one file, and says how.
fn spoil(path: &Path, random: &mut Random) -> String {
    let mut bytes = std::fs::read(path).expect("readable");
    // Most of a segment is zeros that nobody reads.
    let used = bytes.iter().rposition(|byte| *byte != 0).map_or(0, |last| last + 1);
    let reach = if random.chance(900) { used } else { bytes.len() };
    let at = random.index(reach);
    let done = match random.below(8) {
        0 | 1 if !bytes.is_empty() => {
            bytes[at] ^= 1 << random.below(8);
            format!("bit flipped at {at} of {used}")
        }
        2 if !bytes.is_empty() => {
            let size = *random.pick(&[512, 4096]);
            let from = at / size * size;
            let to = (from + size).min(bytes.len());
            bytes[from..to].fill(0);
            format!("page at {from} zeroed")
        }
        3 if !bytes.is_empty() => {
            let size = *random.pick(&[1, 40, 512, 4096]);
            let to = (at + size).min(bytes.len());
            bytes[at..to].fill_with(|| random.next().to_le_bytes()[0]);
            format!("{size} bytes at {at} garbled")
        }
        4 if used > 1024 => {
            let size = 512;
            let (from, to) = (at / size * size, random.index(used) / size * size);
            let page = bytes[from..(from + size).min(bytes.len())].to_vec();
            let end = (to + page.len()).min(bytes.len());
            bytes[to..end].copy_from_slice(&page[..end - to]);
            format!("page at {to} replaced by the one at {from}")
        }
        5 => {
            bytes.truncate(at);
            format!("cut at {at} of {used}")
        }
        6 => {
            bytes.fill(0);
            "all zeros".into()
        }
        _ => {
            std::fs::remove_file(path).expect("removed");
            return "gone".into();
        }
    };
    std::fs::write(path, bytes).expect("written");
    done
}
