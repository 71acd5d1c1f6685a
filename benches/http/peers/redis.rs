//! Redis, with its append-only file synced at each write (`appendfsync always`), and no snapshots beside it.

use std::process::Command;

use super::{Peer, directory, free_address};
use crate::Result;
use crate::connection::Protocol;
use crate::workload::{Layout, PLACE, Requests, VALUE};

pub(super) fn start(layout: Layout) -> Result<Peer> {
    let (dir, address) = (directory()?, free_address()?);
    let mut command = Command::new("redis-server");
    command.args(["--bind", "127.0.0.1", "--port"]).arg(address.port().to_string());
    command.args(["--appendonly", "yes", "--appendfsync", "always", "--save", ""]);
    command.arg("--dir").arg(dir.path());
    let of = |words: &dyn Fn(String) -> Vec<String>| {
        let texts = (0..layout.definitions).map(|number| array(&words(format!("{number}/w-{PLACE}"))));
        Requests::new(Protocol::Resp, texts, layout.subjects)
    };
    let sets = of(&|key| vec!["SET".into(), key, VALUE.into()]);
    let gets = of(&|key| vec!["GET".into(), key]);
    Peer::start("Redis", command, dir, address, || Ok([sets, gets]))
}

/// A command as RESP has it.
fn array(words: &[String]) -> String {
    let strings: String = words.iter().map(|word| format!("${}\r\n{word}\r\n", word.len())).collect();
    format!("*{}\r\n{strings}", words.len())
}
