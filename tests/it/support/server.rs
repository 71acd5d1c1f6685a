//! The real server over a store.

use std::io::{BufRead, BufReader, Read};
use std::net::SocketAddr;
use std::process::{Child, Command};
use std::sync::mpsc::{self, RecvTimeoutError};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use super::command::{Finished, PATIENCE, wait};
use super::{Client, Config, Connection, Response, Store};

/// A running server; killed when dropped.
pub(crate) struct Server {
    store: Arc<Store>,
    child: Child,
    address: SocketAddr,
    stdout: Arc<Mutex<String>>,
    stderr: Arc<Mutex<String>>,
}

impl Server {
    /// A server over a store of its own.
    #[track_caller]
    pub(crate) fn start() -> Server {
        Store::new().serve()
    }

    /// A server over a store of its own, configured so.
    #[track_caller]
    pub(crate) fn start_with(config: &Config) -> Server {
        Store::with(config).serve()
    }

    /// Runs `command` and waits until it says where it listens.
    #[track_caller]
    pub(crate) fn spawn(store: &Arc<Store>, command: Command) -> Server {
        match Server::try_spawn(store, command) {
            Ok(server) => server,
            Err(finished) => panic!("the server ended: {finished:?}"),
        }
    }

    /// [`Server::spawn`] where the command may end instead.
    #[track_caller]
    pub(crate) fn try_spawn(store: &Arc<Store>, mut command: Command) -> Result<Server, Finished> {
        let mut child = command.spawn().expect("the binary starts");
        let stderr = gather(child.stderr.take().expect("piped"), None);
        let (lines, listening) = mpsc::channel();
        let stdout = gather(child.stdout.take().expect("piped"), Some(lines));
        let start = Instant::now();
        let address = loop {
            match listening.recv_timeout(PATIENCE.saturating_sub(start.elapsed())) {
                Ok(line) => {
                    let url = line.trim_end().strip_prefix("listening on ");
                    if let Some((_, address)) = url.and_then(|url| url.split_once("://")) {
                        break address.parse().unwrap_or_else(|_| panic!("no address: {line}"));
                    }
                }
                Err(RecvTimeoutError::Disconnected) => {
                    let code = child.wait().expect("waited for").code();
                    thread::sleep(Duration::from_millis(50));
                    let text = |gathered: &Mutex<String>| gathered.lock().expect("whole").clone();
                    return Err(Finished { code, stdout: text(&stdout), stderr: text(&stderr) });
                }
                Err(RecvTimeoutError::Timeout) => {
                    let _ = child.kill();
                    panic!("the server is not ready after {PATIENCE:?}: {}", stderr.lock().expect("whole"));
                }
            }
        };
        Ok(Server { store: Arc::clone(store), child, address, stdout, stderr })
    }

    /// The store that is served.
    pub(crate) fn store(&self) -> &Arc<Store> {
        &self.store
    }

    /// Where the server listens.
    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// The server's process id.
    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    /// A client without a credential.
    pub(crate) fn anonymous(&self) -> Client {
        Client::new(self.address)
    }

    /// A client with the `test` key of `init`.
    pub(crate) fn test(&self) -> Client {
        self.anonymous().key(&self.store.test_key)
    }

    /// A client with the `production` key of `init`.
    pub(crate) fn production(&self) -> Client {
        self.anonymous().key(&self.store.production_key)
    }

    /// A client with a key that has just these permissions, in `test`.
    #[track_caller]
    pub(crate) fn permitted(&self, permissions: &str) -> Client {
        let key = self.store.create_key(&[
            "--environment",
            "test",
            "--org",
            &self.store.org,
            "--permissions",
            permissions,
        ]);
        self.anonymous().key(&key)
    }

    /// Sends bytes as they are and reads one answer.
    #[track_caller]
    pub(crate) fn raw(&self, bytes: &[u8]) -> Response {
        let mut connection = Connection::open(self.address).expect("a connection");
        let _ = connection.write(bytes);
        connection.read("GET").expect("an answer")
    }

    /// What the server has written to standard output so far.
    pub(crate) fn stdout(&self) -> String {
        self.stdout.lock().expect("whole").clone()
    }

    /// What the server has written to standard error so far.
    pub(crate) fn stderr(&self) -> String {
        self.stderr.lock().expect("whole").clone()
    }

    /// Asks the server to stop, without waiting for it.
    pub(crate) fn signal(&self, signal: &str) {
        let status = Command::new("kill").arg(format!("-{signal}")).arg(self.pid().to_string()).status();
        assert!(status.expect("kill runs").success());
    }

    /// Waits for the server to end by itself.
    #[track_caller]
    pub(crate) fn ended(mut self) -> Finished {
        let status = wait(&mut self.child).expect("the server ends");
        thread::sleep(Duration::from_millis(20));
        Finished { code: status.code(), stdout: self.stdout(), stderr: self.stderr() }
    }

    /// Stops the server the way an operator does, and returns the store.
    #[track_caller]
    pub(crate) fn stop(self) -> Arc<Store> {
        let store = Arc::clone(&self.store);
        self.signal("TERM");
        let finished = self.ended();
        assert_eq!(finished.code, Some(0), "{}", finished.stderr);
        store
    }

    /// Ends the server with no chance to clean up, and returns the store.
    pub(crate) fn kill(mut self) -> Arc<Store> {
        let _ = self.child.kill();
        let _ = self.child.wait();
        Arc::clone(&self.store)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        if thread::panicking() {
            let log = self.stderr();
            let tail: Vec<&str> = log.lines().rev().take(20).collect();
            eprintln!("the server's last lines:");
            for line in tail.iter().rev() {
                eprintln!("  {line}");
            }
        }
    }
}

fn gather(source: impl Read + Send + 'static, lines: Option<mpsc::Sender<String>>) -> Arc<Mutex<String>> {
    let gathered = Arc::new(Mutex::new(String::new()));
    let into = Arc::clone(&gathered);
    thread::spawn(move || {
        let mut reader = BufReader::new(source);
        let mut line = Vec::new();
        while matches!(reader.read_until(b'\n', &mut line), Ok(1..)) {
            let text = String::from_utf8_lossy(&line).into_owned();
            into.lock().expect("whole").push_str(&text);
            if let Some(lines) = &lines {
                let _ = lines.send(text);
            }
            line.clear();
        }
    });
    gathered
}
