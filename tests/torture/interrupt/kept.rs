//! Backups and passphrases, interrupted: each either is, or is not.

use std::sync::Arc;

use super::Interrupted;
use super::commands::{logged, serve};
use crate::interposer::Control;
use crate::prepared::{Ended, Prepared};
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

/// `backup create`, of a store that is not served.
pub(super) struct BackupCreate(Prepared, Traffic);

impl BackupCreate {
    pub(super) fn new(random: &mut Random) -> BackupCreate {
        let prepared = Prepared::new(4, Ended::Stopped, random);
        let traffic = prepared.restore();
        BackupCreate(prepared, traffic)
    }
}

impl Interrupted for BackupCreate {
    fn store(&self) -> &Arc<Store> {
        &self.0.store
    }

    fn act(&mut self, control: &Control) {
        logged(&self.0.store, control, &["backup", "create", FILE]);
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
pub(super) struct BackupRestore(Prepared, Traffic);

impl BackupRestore {
    pub(super) fn new(random: &mut Random) -> BackupRestore {
        let BackupCreate(prepared, traffic) = BackupCreate::new(random);
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

/// `passphrase change`, of a store that is not served.
pub(super) struct PassphraseChange(Prepared, Traffic);

impl PassphraseChange {
    pub(super) fn new(random: &mut Random) -> PassphraseChange {
        let BackupCreate(prepared, traffic) = BackupCreate::new(random);
        let root = prepared.store.root();
        for (name, text) in [("old", PASSPHRASE), ("new", NEW_PASSPHRASE)] {
            std::fs::write(root.join(name), text).expect("written");
            let private = std::os::unix::fs::PermissionsExt::from_mode(0o600);
            std::fs::set_permissions(root.join(name), private).expect("set");
        }
        PassphraseChange(prepared, traffic)
    }
}

impl Interrupted for PassphraseChange {
    fn store(&self) -> &Arc<Store> {
        &self.0.store
    }

    fn act(&mut self, control: &Control) {
        let args = ["passphrase", "change", "--old-file", "old", "--new-file", "new"];
        logged(&self.0.store, control, &args);
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
