//! Files that were cut, lost or damaged: what was synced is there, and what is not trustworthy is refused.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use super::ledger::{Ledger, define};
use crate::support::interpose::{self, Interposed};
use crate::support::{Store, eventually};

/// The regular files of a store, to put back as they were.
struct Snapshot {
    store: Arc<Store>,
    files: Vec<(PathBuf, Vec<u8>)>,
}

impl Snapshot {
    fn of(store: &Arc<Store>) -> Snapshot {
        Snapshot { store: Arc::clone(store), files: store.files() }
    }

    fn restore(&self) {
        for (path, _) in self.store.files() {
            std::fs::remove_file(path).unwrap();
        }
        for (path, bytes) in &self.files {
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, bytes).unwrap();
        }
    }
}

/// A killed store with acknowledged writes, one write in the journal that was never synced, and where in which
/// file the synced bytes end.
struct Cut {
    store: Arc<Store>,
    ledger: Ledger,
    journal: PathBuf,
    synced: u64,
    written: u64,
}

fn cut_store() -> Cut {
    let store = Store::new();
    let Interposed { server, control } = interpose::serve(&store);
    let definitions = define(&server, 6);
    let api = server.test();
    let mut ledger = Ledger::new("user");
    for turn in 0..30 {
        let definition = &definitions[turn % 6];
        let body = ledger.begin_set(definition);
        ledger.acknowledge_set(definition, &api.post("/env/values", &body).send().ok());
    }
    let seen = control.events().len();
    control.turn_on("freeze", "");
    let body = ledger.begin_set(&definitions[0]);
    let request = api.post("/env/values", &body);
    let writer = std::thread::spawn(move || request.try_send());
    eventually(Duration::from_secs(10), "the write reaches the journal", || {
        control.events()[seen..]
            .iter()
            .any(|event| event.call.ends_with("sync-begin") && event.path.ends_with(".journal"))
            .then_some(())
    });
    let store = server.kill();
    assert!(writer.join().unwrap().is_err(), "it was never acknowledged");

    let writes: Vec<_> = control.events().into_iter().filter(|event| event.is_on_journal("write")).collect();
    let events = control.events();
    let last = events[seen..].iter().find(|event| event.is_on_journal("write")).expect("a write").clone();
    let journal = PathBuf::from(&last.path);
    let earlier = writes.iter().filter(|event| event.path == last.path && *event != &last);
    let synced = earlier.map(interpose::Event::end).max().unwrap_or_default();
    let written = last.end();
    assert!(written > synced, "{synced} {written}");
    Cut { store, ledger, journal, synced, written }
}

#[test]
fn a_journal_cut_anywhere_beyond_its_synced_bytes_has_every_acknowledged_write() {
    let cut = cut_store();
    let snapshot = Snapshot::of(&cut.store);
    let length = std::fs::metadata(&cut.journal).unwrap().len();
    let tail = cut.written - cut.synced;
    let step = (tail / 24).max(1);
    let mut lengths: Vec<u64> = (cut.synced..=cut.written).step_by(usize::try_from(step).unwrap()).collect();
    lengths.extend([cut.synced + 1, cut.written - 1, cut.written, length]);
    for at in lengths.into_iter().filter(|at| *at <= length) {
        snapshot.restore();
        set_length(&cut.journal, at);
        let server = cut.store.serve();
        cut.ledger.clone().check(&server.test());
        // It goes on from there: written, killed and read once more.
        let mut ledger = cut.ledger.clone();
        ledger.check(&server.test());
        ledger.check_ids(&server.test());
        let server = server.kill().serve();
        ledger.check(&server.test());
    }
}

#[test]
fn unsynced_bytes_that_came_out_wrong_do_not_hide_the_synced_ones() {
    let cut = cut_store();
    let snapshot = Snapshot::of(&cut.store);
    let from = usize::try_from(cut.synced).unwrap();
    let to = usize::try_from(cut.written).unwrap();
    let half = usize::midpoint(from, to);
    type Damage = fn(&mut [u8]);
    let zeros: Damage = |bytes| bytes.fill(0);
    let ones: Damage = |bytes| bytes.fill(0xff);
    let flip: Damage = |bytes| bytes[0] ^= 0x10;
    for (start, damage) in
        [(from, zeros), (from, ones), (from, flip), (half, zeros), (half, ones), (half, flip), (to - 1, flip)]
    {
        snapshot.restore();
        let mut bytes = std::fs::read(&cut.journal).unwrap();
        damage(&mut bytes[start..to]);
        std::fs::write(&cut.journal, bytes).unwrap();
        let server = cut.store.serve();
        cut.ledger.clone().check(&server.test());
    }
}

