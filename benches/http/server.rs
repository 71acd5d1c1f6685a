//! The real binary over a store of its own.

use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use tempfile::TempDir;

use crate::Result;
use crate::workload::get;

/// Where stores are made: beside the build, so on the disk that the project is on.
pub(crate) fn place() -> PathBuf {
    env!("CARGO_TARGET_TMPDIR").into()
}

/// The binary itself.
pub(crate) fn binary() -> &'static Path {
    Path::new(env!("CARGO_BIN_EXE_coffer"))
}

/// A directory with a configuration and a store. Removed when dropped.
pub(crate) struct Store {
    dir: TempDir,
    data: PathBuf,
    key: String,
}

impl Store {
    /// A new store, made with the default key derivation.
    pub(crate) fn new() -> Result<Store> {
        fs::create_dir_all(place())?;
        let dir = tempfile::Builder::new().prefix("bench-").tempdir_in(place())?;
        let config = "[server]\nlisten = \"127.0.0.1:0\"\n[encryption]\npassphrase = \"a passphrase of the benchmark\"\n";
        fs::write(dir.path().join("config.toml"), config)?;
        let mut store = Store { data: dir.path().join("data"), dir, key: String::new() };
        let made = store.command(&["init", "--json"]).output()?;
        let made: serde_json::Value = serde_json::from_slice(&made.stdout)
            .map_err(|_| format!("init failed: {}", String::from_utf8_lossy(&made.stderr)))?;
        made["api_keys"]["test"].as_str().ok_or("init gave no key")?.clone_into(&mut store.key);
        Ok(store)
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(binary());
        for (name, _) in std::env::vars_os() {
            if name.to_string_lossy().starts_with("COFFER_") {
                command.env_remove(name);
            }
        }
        command.arg("--config").arg(self.dir.path().join("config.toml")).args(arguments);
        command.current_dir(self.dir.path()).stdin(Stdio::null());
        command
    }

    /// Serves this store; returns once `/readyz` says that it is ready.
    pub(crate) fn serve(self) -> Result<Server> {
        let mut command = self.command(&["serve"]);
        // Every request's line is written, at the default level; what reads it is nobody's business here.
        command.stdout(Stdio::piped()).stderr(Stdio::null());
        let begun = Instant::now();
        let mut child = command.spawn()?;
        let stdout = BufReader::new(child.stdout.take().ok_or("no standard output")?);
        let address = stdout
            .lines()
            .map_while(std::result::Result::ok)
            .find_map(|line| line.strip_prefix("listening on http://")?.parse::<SocketAddr>().ok());
        let Some(address) = address else {
            let _ = child.kill();
            return Err(format!("the server ended with {}", child.wait()?).into());
        };
        let mut server = Server { store: Some(self), child, address, ready: Duration::ZERO };
        while !server.ask(&get("/readyz", ""))?.starts_with("HTTP/1.1 200") {}
        server.ready = begun.elapsed();
        Ok(server)
    }
}

/// A running server; killed when dropped.
pub(crate) struct Server {
    /// `None` once it was taken back.
    store: Option<Store>,
    child: Child,
    pub(crate) address: SocketAddr,
    /// From the start of the process until `/readyz` said 200.
    pub(crate) ready: Duration,
}

impl Server {
    /// The store's directory.
    pub(crate) fn data(&self) -> Result<&Path> {
        Ok(&self.store.as_ref().ok_or("taken before")?.data)
    }

    /// The process.
    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    /// The key of `test`.
    pub(crate) fn key(&self) -> &str {
        self.store.as_ref().map_or("", |store| &store.key)
    }

    /// The header that shows the key.
    pub(crate) fn key_header(&self) -> String {
        format!("x-api-key: {}\r\n", self.key())
    }

    /// One request on a connection of its own.
    pub(crate) fn ask(&self, request: &str) -> Result<String> {
        ask(self.address, request)
    }

    /// What the process holds of memory, and the most it ever held, in MB.
    pub(crate) fn memory(&self) -> Result<(f64, f64)> {
        memory_of(self.child.id())
    }

    /// Stops it as an operator does. Returns the store and how long it took.
    pub(crate) fn stop(mut self) -> Result<(Store, Duration)> {
        let begun = Instant::now();
        Command::new("kill").arg(self.child.id().to_string()).status()?;
        let status = self.child.wait()?;
        if !status.success() {
            return Err(format!("the server ended with {status}").into());
        }
        Ok((self.store.take().ok_or("taken before")?, begun.elapsed()))
    }

    /// Kills it with no chance to clean up. Returns the store.
    pub(crate) fn kill(mut self) -> Result<Store> {
        self.child.kill()?;
        self.child.wait()?;
        self.store.take().ok_or_else(|| "taken before".into())
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// One request on a connection of its own.
pub(crate) fn ask(address: SocketAddr, request: &str) -> Result<String> {
    let mut stream = TcpStream::connect(address)?;
    let closing = request.replacen("\r\nhost", "\r\nconnection: close\r\nhost", 1);
    stream.write_all(closing.as_bytes())?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer)?;
    Ok(answer)
}

/// What a process holds of memory, and the most it ever held, in MB (of 1,000,000 bytes).
pub(crate) fn memory_of(pid: u32) -> Result<(f64, f64)> {
    let status = fs::read_to_string(format!("/proc/{pid}/status"))?;
    let field = |name: &str| -> Option<f64> {
        let line = status.lines().find(|line| line.starts_with(name))?;
        Some(line.split_whitespace().nth(1)?.parse::<f64>().ok()? * 1024.0 / 1e6)
    };
    Ok((field("VmRSS").ok_or("no VmRSS")?, field("VmHWM").ok_or("no VmHWM")?))
}
