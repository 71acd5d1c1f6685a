//! The latest commits, for whoever follows the store: which keys each one put and deleted, not what they hold.

use std::collections::VecDeque;
use std::sync::Arc;

use parking_lot::Mutex;
use serde::{Deserialize, Serialize};
use tokio::sync::watch;

use super::{Revision, Tree};

/// What a commit changed, of what is worth following.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Commit {
    /// Its number.
    pub revision: Revision,
    /// The changes, in order.
    pub changes: Vec<Change>,
}

/// A key that a commit changed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Change {
    /// The tree.
    pub tree: Tree,
    /// The key, without its tree.
    pub key: Vec<u8>,
    /// Whether something stands there since, or nothing.
    pub is_put: bool,
}

/// What a feed holds, for a file that outlives it.
#[derive(Debug, Serialize, Deserialize)]
pub struct Excerpt {
    /// The commit after which none is lacking.
    complete_after: Revision,
    /// The last commit that was looked at.
    last: Revision,
    commits: Vec<Commit>,
}

/// The latest commits of a store.
#[derive(Debug)]
pub struct Feed {
    recent: Mutex<Recent>,
    last: watch::Sender<Revision>,
}

#[derive(Debug)]
struct Recent {
    /// Those that changed something worth following, oldest first.
    commits: VecDeque<Arc<Commit>>,
    /// The commit after which none is lacking.
    complete_after: Revision,
    changes: usize,
}

/// How many commits are kept; each is at least one revision.
const COMMITS: usize = 10_000;
/// How many changes are kept, whatever the number of commits: an import of thousands is one commit.
const CHANGES: usize = 200_000;
/// The trees whose changes are worth following.
const FOLLOWED: [Tree; 5] =
    [Tree::Values, Tree::Definitions, Tree::DefinitionScopes, Tree::DefinitionNames, Tree::Accounts];

impl Feed {
    /// A feed of the commits after `revision`.
    #[must_use]
    pub fn after_commit(revision: Revision) -> Feed {
        let recent = Recent { commits: VecDeque::new(), complete_after: revision, changes: 0 };
        Feed { recent: Mutex::new(recent), last: watch::Sender::new(revision) }
    }

    /// A feed of the commits up to `revision`, as far as `excerpt` has them; `None` where it does not reach
    /// there, so that one would be lacking.
    #[must_use]
    pub fn resume(excerpt: Excerpt, revision: Revision) -> Option<Feed> {
        let Excerpt { complete_after, last, commits } = excerpt;
        if complete_after > revision || last < revision {
            return None;
        }
        let mut recent = Recent { commits: VecDeque::new(), complete_after, changes: 0 };
        for commit in commits.into_iter().take_while(|commit| commit.revision <= revision) {
            recent.push(commit);
        }
        Some(Feed { recent: Mutex::new(recent), last: watch::Sender::new(revision) })
    }

    /// All that it holds now.
    #[must_use]
    pub fn excerpt(&self) -> Excerpt {
        // Before the commits: those that come in between do no harm.
        let last = self.last();
        let recent = self.recent.lock();
        let commits = recent.commits.iter().filter(|commit| commit.revision <= last);
        Excerpt {
            complete_after: recent.complete_after,
            last: last.max(recent.complete_after),
            commits: commits.map(|commit| Commit::clone(commit)).collect(),
        }
    }

