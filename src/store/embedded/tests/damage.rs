//! Random damage to any file of a store: healed without loss, or refused by name. Never a wrong value, never
//! fewer in silence.
//!
//! `DAMAGE_SEEDS=1000 cargo test --lib store::embedded::tests::damage` tries more than the usual few.

use super::*;

/// Numbers that follow from a seed (splitmix64).
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    fn below(&mut self, bound: usize) -> usize {
        (self.next() % bound.max(1) as u64) as usize
    }
}

/// Damages one file below `dir`, and says how.
fn damage(dir: &Path, random: &mut Random) -> String {
    let files: Vec<PathBuf> = files_of(dir).into_keys().filter(|path| !path.ends_with("lock")).collect();
    let path = &files[random.below(files.len())];
    let mut bytes = std::fs::read(path).unwrap();
    let at = random.below(bytes.len());
    let done = match random.below(6) {
        0 => {
            std::fs::remove_file(path).unwrap();
            return format!("{} is gone", path.display());
        }
        1 => {
            bytes.truncate(at);
            format!("cut to {at}")
        }
        2 => {
            bytes.clear();
            "emptied".to_owned()
        }
        3 => {
            let size = 512 << random.below(4);
            let from = at / size * size;
            let to = (from + size).min(bytes.len());
            bytes[from..to].fill(0);
            format!("zero from {from} to {to}")
        }
        4 => {
            let to = (at + 1 + random.below(64)).min(bytes.len());
            bytes[at..to].iter_mut().for_each(|byte| *byte = random.next() as u8);
            format!("random from {at} to {to}")
        }
        _ if bytes.is_empty() => "nothing to flip".to_owned(),
        _ => {
            bytes[at] ^= 1 << random.below(8);
            format!("a bit of byte {at}")
        }
    };
    std::fs::write(path, bytes).unwrap();
    format!("{}: {done}", path.display())
}

/// Opens a damaged copy of a store that held `before`.
fn check(left: &Path, before: &Contents, seed: u64) -> bool {
    let copy = killed(left);
    let what = damage(copy.path(), &mut Random(seed));
    let damaged = files_of(copy.path());
    match reopen(copy.path()) {
        Ok(store) => {
            assert!(contents(&store) == *before, "seed {seed}, {what}: it opened with other contents");
            block_on(store.commit(Batch::new().put(Tree::Values, "after", "v"))).unwrap();
            store.close().unwrap();
            let store = reopen(copy.path()).unwrap();
            assert_eq!(contents(&store).len(), before.len() + 1, "seed {seed}, {what}: later");
            true
        }
        Err(OpenError::Damaged(text)) => {
            let dir = copy.path().display().to_string();
            assert!(text.contains(&dir), "seed {seed}, {what}: {text} names a file");
            assert!(files_of(copy.path()) == damaged, "seed {seed}, {what}: files changed");
            false
        }
        Err(other) => panic!("seed {seed}, {what}: {other}"),
    }
}

/// Waits until the index was built anew where `dir` has a store in use.
fn healing_of(dir: &Path) -> Healing {
    eventually(|| Embedded::last_healing(dir).is_some());
    Embedded::last_healing(dir).unwrap()
}

#[test]
fn an_index_that_breaks_while_it_is_used_is_built_anew_behind_its_readers() {
    let (store, dir) = empty_store();
    fill(&store, 200);
    let before = contents(&store);
    store.close().unwrap();
    let store = reopen(dir.path()).unwrap();
    assert_eq!(Embedded::last_healing(dir.path()), None);
    // In place: sled has the file open.
    let path = dir.path().join(INDEX_DIR).join("db");
    let file = std::fs::OpenOptions::new().write(true).open(&path).unwrap();
    let len = file.metadata().unwrap().len();
    std::os::unix::fs::FileExt::write_all_at(&file, &vec![0x5a; len as usize], 0).unwrap();
    let met = Tree::ALL.into_iter().any(|tree| store.scan_now(tree, &[], None, usize::MAX).is_err());
    assert!(met, "a read met it");
    let healing = healing_of(dir.path());
    assert!(healing.found.contains("index"), "{healing:?}");
    assert!(dir.path().join("sled.damaged-1").exists());
    assert_eq!(contents(&store), before);
    block_on(store.commit(Batch::new().put(Tree::Values, "after", "v"))).unwrap();
    store.close().unwrap();
    let store = reopen(dir.path()).unwrap();
    assert_eq!(contents(&store).len(), before.len() + 1);
}

#[test]
fn a_broken_index_is_not_believed_after_a_close() {
    let (store, dir) = empty_store();
    fill(&store, 20);
    let before = contents(&store);
    store.shared.suspicion.raise("a test says so");
    store.close().unwrap();
    let left = dir.path().join(INDEX_DIR).join("left");
    std::fs::write(&left, "").unwrap();
    let store = reopen(dir.path()).unwrap();
    assert!(!left.exists(), "built anew");
    assert_eq!(contents(&store), before);
}

#[test]
fn what_a_start_heals_is_noted() {
    let (store, dir) = empty_store();
    fill(&store, 20);
    store.close().unwrap();
    cut(&dir.path().join(INDEX_DIR).join("db"), 100);
    drop(reopen(dir.path()).unwrap());
    let healing = Embedded::last_healing(dir.path()).unwrap();
    assert!(healing.found.contains("the index was damaged") && healing.at.ends_with('Z'), "{healing:?}");
}

#[test]
fn an_index_that_grew_beyond_what_it_finds_is_built_anew_by_itself() {
    let (store, dir) = store_tuned(Tuning { base_bytes: 256 << 10, index_bytes: 1 << 20, ..small() });
    let in_use = || store.shared.index().unwrap().dir().to_owned();
    let first = in_use();
    let mut written = 0_u32;
    while in_use() == first {
        for key in 0..40_u8 {
            let value = vec![written as u8; 2000];
            block_on(store.commit(Batch::new().put(Tree::Values, [key], value))).unwrap();
        }
        store.shared.index().unwrap().flush().unwrap();
        written += 1;
        assert!(written < 2000, "it grew and was left");
    }
    let before = contents(&store);
    store.close().unwrap();
    assert_eq!(contents(&reopen(dir.path()).unwrap()), before);
}

#[test]
fn random_damage_heals_or_is_refused_by_name() {
    let seeds = std::env::var("DAMAGE_SEEDS").ok().and_then(|seeds| seeds.parse().ok()).unwrap_or(60);
    let (store, dir) = store_tuned(Tuning { base_bytes: 64 << 10, ..small() });
    fill(&store, 150);
    eventually(|| store.stats().base_revision > Revision(0));
    fill(&store, 30);
    let before = contents(&store);
    let open = {
        // A base in the making would be removed even where the rest is refused.
        let _idle = store.work.lock();
        killed(dir.path())
    };
    store.close().unwrap();
    let mut healed = 0;
    for seed in 0..seeds {
        let left = if seed % 2 == 0 { dir.path() } else { open.path() };
        healed += u64::from(check(left, &before, seed));
    }
    assert!((1..seeds).contains(&healed), "{healed} of {seeds} healed: both kinds were met");
}
