//! The real binary: a store of its own, commands on it, and a server over it.

use std::ffi::OsStr;
use std::io::{BufRead, BufReader, Read};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc::{self, RecvTimeoutError};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use serde_json::Value;
use tempfile::TempDir;

use super::{Client, Config, Connection, Response};

/// How long anything may take that is not measured.
const PATIENCE: Duration = Duration::from_secs(30);

/// The binary, with nothing of this process's `COFFER_…` environment.
pub(crate) fn command() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_coffer"));
    for (name, _) in std::env::vars_os() {
        if name.to_string_lossy().starts_with("COFFER_") {
            command.env_remove(name);
        }
    }
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

/// Runs a command to its end.
#[track_caller]
pub(crate) fn finish(command: &mut Command) -> Finished {
    let mut child = command.spawn().expect("the binary starts");
    let stdout = child.stdout.take().map(drain);
    let stderr = drain(child.stderr.take().expect("piped"));
    let status = wait(&mut child).unwrap_or_else(|| panic!("still running: {command:?}"));
    Finished {
        code: status.code(),
        stdout: stdout.map_or_else(String::new, |read| read.join().expect("read to its end")),
        stderr: stderr.join().expect("read to its end"),
    }
}

/// What a command that has ended left behind.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Finished {
    pub(crate) code: Option<i32>,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl Finished {
    /// The output of a command that succeeded.
    #[track_caller]
    pub(crate) fn ok(&self) -> String {
        assert_eq!(self.code, Some(0), "{self:?}");
        self.stdout.clone()
    }

    /// The JSON of a command that succeeded.
    #[track_caller]
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.ok()).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }

    /// The one line on standard error of a command that failed.
    #[track_caller]
    pub(crate) fn failed(&self) -> String {
        assert_eq!(self.code, Some(1), "{self:?}");
        assert_eq!(self.stdout, "", "a failure prints nothing to stdout");
        let lines: Vec<&str> = self.stderr.lines().collect();
        assert_eq!(lines.len(), 1, "one clear line: {self:?}");
        lines[0].to_owned()
    }

    /// What a usage error says.
    #[track_caller]
    pub(crate) fn misused(&self) -> String {
        assert_eq!(self.code, Some(2), "{self:?}");
        assert_eq!(self.stdout, "", "a usage error prints nothing to stdout");
        assert!(!self.stderr.is_empty());
        self.stderr.clone()
    }
}

/// A directory with a configuration file and, once initialized, a store.
pub(crate) struct Store {
    dir: TempDir,
    /// The organization's id.
    pub(crate) org: String,
    /// The key for `test` that `init` made.
    pub(crate) test_key: String,
    /// The key for `production` that `init` made.
    pub(crate) production_key: String,
}

impl Store {
    /// A configuration file and nothing else.
    pub(crate) fn uninitialized(config: &Config) -> Store {
        let dir = tempfile::Builder::new().prefix("coffer-").tempdir().expect("a temporary directory");
        let store = Store { dir, org: String::new(), test_key: String::new(), production_key: String::new() };
        store.configure(config);
        store
    }

    /// An initialized store under `config`.
    #[track_caller]
    pub(crate) fn with(config: &Config) -> Arc<Store> {
        let mut store = Store::uninitialized(config);
        let made = store.coffer(["init", "--json"]).json();
        let text = |value: &Value| value.as_str().unwrap_or_else(|| panic!("{made}")).to_owned();
        store.org = text(&made["org_id"]);
        store.test_key = text(&made["api_keys"]["test"]);
        store.production_key = text(&made["api_keys"]["production"]);
        Arc::new(store)
    }

    /// An initialized store.
    #[track_caller]
    pub(crate) fn new() -> Arc<Store> {
        Store::with(&Config::new())
    }

    /// Replaces the configuration file.
    pub(crate) fn configure(&self, config: &Config) {
        self.write_config(&config.render());
    }

    /// Replaces the configuration file by this text.
    pub(crate) fn write_config(&self, text: &str) {
        std::fs::write(self.config_path(), text).expect("the configuration is written");
    }

    /// The directory that holds the configuration file and the store.
    pub(crate) fn root(&self) -> &Path {
        self.dir.path()
    }

    /// The configuration file.
    pub(crate) fn config_path(&self) -> PathBuf {
        self.root().join("config.toml")
    }

