//! Answering those who may write the store's files.

use std::fs::{self, Permissions};
use std::io;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::time::Duration;

use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::watch;
use tokio::task::{JoinHandle, JoinSet};
use zeroize::Zeroizing;

use crate::control::command::{Command, Refusal, execute};
use crate::control::socket::SocketPath;
use crate::model::Operator;
use crate::vault::Vault;

/// How long a client may take to say what it wants.
const TIME_LIMIT: Duration = Duration::from_secs(10);
/// How long commands may take to finish once the server stops.
const STOP_TIME_LIMIT: Duration = Duration::from_secs(30);
/// The longest command, in bytes.
const MAX_COMMAND_BYTES: u64 = 64 * 1024;

/// The socket of a held store. It is removed when this is dropped.
pub struct Listener {
    listener: UnixListener,
    path: SocketPath,
}

impl Listener {
    /// Listens in the store's directory, whose lock the caller holds: a socket that is there already was
    /// left by a process that was killed.
    ///
    /// # Errors
    /// Where the socket cannot be made.
    pub fn bind(dir: &Path) -> io::Result<Listener> {
        let path = SocketPath::in_dir(dir)?;
        match fs::remove_file(path.as_path()) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        let listener = UnixListener::bind(path.as_path())?;
        fs::set_permissions(path.as_path(), Permissions::from_mode(0o600))?;
        Ok(Listener { listener, path })
    }

    /// Begins to answer.
    pub fn serve(self, vault: Vault) -> Server {
        let (stop, stopping) = watch::channel(());
        Server { stop, running: tokio::spawn(self.run(vault, stopping)) }
    }

    async fn run(self, vault: Vault, mut stopping: watch::Receiver<()>) {
        let mut answers = JoinSet::new();
        loop {
            let accepted = tokio::select! {
                accepted = self.listener.accept() => accepted,
                Some(_) = answers.join_next() => continue,
                _ = stopping.changed() => break,
            };
            match accepted {
                Ok((stream, _)) => {
                    let (vault, stopping) = (vault.clone(), stopping.clone());
                    answers.spawn(async move {
                        if let Err(error) = answer(stream, &vault, stopping).await {
                            tracing::warn!(%error, "a control connection failed");
                        }
                    });
                }
                Err(error) => {
                    tracing::warn!(%error, "the control socket does not accept");
                    tokio::time::sleep(Duration::from_millis(100)).await;
                }
            }
        }
        drop(self);
        // A key that is made and never shown is one that nobody knows of.
        let all = async { while answers.join_next().await.is_some() {} };
        if tokio::time::timeout(STOP_TIME_LIMIT, all).await.is_err() {
            tracing::warn!("a command was cut off: it may have run");
        }
    }
}

/// The control socket at work.
pub struct Server {
    /// Dropped to stop.
    stop: watch::Sender<()>,
    running: JoinHandle<()>,
}

impl Server {
    /// Takes no more commands, and waits for those that were taken.
    pub async fn stop(self) {
        drop(self.stop);
        let _ = self.running.await;
    }
}

impl Drop for Listener {
    fn drop(&mut self) {
        // Left behind, it would do no harm.
        let _ = fs::remove_file(self.path.as_path());
    }
}

async fn answer(stream: UnixStream, vault: &Vault, mut stopping: watch::Receiver<()>) -> io::Result<()> {
    // Whoever could connect may write the store's files; the trail says who it was.
    let operator = Operator { uid: stream.peer_cred()?.uid() };
    let (read, mut write) = stream.into_split();
    let mut line = String::new();
    let mut read = BufReader::new(read.take(MAX_COMMAND_BYTES));
    tokio::select! {
        // A command that has arrived is carried out, also when the server stops at this moment.
        biased;
        read = tokio::time::timeout(TIME_LIMIT, read.read_line(&mut line)) => read??,
        _ = stopping.changed() => return Ok(()),
    };
    let result = match serde_json::from_str::<Command>(&line) {
        Ok(command) => execute(vault, operator, command).await,
        Err(_) => Err(Refusal {
            usage: false,
            message: "the running server does not know this command: is it of another release?".into(),
        }),
    };
    let mut line = Zeroizing::new(serde_json::to_vec(&result).map_err(io::Error::from)?);
    line.push(b'\n');
    write.write_all(&line).await?;
    write.shutdown().await
}