#[test]
fn sleds_files_are_only_an_index() {
    let cut = cut_store();
    let snapshot = Snapshot::of(&cut.store);
    let files = cut.store.files_in("sled");
    assert!(!files.is_empty());
    let serve = |what: &str| {
        let server = cut.store.serve();
        eprintln!("{what}");
        cut.ledger.clone().check(&server.test());
        let server = server.stop().serve();
        cut.ledger.clone().check(&server.test());
    };

    std::fs::remove_dir_all(cut.store.data().join("sled")).unwrap();
    serve("the directory is gone");
    for file in &files {
        let length = std::fs::metadata(file).map_or(0, |metadata| metadata.len());
        snapshot.restore();
        std::fs::remove_file(file).unwrap();
        serve(&format!("{} is gone", file.display()));
        for at in [0, length / 3, length.saturating_sub(1)] {
            snapshot.restore();
            set_length(file, at);
            serve(&format!("{} is cut at {at} of {length}", file.display()));
        }
        for part in 0..4 {
            snapshot.restore();
            if garble(file, part) {
                serve(&format!("{} is garbled in part {part}", file.display()));
            }
        }
    }
}

/// Overwrites some bytes in the quarter `part` of what is not zero; false where there is nothing.
fn garble(file: &Path, part: usize) -> bool {
    let mut bytes = std::fs::read(file).unwrap();
    let used = bytes.iter().rposition(|byte| *byte != 0).map_or(0, |last| last + 1);
    if used == 0 {
        return false;
    }
    let start = used * part / 4;
    let end = (start + 40).min(bytes.len());
    for byte in &mut bytes[start..end] {
        *byte ^= 0x5a;
    }
    std::fs::write(file, bytes).unwrap();
    true
}

#[test]
fn damage_to_what_was_acknowledged_is_refused_by_name_and_nothing_is_changed() {
    let cut = cut_store();
    let snapshot = Snapshot::of(&cut.store);
    let name = cut.journal.file_name().unwrap().to_string_lossy().into_owned();
    let good = std::fs::read(&cut.journal).unwrap();
    let synced = usize::try_from(cut.synced).unwrap();
    // A record that others follow: damage there is no torn end.
    for place in [synced / 4, synced / 2, synced * 2 / 3] {
        snapshot.restore();
        let mut bytes = good.clone();
        // Not in the zeros that fill a frame up, which say nothing.
        let place = place + bytes[place..].iter().position(|byte| *byte != 0).unwrap();
        bytes[place] ^= 0x20;
        std::fs::write(&cut.journal, &bytes).unwrap();
        let before = cut.store.files();
        let line = cut.store.refuses_to_serve();
        assert!(line.contains(&name), "it names {name}: {line}");
        cut.store.check_unchanged(&before, "nothing changed");
    }
    snapshot.restore();
    std::fs::remove_file(&cut.journal).unwrap();
    let before = cut.store.files();
    cut.store.refuses_to_serve();
    cut.store.check_unchanged(&before, "nothing changed");
    snapshot.restore();
    let server = cut.store.serve();
    cut.ledger.clone().check(&server.test());
}

/// Brings everything into a base: one that is found damaged while the index is whole is written anew.
fn with_new_base(store: Arc<Store>) -> Arc<Store> {
    let old = store.files_in("base").pop().expect("a base");
    let mut bytes = std::fs::read(&old).unwrap();
    *bytes.last_mut().unwrap() ^= 1;
    std::fs::write(&old, bytes).unwrap();
    let server = store.serve();
    eventually(Duration::from_secs(10), "a new base is in place of the old", || {
        let bases = store.files_in("base");
        (bases.len() == 1 && bases[0] != old && bases[0].extension()? == "base").then_some(())
    });
    server.stop()
}

#[test]
fn a_base_that_is_damaged_or_gone_never_loses_a_value_silently() {
    let store = Store::new();
    let server = store.serve();
    let definitions = define(&server, 6);
    let mut ledger = Ledger::new("user");
    for definition in &definitions {
        let body = ledger.begin_set(definition);
        ledger.acknowledge_set(definition, &server.test().post("/env/values", &body).send().ok());
    }
    let store = with_new_base(server.stop());
    let snapshot = Snapshot::of(&store);
    let bases = store.files_in("base");
    let base = bases.last().unwrap();
    let good = std::fs::read(base).unwrap();
    let length = good.len() as u64;
    let mut damages: Vec<(String, Option<Vec<u8>>)> =
        vec![("gone".into(), None), ("empty".into(), Some(Vec::new()))];
    for at in [length / 4, length / 2, length - 1] {
        damages.push((format!("cut at {at}"), Some(good[..usize::try_from(at).unwrap()].to_vec())));
    }
    for place in (0..good.len()).step_by((good.len() / 8).max(1)) {
        let mut bytes = good.clone();
        bytes[place] ^= 0x08;
        damages.push((format!("byte {place} flipped"), Some(bytes)));
    }
    for without_sled in [false, true] {
        for (what, bytes) in &damages {
            snapshot.restore();
            match bytes {
                Some(bytes) => std::fs::write(base, bytes).unwrap(),
                None => std::fs::remove_file(base).unwrap(),
            }
            if without_sled {
                std::fs::remove_dir_all(store.data().join("sled")).unwrap();
            }
            let before = store.files();
            match store.try_serve() {
                Ok(server) => ledger.check(&server.test()),
                Err(finished) => {
                    assert!(finished.failed().contains("base"), "{what}: {finished:?}");
                    store.check_unchanged(&before, what);
                }
            }
        }
    }
}

fn set_length(path: &Path, length: u64) {
    let file = std::fs::OpenOptions::new().write(true).open(path).unwrap();
    let old = file.metadata().unwrap().len();
    file.set_len(length.min(old)).unwrap();
}
