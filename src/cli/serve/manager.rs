//! What the service manager is told, where there is one: lines over the datagram socket that it names, as
//! sd_notify(3) has them.

use std::cell::Cell;
use std::env;
use std::ffi::OsString;
use std::io;
use std::os::linux::net::SocketAddrExt;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::net::{SocketAddr, UnixDatagram};
use std::time::Duration;

use nix::time::{ClockId, clock_gettime};

/// How long a manager may take to read what it is told.
const TIME_LIMIT: Duration = Duration::from_secs(1);

/// Whoever started the server and waits for word of it; nobody where none asked for it.
pub(super) struct ServiceManager {
    way: Option<(UnixDatagram, SocketAddr)>,
    watchdog: Option<Duration>,
    /// Whether it did not hear what it was told last, which is said once.
    is_deaf: Cell<bool>,
}

impl ServiceManager {
    /// The one that the environment names.
    pub(super) fn of_environment() -> ServiceManager {
        let way = env::var_os("NOTIFY_SOCKET").and_then(|name| {
            let way = way(&name);
            way.inspect_err(|error| tracing::warn!("the service manager cannot be told anything: {error}"))
                .ok()
        });
        let watchdog =
            watchdog(env::var_os("WATCHDOG_USEC"), env::var_os("WATCHDOG_PID"), std::process::id());
        ServiceManager { way, watchdog, is_deaf: Cell::new(false) }
    }

    /// Within which time it wants to hear [`ServiceManager::is_alive`] again and again.
    pub(super) fn watchdog(&self) -> Option<Duration> {
        self.watchdog.filter(|_| self.way.is_some())
    }

    /// The server serves, from now on or again.
    pub(super) fn is_ready(&self, status: &str) {
        self.tell(&format!("READY=1\nSTATUS={status}"));
    }

    /// What people are shown beside the server's name.
    pub(super) fn status(&self, status: &str) {
        self.tell(&format!("STATUS={status}"));
    }

    /// The configuration is being read anew; [`ServiceManager::is_ready`] follows.
    pub(super) fn is_reloading(&self) {
        // The manager compares it with when it asked for this.
        let now = clock_gettime(ClockId::CLOCK_MONOTONIC).map(Duration::from).unwrap_or_default();
        self.tell(&format!(
            "RELOADING=1\nMONOTONIC_USEC={}\nSTATUS=reading the configuration",
            now.as_micros()
        ));
    }

    /// The server answers. For whoever wants to hear it.
    pub(super) fn is_alive(&self) {
        if self.watchdog.is_some() {
            self.tell("WATCHDOG=1");
        }
    }

    /// The server stops.
    pub(super) fn is_stopping(&self) {
        self.tell("STOPPING=1\nSTATUS=answering what was asked, then closing the store");
    }

    fn tell(&self, lines: &str) {
        let Some((socket, address)) = &self.way else { return };
        let told = loop {
            match socket.send_to_addr(lines.as_bytes(), address) {
                // By a signal, while it waited for room.
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                told => break told,
            }
        };
        let was_deaf = self.is_deaf.replace(told.is_err());
        if let (Err(error), false) = (told, was_deaf) {
            tracing::warn!("the service manager does not hear what it is told: {error}");
        }
    }
}

/// The way to a socket in the file system, or to an abstract one, which `@` stands before.
fn way(name: &OsString) -> io::Result<(UnixDatagram, SocketAddr)> {
    let address = match name.as_bytes() {
        [b'@', name @ ..] => SocketAddr::from_abstract_name(name)?,
        [b'/', ..] => SocketAddr::from_pathname(name)?,
        _ => return Err(io::Error::other("NOTIFY_SOCKET is neither a path nor an abstract socket")),
    };
    let socket = UnixDatagram::unbound()?;
    socket.set_write_timeout(Some(TIME_LIMIT))?;
    Ok((socket, address))
}

/// What is for another process, which had the environment before, is not for this one.
fn watchdog(within: Option<OsString>, of: Option<OsString>, own: u32) -> Option<Duration> {
    let number = |text: OsString| text.to_str()?.parse::<u64>().ok();
    let is_for_this = of.is_none_or(|pid| number(pid) == Some(own.into()));
    let within = within.and_then(number).filter(|within| is_for_this && *within > 0)?;
    Some(Duration::from_micros(within))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_watchdog_is_for_the_process_that_it_names() {
        let of = |within: &str, pid: Option<&str>| watchdog(Some(within.into()), pid.map(OsString::from), 7);
        assert_eq!(of("30000000", Some("7")), Some(Duration::from_secs(30)));
        assert_eq!(of("30000000", None), Some(Duration::from_secs(30)));
        assert_eq!(of("30000000", Some("8")), None);
        for none in ["0", "", "-1", "x"] {
            assert_eq!(of(none, Some("7")), None, "{none}");
        }
        assert_eq!(watchdog(None, None, 7), None);
    }

    #[test]
    fn only_sockets_of_this_machine_are_written_to() {
        assert!(
            way(&"vsock:2:1234".into()).is_err() && way(&"".into()).is_err() && way(&"run/x".into()).is_err()
        );
        assert!(way(&"/run/x".into()).is_ok() && way(&"@x".into()).is_ok());
    }
}
