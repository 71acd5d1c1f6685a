//! coffer beside what people keep such values in otherwise, on the same machine in the same run: Redis and etcd,
//! each with every write synced before it is acknowledged, spoken to in its own protocol.
//!
//! What they do for a request differs: coffer checks a key and its permissions, seals the value, keeps the former
//! one, and appends to the audit trail; the others put 40 bytes under a key, with no credential asked for.

mod etcd;
mod redis;

use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use tempfile::TempDir;

use crate::Result;
use crate::chart::{self, Bars};
use crate::disk::megabytes_in;
use crate::load::Load;
use crate::report::Report;
use crate::rounds::{in_turns, median};
use crate::server::{memory_of, place};
use crate::workload::{Layout, Loaded, Requests};

const TURN: Duration = Duration::from_millis(500);
/// How long one may take to listen.
const PATIENCE: Duration = Duration::from_secs(20);

/// A program that coffer is compared with, running; killed when dropped.
pub(crate) struct Peer {
    name: &'static str,
    child: Child,
    dir: TempDir,
    address: SocketAddr,
    sets: Arc<Requests>,
    gets: Arc<Requests>,
}

impl Peer {
    /// Starts `command`, which listens on `address` and keeps its files in `dir`.
    fn start(
        name: &'static str,
        mut command: Command,
        dir: TempDir,
        address: SocketAddr,
        [sets, gets]: [Arc<Requests>; 2],
    ) -> Result<Peer> {
        command.current_dir(dir.path()).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        let child = command.spawn().map_err(|error| {
            format!("{name} does not start ({error}); on Debian: apt-get install redis-server etcd-server")
        })?;
        let peer = Peer { name, child, dir, address, sets, gets };
        let begun = Instant::now();
        while TcpStream::connect(address).is_err() {
            if begun.elapsed() > PATIENCE {
                return Err(format!("{name} does not listen").into());
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        peer.load(64, &peer.sets).run_once()?;
        Ok(peer)
    }

    fn load(&self, connections: usize, requests: &Arc<Requests>) -> Load {
        Load { address: self.address, server: self.child.id(), connections, requests: Arc::clone(requests) }
    }

    fn size(&self) -> Result<String> {
        let (memory, disk) = (memory_of(self.child.id())?.0, megabytes_in(self.dir.path())?);
        Ok(format!("{} {memory:.0} MB of memory, {disk:.0} MB of disk", self.name))
    }
}

impl Drop for Peer {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A directory on the disk that the stores are on.
fn directory() -> Result<TempDir> {
    std::fs::create_dir_all(place())?;
    Ok(tempfile::Builder::new().prefix("bench-").tempdir_in(place())?)
}

/// An address that nobody listens on.
fn free_address() -> Result<SocketAddr> {
    Ok(TcpListener::bind("127.0.0.1:0")?.local_addr()?)
}

/// Compares them at 10,000 values, and draws `into`.
pub(crate) fn peers(loaded: &Loaded, layout: Layout, into: Option<PathBuf>, report: &Report) -> Result<()> {
    let redis = redis::start(layout)?;
    let etcd = etcd::start(layout)?;
    let mut bars = Bars::new(["coffer", redis.name, etcd.name]);
    let kinds = [
        ("durable set", loaded.sets(), &redis.sets, &etcd.sets, [64, 1]),
        ("read", loaded.resolves(), &redis.gets, &etcd.gets, [32, 1]),
    ];
    for (what, own, of_redis, of_etcd, connections) in kinds {
        for connections in connections {
            let own = loaded.load(connections, Arc::clone(&own));
            let others = [redis.load(connections, of_redis), etcd.load(connections, of_etcd)];
            let rounds = in_turns([&own, &others[0], &others[1]], TURN)?;
            let of = |which: usize, figure: fn(&crate::load::Measured) -> f64| {
                median(rounds.iter().map(|round| figure(&round[which])))
            };
            let plural = if connections == 1 { "connection" } else { "connections" };
            let label = format!("{what}, {connections} {plural}");
            for (which, name) in [(1, redis.name), (2, etcd.name)] {
                let ratio = median(rounds.iter().map(|round| round[0].rate() / round[which].rate()));
                report.figure(
                    &format!("{label}: coffer / {name}"),
                    &format!("{ratio:.2}"),
                    &format!(
                        "{:.0}/s and {:.0}/s; median {:.3} and {:.3} ms; the servers' CPU {:.1} and {:.1} us each",
                        of(0, |m| m.rate()), of(which, |m| m.rate()),
                        of(0, |m| m.latency()), of(which, |m| m.latency()),
                        of(0, |m| m.cpu()), of(which, |m| m.cpu()),
                    ),
                );
            }
            bars.group(label, [0, 1, 2].map(|which| of(which, |m| m.rate())));
        }
    }
    let own = format!(
        "coffer {:.0} MB of memory, {:.0} MB of disk",
        loaded.server.memory()?.0,
        megabytes_in(loaded.server.data()?)?
    );
    report.note(&[own, redis.size()?, etcd.size()?].join("; "));
    into.map_or(Ok(()), |path| chart::draw(&path, |area| bars.draw(area)))
}
