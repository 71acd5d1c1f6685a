//! A store with something in each of its files, to be put back as often as it is needed.

use std::sync::Arc;
use std::time::Duration;

use crate::disk::{Cut, Disk};
use crate::random::Random;
use crate::support::{Server, Store, eventually};
use crate::traffic::{Measure, Traffic};

/// How the server was ended that had the store last.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Ended {
    Stopped,
    Killed,
}

/// A store on which nothing is uncertain.
pub(crate) struct Prepared {
    pub(crate) store: Arc<Store>,
    traffic: Traffic,
    disk: Disk,
}

impl Prepared {
    /// A store with a base and a journal after it, both with values small and large.
    pub(crate) fn new(writers: usize, ended: Ended, random: &mut Random) -> Prepared {
        let server = Server::start();
        let mut traffic = Traffic::new(&server, writers, 6);
        let server = work(&mut traffic, server, 150, 9000, random);
        let store = with_new_base(server.stop());
        let server = work(&mut traffic, store.serve(), 100, 9000, random);
        traffic.check(&server);
        let store = match ended {
            Ended::Stopped => server.stop(),
            Ended::Killed => server.kill(),
        };
        let disk = Disk::load(store.root());
        Prepared { store, traffic, disk }
    }

    /// Puts the store back, and says what it has promised.
    pub(crate) fn restore(&self) -> Traffic {
        self.disk.materialise(Cut::Kill, &mut Random::new(0));
        self.traffic.clone()
    }
}

fn work(traffic: &mut Traffic, server: Server, least: u64, bytes: usize, random: &mut Random) -> Server {
    let measure = Measure { least, longest: Duration::from_secs(60), bytes };
    traffic.burst(server, &measure, random, |server| server).0
}

/// Brings everything into a base: one that is found damaged while the index is whole is written anew.
fn with_new_base(store: Arc<Store>) -> Arc<Store> {
    let old = store.files_in("base").pop().expect("a base");
    let mut bytes = std::fs::read(&old).expect("readable");
    *bytes.last_mut().expect("not empty") ^= 1;
    std::fs::write(&old, bytes).expect("written");
    let server = store.serve();
    eventually(Duration::from_secs(60), "a new base is in place of the old", || {
        // By name alone: a base in the making may be gone before it could be read.
        let names = std::fs::read_dir(old.parent()?).ok()?;
        let bases: Vec<_> = names.flatten().map(|entry| entry.path()).collect();
        (bases.len() == 1 && bases[0] != old && bases[0].extension()? == "base").then_some(())
    });
    server.stop()
}
