//! etcd, one member, over gRPC; it syncs its write-ahead log before it acknowledges.

use std::process::Command;

use super::{Peer, directory, free_address};
use crate::Result;
use crate::connection::Protocol;
use crate::workload::{Layout, PLACE, Requests, VALUE};

pub(super) fn start(layout: Layout) -> Result<Peer> {
    let (dir, address) = (directory()?, free_address()?);
    let (clients, peers) = (format!("http://{address}"), format!("http://{}", free_address()?));
    let mut command = Command::new("etcd");
    command.arg("--data-dir").arg(dir.path().join("data"));
    command.args(["--listen-client-urls", &clients, "--advertise-client-urls", &clients]);
    command.args(["--listen-peer-urls", &peers, "--initial-advertise-peer-urls", &peers]);
    command.args(["--initial-cluster", &format!("default={peers}"), "--log-level", "error"]);
    let of = |method, message: &dyn Fn(String) -> String| {
        let texts = (0..layout.definitions).map(|number| framed(&message(format!("{number}/w-{PLACE}"))));
        Requests::new(Protocol::Grpc(method), texts, layout.subjects)
    };
    let sets = of("/etcdserverpb.KV/Put", &|key| field(1, &key) + &field(2, VALUE));
    let gets = of("/etcdserverpb.KV/Range", &|key| field(1, &key));
    Peer::start("etcd", command, dir, address, || Ok([sets, gets]))
}

/// A field of a Protocol Buffers message: its number and kind, its length, its bytes. The length is one byte, so
/// less than 128.
fn field(number: u8, bytes: &str) -> String {
    let (tag, length) = (char::from(number << 3 | 2), char::from(bytes.len() as u8));
    assert!(length.is_ascii());
    format!("{tag}{length}{bytes}")
}

/// A message as gRPC sends it: not compressed, its length in four bytes.
fn framed(message: &str) -> String {
    let length = char::from(message.len() as u8);
    assert!(length.is_ascii());
    format!("\0\0\0\0{length}{message}")
}
