//! The commands that are interrupted.

use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use super::{Interrupted, kept};
use crate::checkup;
use crate::interposer::Control;
use crate::prepared::Prepared;
use crate::random::Random;
use crate::support::{Config, Finished, Server, Store, eventually, finish};
use crate::traffic::Traffic;

/// Each begins with the store as it was prepared, whatever the one before it left.
type Prepare = fn(&Rc<Prepared>) -> Box<dyn Interrupted>;

/// Each with whether it can be seen that it was done.
pub(super) const COMMANDS: [(&str, bool, Prepare); 12] = [
    ("init", true, |_| Box::new(Init(Arc::new(Store::uninitialized(&Config::new()))))),
    ("keys create", true, |prepared| Box::new(OnStore::new(keys_create, key_is_there, prepared))),
    ("serve and stop", true, |prepared| Box::new(OnStore::new(serve_and_stop, account_is_there, prepared))),
    ("compact", false, |prepared| Box::new(OnStore::new(compact, |_, _, _| {}, prepared))),
    ("compact while serving", false, |prepared| {
        Box::new(OnStore::new(compact_while_serving, |_, _, _| {}, prepared))
    }),
    ("keys rotate-data", true, |prepared| Box::new(OnStore::new(rotate, is_rotated, prepared))),
    ("keys rotate-data while serving", true, |prepared| {
        Box::new(OnStore::new(rotate_while_serving, is_rotated, prepared))
    }),
    ("backup create", true, |prepared| Box::new(kept::BackupCreate::new(false, prepared))),
    ("backup create while serving", true, |prepared| Box::new(kept::BackupCreate::new(true, prepared))),
    ("backup restore", true, |prepared| Box::new(kept::BackupRestore::new(prepared))),
    ("passphrase change", true, |prepared| Box::new(kept::PassphraseChange::new(false, prepared))),
    ("passphrase change while serving", true, |prepared| {
        Box::new(kept::PassphraseChange::new(true, prepared))
    }),
];

fn compact(store: &Arc<Store>, control: &Control) -> Answer {
    logged(store, control, &["compact"]);
    String::new()
}

fn compact_while_serving(store: &Arc<Store>, control: &Control) -> Answer {
    while_serving(store, control, &["compact"]);
    String::new()
}

fn rotate(store: &Arc<Store>, control: &Control) -> Answer {
    logged(store, control, &["keys", "rotate-data"]);
    String::new()
}

fn rotate_while_serving(store: &Arc<Store>, control: &Control) -> Answer {
    while_serving(store, control, &["keys", "rotate-data"]);
    String::new()
}

/// What began goes on by itself; where it was done, there is nothing to go on with.
fn is_rotated(server: &Server, _: &Answer, done: bool) {
    let page = server.test().get("/audit/audit-trails").query("event", "data_key.rotated").send().ok();
    let begun = page["totalDocs"].as_u64().expect("a total");
    assert!(begun == 1 || begun == 0 && !done, "LOST: the new data key: {begun} are in the trail");
    let is_over = || checkup::finding(server.store(), "data_keys")["status"] == "ok";
    assert!(is_over() || !done, "LOST: values are sealed with the former data key");
    eventually(Duration::from_secs(60), "one data key is left", || is_over().then_some(()));
}

/// Has the server of a store carry out a command, and kills it once that has succeeded. Both are logged.
pub(super) fn while_serving(store: &Arc<Store>, control: &Control, args: &[&str]) {
    let mut command = store.command(["serve"]);
    control.attach_logged(&mut command);
    let server = Server::spawn(store, command);
    let mut command = store.command(args);
    control.attach_beside(&mut command);
    let finished = finish(&mut command);
    assert_eq!(finished.code, Some(0), "{args:?}: {finished:?}");
    server.kill();
}

