//! Answering those who may write the store's files.

use std::fs::{self, Permissions};
use std::io;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::time::Duration;

use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::{UnixListener, UnixStream};

use crate::control::command::{Command, Refusal, execute};
use crate::control::socket::SocketPath;
use crate::vault::Vault;

/// How long a client may take to say what it wants.
const TIME_LIMIT: Duration = Duration::from_secs(10);
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

    /// Answers until it is dropped.
    pub async fn serve(self, vault: Vault) {
        loop {
            match self.listener.accept().await {
                Ok((stream, _)) => {
                    let vault = vault.clone();
                    tokio::spawn(async move {
                        if let Err(error) = answer(stream, &vault).await {
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
    }
}

impl Drop for Listener {
    fn drop(&mut self) {
        // Left behind, it would do no harm.
        let _ = fs::remove_file(self.path.as_path());
    }
}

async fn answer(stream: UnixStream, vault: &Vault) -> io::Result<()> {
    let (read, mut write) = stream.into_split();
    let mut line = String::new();
    let mut read = BufReader::new(read.take(MAX_COMMAND_BYTES));
    tokio::time::timeout(TIME_LIMIT, read.read_line(&mut line)).await??;
    let result = match serde_json::from_str::<Command>(&line) {
        Ok(command) => execute(vault, command).await,
        Err(_) => Err(Refusal {
            usage: false,
            message: "the running server does not know this command: is it of another release?".into(),
        }),
    };
    let mut line = serde_json::to_vec(&result).map_err(io::Error::from)?;
    line.push(b'\n');
    write.write_all(&line).await?;
    write.shutdown().await
}
