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

#[test]
fn random_damage_heals_or_is_refused_by_name() {
    let seeds = std::env::var("DAMAGE_SEEDS").ok().and_then(|seeds| seeds.parse().ok()).unwrap_or(60);
    let (store, dir) = store_tuned(Tuning { base_bytes: 64 << 10, ..small() });
    fill(&store, 150);
    eventually(|| store.stats().base_revision > Revision(0));
    fill(&store, 30);
    let before = contents(&store);
    let open = killed(dir.path());
    store.close().unwrap();
    let mut healed = 0;
    for seed in 0..seeds {
        let left = if seed % 2 == 0 { dir.path() } else { open.path() };
        healed += u64::from(check(left, &before, seed));
    }
    assert!((1..seeds).contains(&healed), "{healed} of {seeds} healed: both kinds were met");
}
