//! Asking the process that holds the store.

use std::io::{self, BufRead, BufReader, Write};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::Duration;

use tokio::sync::oneshot;
use zeroize::Zeroizing;

use crate::control::command::{Command, Outcome, Refusal, failed};
use crate::control::parts::{KEPT, Part, Reply};
use crate::control::socket::SocketPath;
use crate::store::embedded::Embedded;

/// How long an answer may take: a commit waits for the disk.
const TIME_LIMIT: Duration = Duration::from_secs(30);

/// Room for a command.
const LONGEST: usize = 512 * 1024;

/// Why a command had no answer.
#[derive(Debug, thiserror::Error)]
pub enum Unreachable {
    /// No server listens: the command did not run.
    #[error("no server listens at the control socket: {0}")]
    Silent(io::Error),
    /// Somebody holds the store and says nothing: stopped, or stuck.
    #[error("the server did not answer within {} s, the command may have run: is it stopped? ({holder})", limit.as_secs())]
    Stuck {
        /// What the server says of itself in the lock file.
        holder: String,
        /// How long it was waited for.
        limit: Duration,
    },
    /// The server took the command, but its answer did not arrive: it may have run.
    #[error("the server's answer did not arrive, the command may have run: {0}")]
    CutOff(#[from] io::Error),
}

/// Has the holder of the store in `dir` carry out `command`, and gives `take` each part of the answer. Where that
/// fails, the command is given up.
///
/// # Errors
/// [`Unreachable`]; what the server answers is in the inner result, and so is what `take` says.
pub fn ask(
    dir: &Path,
    command: &Command,
    take: &mut dyn FnMut(Part) -> Result<(), String>,
) -> Result<Result<Outcome, Refusal>, Unreachable> {
    ask_within(TIME_LIMIT, dir, command, take)
}

fn ask_within(
    limit: Duration,
    dir: &Path,
    command: &Command,
    take: &mut dyn FnMut(Part) -> Result<(), String>,
) -> Result<Result<Outcome, Refusal>, Unreachable> {
    let connect = || UnixStream::connect(SocketPath::in_dir(dir)?.as_path());
    let mut stream = connect().map_err(Unreachable::Silent)?;
    stream.set_read_timeout(Some(limit))?;
    stream.set_write_timeout(Some(limit))?;
    // It may have a passphrase in it: a buffer that does not grow leaves no copies.
    let mut line = Zeroizing::new(Vec::with_capacity(LONGEST));
    serde_json::to_writer(&mut *line, command).map_err(io::Error::from)?;
    line.push(b'\n');
    let asked =
        stream.write_all(&line).and_then(|()| listen(&mut BufReader::new(&stream), &mut &stream, take));
    asked.map_err(|error| match error.kind() {
        // Which of the two a time limit gives is the system's choice.
        io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut => {
            Unreachable::Stuck { holder: Embedded::holder(dir).unwrap_or_default(), limit }
        }
        _ => Unreachable::CutOff(error),
    })
}

/// Takes what the server says, to its end.
fn listen(
    from: &mut impl BufRead,
    to: &mut impl Write,
    take: &mut dyn FnMut(Part) -> Result<(), String>,
) -> io::Result<Result<Outcome, Refusal>> {
    loop {
        let mut line = Zeroizing::new(String::new());
        from.read_line(&mut line)?;
        let part = match serde_json::from_str(&line)? {
            Reply::Alive => continue,
            Reply::Progress(progress) => Part::Progress(progress),
            Reply::Data(len) => {
                let mut bytes = vec![0; len];
                from.read_exact(&mut bytes)?;
                Part::Data(bytes)
            }
            Reply::Keep => {
                let (keep, mut kept) = oneshot::channel();
                if let Err(error) = take(Part::Keep(keep)) {
                    return Ok(Err(failed(error)));
                }
                if kept.try_recv().is_ok() {
                    to.write_all(&[KEPT])?;
                }
                continue;
            }
            Reply::Done(result) => return Ok(result),
        };
        if let Err(error) = take(part) {
            return Ok(Err(failed(error)));
        }
    }
}

#[cfg(test)]
mod tests {
    use std::fs::File;
    use std::os::unix::net::UnixListener;

    use super::*;

    #[test]
    fn a_server_that_does_not_answer_is_named() {
        let dir = tempfile::tempdir().unwrap();
        let _stopped = UnixListener::bind(dir.path().join("control.sock")).unwrap();
        std::fs::write(dir.path().join("lock"), "pid 4711\n").unwrap();
        let lock = File::open(dir.path().join("lock")).unwrap();
        lock.lock().unwrap();
        let asked = ask_within(Duration::from_millis(50), dir.path(), &Command::OrgsList, &mut |_| Ok(()));
        let error = asked.map(|_| ()).unwrap_err();
        assert!(matches!(error, Unreachable::Stuck { .. }), "{error}");
        assert!(error.to_string().ends_with("(pid 4711)"), "{error}");
    }
}