    /// Adds the next commit, whose writes are named by tree, key, and whether they put.
    pub fn add<'k>(&self, revision: Revision, writes: impl Iterator<Item = (Tree, &'k [u8], bool)>) {
        let changes: Vec<Change> = writes
            .filter(|(tree, ..)| FOLLOWED.contains(tree))
            .map(|(tree, key, is_put)| Change { tree, key: key.to_vec(), is_put })
            .collect();
        if !changes.is_empty() {
            self.recent.lock().push(Commit { revision, changes });
        }
        self.last.send_replace(revision);
    }

    /// The last commit.
    #[must_use]
    pub fn last(&self) -> Revision {
        *self.last.borrow()
    }

    /// Up to `limit` commits after `seen` that changed something worth following, oldest first; `None` where
    /// that is longer ago than the feed reaches, or has not been yet.
    #[must_use]
    pub fn after(&self, seen: Revision, limit: usize) -> Option<Vec<Arc<Commit>>> {
        let last = self.last();
        let recent = self.recent.lock();
        if seen < recent.complete_after || seen > last {
            return None;
        }
        let from = recent.commits.partition_point(|commit| commit.revision <= seen);
        Some(recent.commits.range(from..).take(limit).cloned().collect())
    }

    /// Waits for a commit after `seen`.
    pub async fn beyond(&self, seen: Revision) {
        // The sender lives as long as this does, so the wait ends with a commit.
        let _ = self.last.subscribe().wait_for(|last| *last > seen).await;
    }
}

impl Recent {
    fn push(&mut self, commit: Commit) {
        self.changes += commit.changes.len();
        self.commits.push_back(Arc::new(commit));
        while self.commits.len() > COMMITS || self.changes > CHANGES {
            let Some(oldest) = self.commits.pop_front() else { return };
            self.changes -= oldest.changes.len();
            self.complete_after = oldest.revision;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn add(feed: &Feed, revision: u64, tree: Tree, keys: usize) {
        feed.add(Revision(revision), (0..keys).map(|_| (tree, b"k".as_slice(), true)));
    }

    fn revisions(feed: &Feed, seen: u64) -> Option<Vec<u64>> {
        let commits = feed.after(Revision(seen), usize::MAX)?;
        Some(commits.iter().map(|commit| commit.revision.0).collect())
    }

    #[test]
    fn an_excerpt_goes_on_where_it_reaches_and_nowhere_else() {
        let feed = Feed::after_commit(Revision(5));
        for revision in 6..=20 {
            add(&feed, revision, if revision % 2 == 0 { Tree::Values } else { Tree::Audit }, 1);
        }
        for (at, found) in [
            (4, None),
            (5, Some(vec![])),
            (9, Some(vec![6, 8])),
            (20, Some(vec![6, 8, 10, 12, 14, 16, 18, 20])),
            (21, None),
        ] {
            let resumed = Feed::resume(feed.excerpt(), Revision(at));
            assert_eq!(resumed.as_ref().and_then(|feed| revisions(feed, 5)), found, "{at}");
            assert!(resumed.is_none_or(|feed| feed.last() == Revision(at) && revisions(&feed, 4).is_none()));
        }
    }

    #[test]
    fn it_reaches_back_as_far_as_it_says() {
        let feed = Feed::after_commit(Revision(5));
        assert_eq!(
            (revisions(&feed, 5), revisions(&feed, 4), revisions(&feed, 6)),
            (Some(vec![]), None, None)
        );
        for revision in 6..=20 {
            add(&feed, revision, if revision % 2 == 0 { Tree::Values } else { Tree::Audit }, 1);
        }
        assert_eq!(feed.last(), Revision(20));
        assert_eq!(revisions(&feed, 15), Some(vec![16, 18, 20]));
        assert_eq!(revisions(&feed, 20), Some(vec![]));
        for revision in 21..=20_020 {
            add(&feed, revision, Tree::Values, 1);
        }
        assert_eq!(revisions(&feed, 10_019), None);
        assert_eq!(revisions(&feed, 10_020).unwrap().len(), 10_000);
        add(&feed, 20_021, Tree::Values, CHANGES);
        assert_eq!(revisions(&feed, 20_020), Some(vec![20_021]));
        add(&feed, 20_022, Tree::Values, CHANGES + 1);
        assert_eq!((revisions(&feed, 20_021), revisions(&feed, 20_022)), (None, Some(vec![])));
    }
}