    /// The store's own directory.
    pub(crate) fn data(&self) -> PathBuf {
        self.root().join("data")
    }

    /// The binary, on this configuration.
    pub(crate) fn command<I: IntoIterator<Item: AsRef<OsStr>>>(&self, args: I) -> Command {
        let mut command = command();
        command.arg("--config").arg(self.config_path()).args(args).current_dir(self.root());
        command
    }

    /// Runs a command on this configuration.
    #[track_caller]
    pub(crate) fn coffer<I: IntoIterator<Item: AsRef<OsStr>>>(&self, args: I) -> Finished {
        finish(&mut self.command(args))
    }

    /// Creates a key and returns it.
    #[track_caller]
    pub(crate) fn create_key(&self, args: &[&str]) -> String {
        let made = self.coffer([&["keys", "create", "--json"], args].concat()).json();
        made["key"].as_str().unwrap_or_else(|| panic!("{made}")).to_owned()
    }

    /// Creates an organization and returns its id.
    #[track_caller]
    pub(crate) fn create_org(&self, name: &str) -> String {
        super::check_id(&self.coffer(["orgs", "create", name, "--json"]).json()["_id"])
    }

    /// Serves this store.
    #[track_caller]
    pub(crate) fn serve(self: &Arc<Store>) -> Server {
        Server::spawn(self, self.command(["serve"]))
    }

    /// Serves this store, or says how that ended.
    #[track_caller]
    pub(crate) fn try_serve(self: &Arc<Store>) -> Result<Server, Finished> {
        Server::try_spawn(self, self.command(["serve"]))
    }

    /// The line that explains why this store is not served.
    #[track_caller]
    pub(crate) fn refuses_to_serve(&self) -> String {
        self.coffer(["serve"]).failed()
    }

    /// Every file under the store's directory with its contents, sorted.
    pub(crate) fn files(&self) -> Vec<(PathBuf, Vec<u8>)> {
        let mut found = Vec::new();
        collect(&self.data(), &mut found);
        found.sort();
        found
    }

    /// Checks that no file came, went or changed since `before`. The lock names whoever held it last: it is
    /// about processes, not part of what is stored.
    #[track_caller]
    pub(crate) fn check_unchanged(&self, before: &[(PathBuf, Vec<u8>)], what: &str) {
        let after = self.files();
        let differing: Vec<&PathBuf> = after
            .iter()
            .filter(|file| !before.contains(file))
            .chain(before.iter().filter(|file| !after.iter().any(|(path, _)| *path == file.0)))
            .map(|(path, _)| path)
            .filter(|path| !path.ends_with("lock"))
            .collect();
        assert!(differing.is_empty(), "{what}: changed {differing:?}");
    }

    /// The files under one directory of the store, sorted by name.
    pub(crate) fn files_in(&self, directory: &str) -> Vec<PathBuf> {
        let mut found = Vec::new();
        collect(&self.data().join(directory), &mut found);
        let mut paths: Vec<PathBuf> = found.into_iter().map(|(path, _)| path).collect();
        paths.sort();
        paths
    }
}

fn collect(directory: &Path, found: &mut Vec<(PathBuf, Vec<u8>)>) {
    let Ok(entries) = std::fs::read_dir(directory) else { return };
    for entry in entries.flatten() {
        let kind = entry.file_type().expect("a file type");
        if kind.is_dir() {
            collect(&entry.path(), found);
        } else if kind.is_file() {
            found.push((entry.path(), std::fs::read(entry.path()).expect("readable")));
        }
    }
}

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
                    if let Some(address) = line.trim_end().strip_prefix("listening on http://") {
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

fn wait(child: &mut Child) -> Option<ExitStatus> {
    let start = Instant::now();
    while start.elapsed() < PATIENCE {
        if let Some(status) = child.try_wait().expect("waited for") {
            return Some(status);
        }
        thread::sleep(Duration::from_millis(2));
    }
    let _ = child.kill();
    let _ = child.wait();
    None
}

fn drain(mut source: impl Read + Send + 'static) -> thread::JoinHandle<String> {
    thread::spawn(move || {
        let mut bytes = Vec::new();
        let _ = source.read_to_end(&mut bytes);
        String::from_utf8_lossy(&bytes).into_owned()
    })
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
