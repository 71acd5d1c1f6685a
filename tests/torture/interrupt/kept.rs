//! Backups and passphrases, interrupted: each either is, or is not.

use std::rc::Rc;
use std::sync::Arc;

use super::Interrupted;
use super::commands::{logged, serve, while_serving};
use crate::interposer::Control;
use crate::prepared::Prepared;
use crate::random::Random;
use crate::support::{Config, PASSPHRASE, Store};
use crate::traffic::Traffic;

const FILE: &str = "a.backup";
const NEW_PASSPHRASE: &str = "another passphrase of the tests";

fn check_values(store: &Arc<Store>, traffic: &Traffic) {
    let server = serve(store);
    traffic.clone().check(&server);
    assert!(!server.stderr().contains("panicked"), "{}", server.stderr());
    server.stop();
}

/// Carries out a command on a store that is served, or is not.
fn act(store: &Arc<Store>, control: &Control, is_served: bool, args: &[&str]) {
    if is_served {
        while_serving(store, control, args);
    } else {
        logged(store, control, args);
    }
}

/// `backup create`.
pub(super) struct BackupCreate(Rc<Prepared>, Traffic, bool);

impl BackupCreate {
    pub(super) fn new(is_served: bool, prepared: &Rc<Prepared>) -> BackupCreate {
        let (prepared, traffic) = (Rc::clone(prepared), prepared.restore());
        BackupCreate(prepared, traffic, is_served)
    }
}

impl Interrupted for BackupCreate {
    fn store(&self) -> &Arc<Store> {
        &self.0.store
    }

    fn act(&mut self, control: &Control) {
        act(&self.0.store, control, self.2, &["backup", "create", FILE]);
    }

    fn check(&mut self, done: bool, random: &mut Random) {
        let store = &self.0.store;
        if store.root().join(FILE).exists() {
            store.coffer(["backup", "verify", FILE]).ok();
        } else {
            assert!(!done, "LOST: the backup");
            // What was left of the first try is in nobody's way.
            store.coffer(["backup", "create", FILE]).ok();
        }
        if random.chance(300) {
            check_values(store, &self.1);
        }
    }
}

/// `backup restore`, where there is no store.
pub(super) struct BackupRestore(Rc<Prepared>, Traffic);

impl BackupRestore {
    pub(super) fn new(prepared: &Rc<Prepared>) -> BackupRestore {
        let (prepared, traffic) = (Rc::clone(prepared), prepared.restore());
        prepared.store.coffer(["backup", "create", FILE]).ok();
        std::fs::remove_dir_all(prepared.store.data()).expect("removed");
        BackupRestore(prepared, traffic)
    }
}

impl Interrupted for BackupRestore {
    fn store(&self) -> &Arc<Store> {
        &self.0.store
    }

    fn act(&mut self, control: &Control) {
        logged(&self.0.store, control, &["backup", "restore", FILE]);
    }

    fn check(&mut self, done: bool, _random: &mut Random) {
        let store = &self.0.store;
        // Whoever had no answer tries again; where it was done, there is a store, which is not overwritten.
        let again = store.coffer(["backup", "restore", FILE]);
        assert!(again.code == Some(0) && !done || again.code == Some(1), "LOST: the store: {again:?}");
        check_values(store, &self.1);
    }
}

/// `passphrase change`.
pub(super) struct PassphraseChange(Rc<Prepared>, Traffic, bool);

impl PassphraseChange {
    pub(super) fn new(is_served: bool, prepared: &Rc<Prepared>) -> PassphraseChange {
        let (prepared, traffic) = (Rc::clone(prepared), prepared.restore());
        let root = prepared.store.root();
        for (name, text) in [("old", PASSPHRASE), ("new", NEW_PASSPHRASE)] {
            std::fs::write(root.join(name), text).expect("written");
            let private = std::os::unix::fs::PermissionsExt::from_mode(0o600);
            std::fs::set_permissions(root.join(name), private).expect("set");
        }
        PassphraseChange(prepared, traffic, is_served)
    }
}

impl Interrupted for PassphraseChange {
    fn store(&self) -> &Arc<Store> {
        &self.0.store
    }

    fn act(&mut self, control: &Control) {
        let args = ["passphrase", "change", "--old-file", "old", "--new-file", "new"];
        act(&self.0.store, control, self.2, &args);
    }

    fn check(&mut self, done: bool, _random: &mut Random) {
        let store = &self.0.store;
        let opening: Vec<Config> = [PASSPHRASE, NEW_PASSPHRASE]
            .into_iter()
            .map(|passphrase| Config::new().text("encryption", "passphrase", passphrase))
            .filter(|config| {
                store.configure(config);
                store.coffer(["orgs", "list"]).code == Some(0)
            })
            .collect();
        assert_eq!(opening.len(), 1, "LOST: exactly one of the two passphrases opens the store");
        store.configure(&opening[0]);
        assert!(!done || opening[0].render().contains(NEW_PASSPHRASE), "LOST: the new passphrase");
        check_values(store, &self.1);
    }
}