/// Runs a command of coffer under the interposer, to its success.
pub(super) fn logged(store: &Store, control: &Control, args: &[&str]) -> Finished {
    let mut command = store.command(args);
    control.attach_logged(&mut command);
    let finished = finish(&mut command);
    assert_eq!(finished.code, Some(0), "{args:?}: {finished:?}");
    finished
}

pub(super) fn serve(store: &Arc<Store>) -> Server {
    match store.try_serve() {
        Ok(server) => server,
        Err(finished) => panic!("LOST: it does not start: {}", finished.stderr),
    }
}

/// `init` where there is nothing.
struct Init(Arc<Store>);

impl Interrupted for Init {
    fn store(&self) -> &Arc<Store> {
        &self.0
    }

    fn act(&mut self, control: &Control) {
        logged(&self.0, control, &["init"]);
    }

    fn check(&mut self, done: bool, random: &mut Random) {
        // A server makes a store where there is none, and would hide that one was lost.
        assert!(!done || self.0.coffer(["orgs", "list"]).code == Some(0), "LOST: the store");
        // Whoever had no answer tries again, or serves at once.
        if random.chance(500) {
            let again = self.0.coffer(["init"]);
            let is_there = again.code == Some(1) && again.stderr.contains("there is a store");
            assert!(again.code == Some(0) || is_there, "{again:?}");
            assert!(is_there || !done, "LOST: the store: {again:?}");
        }
        serve(&self.0).stop();
        assert!(self.0.coffer(["orgs", "list"]).ok().lines().count() > 0, "LOST: the organization");
    }
}

/// What a command answered.
type Answer = String;

/// A command on a store with values, none of which may be lost.
struct OnStore {
    prepared: Rc<Prepared>,
    traffic: Traffic,
    answer: Answer,
    act: fn(&Arc<Store>, &Control) -> Answer,
    /// Checks, on the running server, the answer of a command that may be done.
    stands: fn(&Server, &Answer, bool),
}

impl OnStore {
    fn new(
        act: fn(&Arc<Store>, &Control) -> Answer,
        stands: fn(&Server, &Answer, bool),
        prepared: &Rc<Prepared>,
    ) -> OnStore {
        let traffic = prepared.restore();
        OnStore { prepared: Rc::clone(prepared), traffic, answer: String::new(), act, stands }
    }
}

impl Interrupted for OnStore {
    fn store(&self) -> &Arc<Store> {
        &self.prepared.store
    }

    fn act(&mut self, control: &Control) {
        self.answer = (self.act)(&self.prepared.store, control);
    }

    fn check(&mut self, done: bool, random: &mut Random) {
        let server = serve(&self.prepared.store);
        let mut traffic = self.traffic.clone();
        traffic.check(&server);
        (self.stands)(&server, &self.answer, done);
        assert!(!server.stderr().contains("panicked"), "{}", server.stderr());
        if random.chance(300) {
            checkup::check(&server.stop());
        }
    }
}

fn keys_create(store: &Arc<Store>, control: &Control) -> Answer {
    let made = logged(store, control, &["keys", "create", "--environment", "test", "--json"]).json();
    made["key"].as_str().expect("a key").to_owned()
}

fn key_is_there(server: &Server, key: &Answer, done: bool) {
    let status = server.anonymous().key(key).get("/env/definitions").send().status;
    assert!(status == 200 || status == 401 && !done, "LOST: the key: {status}");
}

fn serve_and_stop(store: &Arc<Store>, control: &Control) -> Answer {
    let mut command = store.command(["serve"]);
    control.attach_logged(&mut command);
    let server = Server::spawn(store, command);
    let made = server.test().register("registered meanwhile");
    server.stop();
    made["_id"].as_str().expect("an id").to_owned()
}

fn account_is_there(server: &Server, id: &Answer, done: bool) {
    let found = server.test().get("/linked-account/registered%20meanwhile").send();
    assert!(found.status == 200 || found.status == 404 && !done, "LOST: the account: {}", found.status);
    assert!(found.status == 404 || found.json().to_string().contains(id.as_str()), "{}", found.text());
}
