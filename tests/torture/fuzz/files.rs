//! Files that come from outside: backups, and exports of the audit trail. Each is proof against any change, so
//! whatever differs must be refused, in one clear line.

use std::rc::Rc;

use coffer::crypto::Passphrase;
use coffer::vault;

use super::mutation::mutate;
use super::{Target, shown};
use crate::prepared::{Ended, Prepared};
use crate::random::Random;
use crate::support::PASSPHRASE;

/// Backups in one batch.
const BACKUPS: u64 = 100;
/// Exports in one batch; each starts a process.
const EXPORTS: u64 = 10;

pub(super) fn targets() -> Vec<Box<dyn Target>> {
    let prepared = Rc::new(Prepared::new(2, Ended::Stopped, &mut Random::new(1)));
    let store = &prepared.store;
    store.coffer(["backup", "create", "whole.backup"]).ok();
    store.coffer(["audit", "export", "whole.jsonl"]).ok();
    let read = |name| std::fs::read(store.root().join(name)).expect("readable");
    let (backup, export) = (read("whole.backup"), read("whole.jsonl"));
    vec![
        Box::new(Backups { whole: backup, prepared: Rc::clone(&prepared) }),
        Box::new(Exports { whole: export, prepared }),
    ]
}

/// One that differs from `whole`: nearly right anywhere, or in the first bytes, where the lengths are.
fn changed(whole: &[u8], random: &mut Random) -> Vec<u8> {
    loop {
        let bytes = if random.chance(500) {
            let head = random.index(whole.len().min(400)) + 1;
            let (head, rest) = whole.split_at(head);
            [mutate(&[head.to_vec()], random), rest.to_vec()].concat()
        } else {
            mutate(&[whole.to_vec()], random)
        };
        if bytes != whole {
            return bytes;
        }
    }
}

/// A backup that is nearly right.
struct Backups {
    whole: Vec<u8>,
    prepared: Rc<Prepared>,
}

impl Target for Backups {
    fn name(&self) -> &'static str {
        "backups"
    }

    fn batch(&mut self, random: &mut Random) -> u64 {
        let path = self.prepared.store.root().join("changed.backup");
        let verify = |bytes: &[u8]| {
            std::fs::write(&path, bytes).expect("written");
            vault::verify(&path, &Passphrase::from(PASSPHRASE.to_owned()), &mut |_, _| {})
        };
        assert!(verify(&self.whole).is_ok(), "the backup itself is whole");
        for _ in 0..BACKUPS {
            let bytes = changed(&self.whole, random);
            super::inside::guarded(&bytes, || {
                assert!(verify(&bytes).is_err(), "it is not the backup that was made");
            });
        }
        BACKUPS
    }
}

/// An export that is nearly right.
struct Exports {
    whole: Vec<u8>,
    prepared: Rc<Prepared>,
}

impl Target for Exports {
    fn name(&self) -> &'static str {
        "exports"
    }

    fn batch(&mut self, random: &mut Random) -> u64 {
        let store = &self.prepared.store;
        let verify = |bytes: &[u8]| {
            std::fs::write(store.root().join("changed.jsonl"), bytes).expect("written");
            store.coffer(["audit", "verify", "changed.jsonl"])
        };
        verify(&self.whole).ok();
        for _ in 0..EXPORTS {
            let bytes = changed(&self.whole, random);
            let finished = verify(&bytes);
            let is_clear = finished.code == Some(1) && !finished.stderr.contains("panicked");
            assert!(
                is_clear && finished.stderr.lines().count() == 1,
                "FOUND: `{}`: {finished:?}",
                shown(&bytes)
            );
        }
        EXPORTS
    }
}
