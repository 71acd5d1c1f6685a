//! Sockets that the service manager listens on and passes, as sd_listen_fds(3) has them.

use std::env;
use std::net::TcpListener;

use listenfd::ListenFd;
use nix::sys::socket::{getsockopt, sockopt};

use crate::cli::failure::Failure;

/// Takes those that were passed to this process, and has it forget that they were. To be called while the process
/// has one thread: it changes the environment. `None` where none were meant for it, and an empty list where they were
/// but `LISTEN_FDS` does not say how many.
///
/// # Errors
/// Where one is nothing that TCP connections come from.
pub(in crate::cli) fn take() -> Result<Option<Vec<TcpListener>>, Failure> {
    // What was meant for a parent is none of ours.
    if env::var("LISTEN_PID").ok().and_then(|pid| pid.parse().ok()) != Some(std::process::id()) {
        return Ok(None);
    }
    let names = env::var("LISTEN_FDNAMES").unwrap_or_default();
    let mut names = names.split(':');
    let mut passed = ListenFd::from_env();
    (0..passed.len())
        .map(|index| {
            let name = names.next().filter(|name| !name.is_empty()).unwrap_or("unknown");
            let listener = passed.take_tcp_listener(index).ok().flatten();
            let listens = |socket: &TcpListener| getsockopt(socket, sockopt::AcceptConn) == Ok(true);
            listener.filter(listens).ok_or_else(|| {
                let descriptor = 3 + index;
                Failure::Failed(format!(
                    "the socket `{name}` (descriptor {descriptor}) of the service manager is none that TCP \
                     connections come from"
                ))
            })
        })
        .collect::<Result<_, _>>()
        .map(Some)
}
