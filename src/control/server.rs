//! Answering those who may write the store's files.

use std::fs::{self, Permissions};
use std::io;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::unix::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::watch;
use tokio::task::{JoinHandle, JoinSet};
use zeroize::Zeroizing;

use crate::control::command::{Command, Outcome, Refusal, execute, failed};
use crate::control::parts::{self, KEPT, Part, Reply};
use crate::control::socket::SocketPath;
use crate::model::Operator;
use crate::vault::Opened;

/// How long a client may take to say what it wants.
const TIME_LIMIT: Duration = Duration::from_secs(10);
/// How long commands may take to finish once the server stops.
const STOP_TIME_LIMIT: Duration = Duration::from_secs(30);
/// The longest command, in bytes.
const MAX_COMMAND_BYTES: usize = 512 * 1024;
/// How often a long command says that it goes on.
const ALIVE: Duration = Duration::from_secs(5);

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
    pub fn serve(self, opened: Opened) -> Server {
        let (stop, stopping) = watch::channel(());
        Server { stop, running: tokio::spawn(self.run(opened, stopping)) }
    }

    async fn run(self, opened: Opened, mut stopping: watch::Receiver<()>) {
        let mut answers = JoinSet::new();
        loop {
            let accepted = tokio::select! {
                accepted = self.listener.accept() => accepted,
                Some(_) = answers.join_next() => continue,
                _ = stopping.changed() => break,
            };
            match accepted {
                Ok((stream, _)) => {
                    let (opened, stopping) = (opened.clone(), stopping.clone());
                    answers.spawn(async move {
                        if let Err(error) = answer(stream, &opened, stopping).await {
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

async fn answer(stream: UnixStream, opened: &Opened, mut stopping: watch::Receiver<()>) -> io::Result<()> {
    // Whoever could connect may write the store's files; the trail says who it was.
    let operator = Operator { uid: stream.peer_cred()?.uid() };
    let (mut read, mut write) = stream.into_split();
    let line = tokio::select! {
        // A command that has arrived is carried out, also when the server stops at this moment.
        biased;
        line = tokio::time::timeout(TIME_LIMIT, read_line(&mut read)) => line??,
        _ = stopping.changed() => return Ok(()),
    };
    let result = match serde_json::from_slice::<Command>(&line) {
        Ok(command) => carry_out(command, operator, opened, (&mut read, &mut write), stopping).await?,
        Err(_) => Err(Refusal {
            usage: false,
            message: "the running server does not know this command: is it of another release?".into(),
        }),
    };
    drop(line);
    send(&mut write, &Reply::Done(result)).await?;
    write.shutdown().await
}

/// Reads a command, which may have a passphrase in it: into one buffer that does not move, and is wiped.
async fn read_line(from: &mut OwnedReadHalf) -> io::Result<Zeroizing<Vec<u8>>> {
    let mut line = Zeroizing::new(vec![0; MAX_COMMAND_BYTES]);
    let mut len = 0;
    while len < line.len() && !line[..len].ends_with(b"\n") {
        match from.read(&mut line[len..]).await? {
            0 => break,
            read => len += read,
        }
    }
    line.truncate(len);
    Ok(line)
}

/// Carries out a command, and passes on what it says meanwhile.
async fn carry_out(
    command: Command,
    operator: Operator,
    opened: &Opened,
    (read, write): (&mut OwnedReadHalf, &mut OwnedWriteHalf),
    mut stopping: watch::Receiver<()>,
) -> io::Result<Result<Outcome, Refusal>> {
    let is_long = command.is_long();
    let (parts, mut said) = parts::channel();
    let running = execute(opened, operator, command, &parts);
    tokio::pin!(running);
    let mut alive = tokio::time::interval(ALIVE);
    let mut keeping = None;
    loop {
        tokio::select! {
            // What was said comes before the outcome.
            biased;
            Some(part) = said.recv() => match part {
                Part::Keep(kept) => {
                    keeping = Some(kept);
                    send(write, &Reply::Keep).await?;
                }
                other => pass_on(write, other).await?,
            },
            // A client that is gone has kept nothing: `kept` is dropped.
            answer = read.read_u8(), if keeping.is_some() => {
                if let (KEPT, Some(kept)) = (answer?, keeping.take()) {
                    let _ = kept.send(());
                }
            }
            outcome = &mut running => {
                while let Ok(part) = said.try_recv() {
                    pass_on(write, part).await?;
                }
                return Ok(outcome);
            }
            _ = stopping.changed(), if is_long => return Ok(Err(failed("the server is stopping".into()))),
            _ = alive.tick(), if is_long => send(write, &Reply::Alive).await?,
        }
    }
}

async fn pass_on(write: &mut OwnedWriteHalf, part: Part) -> io::Result<()> {
    match part {
        Part::Progress(progress) => send(write, &Reply::Progress(progress)).await,
        Part::Data(bytes) => {
            send(write, &Reply::Data(bytes.len())).await?;
            write.write_all(&bytes).await
        }
        // Nobody could answer any more.
        Part::Keep(_) => Ok(()),
    }
}

async fn send(write: &mut OwnedWriteHalf, reply: &Reply) -> io::Result<()> {
    let mut line = Zeroizing::new(serde_json::to_vec(reply).map_err(io::Error::from)?);
    line.push(b'\n');
    write.write_all(&line).await
}
