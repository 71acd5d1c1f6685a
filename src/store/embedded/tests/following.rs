//! The feed across restarts: it reaches back beyond the newest base, or says that it does not.

use super::*;
use crate::store::feed::Commit;

/// Enough commits for bases in between, with many under way at once.
fn commit_many(store: &Embedded, count: u64) {
    std::thread::scope(|scope| {
        for writer in 0..16 {
            scope.spawn(move || {
                for turn in 0..count / 16 {
                    let key = format!("{writer}/{}", turn % 7);
                    block_on(store.commit(Batch::new().put(Tree::Values, key, turn.to_string()))).unwrap();
                }
            });
        }
    });
}

fn followed(store: &Embedded, seen: u64) -> Option<Vec<Commit>> {
    let commits = store.feed().after(Revision(seen), usize::MAX)?;
    Some(commits.iter().map(|commit| Commit::clone(commit)).collect())
}

#[test]
fn ten_thousand_commits_can_be_followed_after_a_stop_and_after_a_kill() {
    let (store, dir) = store_tuned(Tuning { base_bytes: 64 << 10, ..small() });
    commit_many(&store, 11_200);
    eventually(|| store.stats().base_revision > Revision(2_000));
    let before = followed(&store, 1_200);
    assert_eq!(before.as_ref().map(Vec::len), Some(10_000));
    let copy = killed(dir.path());
    let again = reopen(copy.path()).unwrap();
    assert!(followed(&again, 1_200) == before, "after a kill");
    store.close().unwrap();
    let again = reopen(dir.path()).unwrap();
    assert!(followed(&again, 1_200) == before, "after a stop");
    assert_eq!(followed(&again, 1_199), None, "what it has not, it does not claim");
}

#[test]
fn a_file_that_does_not_hold_makes_the_feed_shorter_and_nothing_else() {
    let (store, dir) = store_tuned(Tuning { base_bytes: 64 << 10, ..small() });
    fill(&store, 200);
    eventually(|| store.stats().base_revision > Revision(0));
    let older = std::fs::read(dir.path().join("feed")).unwrap();
    // The last base that there will be, then something after it.
    store.compact().unwrap();
    block_on(store.commit(Batch::new().put(Tree::Values, "k", "v"))).unwrap();
    let base = store.stats().base_revision.0;
    let (before, since) = (contents(&store), followed(&store, base));
    assert_eq!(followed(&store, 0).map(|commits| commits.len()), Some(201));
    store.close().unwrap();
    let path = dir.path().join("feed");
    let whole = std::fs::read(&path).unwrap();
    let cut = whole[..whole.len() / 2].to_vec();
    for (bytes, reaches) in [(Some(whole), true), (Some(older), false), (Some(cut), false), (None, false)] {
        match bytes {
            Some(bytes) => std::fs::write(&path, bytes).unwrap(),
            None => std::fs::remove_file(&path).unwrap(),
        }
        let store = reopen(dir.path()).unwrap();
        assert_eq!(contents(&store), before);
        assert_eq!(followed(&store, 0).is_some(), reaches);
        assert_eq!(followed(&store, base), since);
        store.close().unwrap();
    }
}
