//! Ends connections on which nothing is asked. The framework limits how long a connection may be idle, and
//! how long its first head may take; but the first byte of a later head ends the one limit and starts no
//! other, so that whoever then says no more would stay for good. So would whoever never takes an answer.

use std::cell::Cell;
use std::os::fd::{AsRawFd, RawFd};
use std::rc::{Rc, Weak};
use std::time::{Duration, Instant};

use nix::sys::socket::{Shutdown, shutdown};
use tokio::task::JoinHandle;

/// A connection that is watched for as long as this lives, which must not be longer than its socket: the
/// framework drops what belongs to a connection, and its requests, before the socket.
pub(super) struct Connection {
    socket: RawFd,
    /// How many of its requests are under way.
    asking: Cell<usize>,
    /// When the last of them ended.
    since: Cell<Instant>,
    watch: JoinHandle<()>,
}

/// A request under way.
pub(super) struct Asking(Rc<Connection>);

impl Connection {
    /// Watches a new connection: it is ended once nothing has been asked on it for `limit`.
    pub(super) fn watch(socket: &impl AsRawFd, limit: Duration) -> Rc<Connection> {
        Rc::new_cyclic(|connection: &Weak<Connection>| Connection {
            socket: socket.as_raw_fd(),
            asking: Cell::new(0),
            since: Cell::new(Instant::now()),
            watch: actix_web::rt::spawn(end_when_quiet(connection.clone(), limit)),
        })
    }

    /// A request begins; it ends when what is returned is dropped.
    pub(super) fn ask(self: &Rc<Connection>) -> Asking {
        self.asking.set(self.asking.get() + 1);
        Asking(self.clone())
    }

    fn quiet(&self) -> Duration {
        if self.asking.get() > 0 { Duration::ZERO } else { self.since.get().elapsed() }
    }
}

impl Drop for Connection {
    fn drop(&mut self) {
        self.watch.abort();
    }
}

impl Drop for Asking {
    fn drop(&mut self) {
        self.0.asking.set(self.0.asking.get() - 1);
        self.0.since.set(Instant::now());
    }
}

async fn end_when_quiet(connection: Weak<Connection>, limit: Duration) {
    let mut wait = limit;
    while !wait.is_zero() {
        tokio::time::sleep(wait).await;
        let Some(connection) = connection.upgrade() else { return };
        wait = limit.saturating_sub(connection.quiet());
        if wait.is_zero() {
            // The framework reads the end of it, and closes.
            let _ = shutdown(connection.socket, Shutdown::Both);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io::Read;
    use std::net::{TcpListener, TcpStream};

    use super::*;
    use crate::http::block_on;

    const LIMIT: Duration = Duration::from_millis(200);

    fn pair() -> (TcpStream, TcpStream) {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let client = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        client.set_nonblocking(true).unwrap();
        (client, listener.accept().unwrap().0)
    }

    fn is_open(mut client: &TcpStream) -> bool {
        client.read(&mut [0]).is_err()
    }

    #[test]
    fn a_connection_on_which_nothing_is_asked_is_ended() {
        block_on(async {
            let (client, server) = pair();
            let connection = Connection::watch(&server, LIMIT);
            tokio::time::sleep(LIMIT / 2).await;
            assert!(is_open(&client));
            drop(connection.ask());
            tokio::time::sleep(LIMIT * 3 / 4).await;
            assert!(is_open(&client), "a request was under way since");
            tokio::time::sleep(LIMIT).await;
            assert!(!is_open(&client));
        });
    }

    #[test]
    fn a_request_takes_as_long_as_it_takes() {
        block_on(async {
            let (client, server) = pair();
            let connection = Connection::watch(&server, LIMIT);
            let asking = (connection.ask(), connection.ask());
            drop(asking.0);
            tokio::time::sleep(LIMIT * 3).await;
            assert!(is_open(&client));
            drop(asking.1);
            tokio::time::sleep(LIMIT * 3).await;
            assert!(!is_open(&client));
        });
    }

    #[test]
    fn what_is_no_longer_watched_is_left_alone() {
        block_on(async {
            let (client, server) = pair();
            drop(Connection::watch(&server, LIMIT));
            tokio::time::sleep(LIMIT * 2).await;
            assert!(is_open(&client));
        });
    }
}
