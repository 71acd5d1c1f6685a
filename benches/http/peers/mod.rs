//! coffer beside what people keep such values in otherwise, on the same machine in the same run: Redis and etcd,
//! each with every write synced before it is acknowledged, and RustyVault, which cannot do that; each spoken to in
//! its own protocol.
//!
//! What they do for a request differs: coffer checks a key and its permissions, seals the value, keeps the former
//! one, and appends to the audit trail; Redis and etcd put 40 bytes under a key, with no credential asked for;
//! RustyVault checks a token and its policies and seals the value.

mod etcd;
mod redis;
mod rustyvault;

use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use tempfile::TempDir;

use crate::Result;
use crate::chart::{self, Bars};
use crate::disk::megabytes_in;
use crate::load::{Load, Measured};
use crate::report::Report;
use crate::rounds::{all_in_turns, median};
use crate::server::{memory_of, place};
use crate::workload::{Layout, Loaded, Requests};

const TURN: Duration = Duration::from_millis(500);
/// How long one may take to listen.
const PATIENCE: Duration = Duration::from_secs(20);

/// A program that coffer is compared with, running; killed when dropped.
pub(crate) struct Peer {
    name: &'static str,
    process: Running,
    dir: TempDir,
    address: SocketAddr,
    /// Sets, and reads of what they set.
    requests: [Arc<Requests>; 2],
}

/// Killed when dropped.
struct Running(Child);

impl Peer {
    /// Starts `command`, which listens on `address` and keeps its files in `dir`, and sets everything; `requests`
    /// is called once it listens.
    fn start(
        name: &'static str,
        mut command: Command,
        dir: TempDir,
        address: SocketAddr,
        requests: impl FnOnce() -> Result<[Arc<Requests>; 2]>,
    ) -> Result<Peer> {
        command.current_dir(dir.path()).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        let child = command.spawn().map_err(|error| {
            format!("{name} does not start ({error}); on Debian: apt-get install redis-server etcd-server")
        })?;
        let process = Running(child);
        let begun = Instant::now();
        while TcpStream::connect(address).is_err() {
            if begun.elapsed() > PATIENCE {
                return Err(format!("{name} does not listen").into());
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        let peer = Peer { name, process, dir, address, requests: requests()? };
        peer.load(64, &peer.requests[0]).run_once()?;
        Ok(peer)
    }

    fn load(&self, connections: usize, requests: &Arc<Requests>) -> Load {
        Load {
            address: self.address,
            server: self.process.0.id(),
            connections,
            requests: Arc::clone(requests),
        }
    }

    fn size(&self) -> Result<String> {
        let (memory, disk) = (memory_of(self.process.0.id())?.0, megabytes_in(self.dir.path())?);
        Ok(format!("{} {memory:.0} MB of memory, {disk:.0} MB of disk", self.name))
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
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
    let mut peers = vec![redis::start(layout)?, etcd::start(layout)?];
    match rustyvault::start(layout)? {
        Some(peer) => peers.push(peer),
        None => report.note("RustyVault is left out: there is no rvault in PATH, and RVAULT names none"),
    }
    let names = peers.iter().map(|peer| peer.name);
    let mut bars = Bars::new(std::iter::once("coffer").chain(names).collect());
    let kinds = [("durable set", loaded.sets(), [64, 1]), ("read", loaded.resolves(), [32, 1])];
    for (kind, (what, own, connections)) in kinds.into_iter().enumerate() {
        for connections in connections {
            let mut loads = vec![loaded.load(connections, Arc::clone(&own))];
            loads.extend(peers.iter().map(|peer| peer.load(connections, &peer.requests[kind])));
            let rounds = all_in_turns(&loads.iter().collect::<Vec<_>>(), TURN)?;
            let of = |which: usize, figure: fn(&Measured) -> f64| {
                median(rounds.iter().map(|round| figure(&round[which])))
            };
            let plural = if connections == 1 { "connection" } else { "connections" };
            let label = format!("{what}, {connections} {plural}");
            for (peer, which) in peers.iter().zip(1..) {
                let ratio = median(rounds.iter().map(|round| round[0].rate() / round[which].rate()));
                report.figure(
                    &format!("{label}: coffer / {}", peer.name),
                    &format!("{ratio:.2}"),
                    &format!(
                        "{:.0}/s and {:.0}/s; median {:.3} and {:.3} ms; the servers' CPU {:.1} and {:.1} us each",
                        of(0, Measured::rate), of(which, Measured::rate),
                        of(0, Measured::latency), of(which, Measured::latency),
                        of(0, Measured::cpu), of(which, Measured::cpu),
                    ),
                );
            }
            bars.group(label, (0..loads.len()).map(|which| of(which, Measured::rate)).collect());
        }
    }
    let own = format!(
        "coffer {:.0} MB of memory, {:.0} MB of disk",
        loaded.server.memory()?.0,
        megabytes_in(loaded.server.data()?)?
    );
    let sizes = std::iter::once(Ok(own)).chain(peers.iter().map(Peer::size)).collect::<Result<Vec<_>>>()?;
    report.note(&sizes.join("; "));
    into.map_or(Ok(()), |path| chart::draw(&path, |area| bars.draw(area)))
}
