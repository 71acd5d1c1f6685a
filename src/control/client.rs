//! Asking the process that holds the store.

use std::io::{self, BufRead, BufReader, Write};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::Duration;

use crate::control::command::{Command, Outcome, Refusal};
use crate::control::socket::SocketPath;

/// How long an answer may take: a commit waits for the disk.
const TIME_LIMIT: Duration = Duration::from_secs(60);

/// Why a command had no answer.
#[derive(Debug, thiserror::Error)]
pub enum Unreachable {
    /// No server listens: the command did not run.
    #[error("no server listens at the control socket: {0}")]
    Silent(io::Error),
    /// The server took the command, but its answer did not arrive: it may have run.
    #[error("the server's answer did not arrive, the command may have run: {0}")]
    CutOff(#[from] io::Error),
}

/// Has the holder of the store in `dir` carry out `command`.
///
/// # Errors
/// [`Unreachable`]; what the server answers is in the inner result.
pub fn ask(dir: &Path, command: &Command) -> Result<Result<Outcome, Refusal>, Unreachable> {
    let connect = || UnixStream::connect(SocketPath::in_dir(dir)?.as_path());
    let mut stream = connect().map_err(Unreachable::Silent)?;
    stream.set_read_timeout(Some(TIME_LIMIT))?;
    stream.set_write_timeout(Some(TIME_LIMIT))?;
    let mut line = serde_json::to_vec(command).map_err(io::Error::from)?;
    line.push(b'\n');
    stream.write_all(&line)?;
    let mut answer = String::new();
    BufReader::new(stream).read_line(&mut answer)?;
    Ok(serde_json::from_str(&answer).map_err(io::Error::from)?)
}
