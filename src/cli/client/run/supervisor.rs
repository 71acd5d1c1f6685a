//! Watching over a program: starts it, passes signals on, starts it anew when its variables have changed, and
//! ends as it ends.

use std::ffi::OsString;
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::mpsc::{self, Receiver, RecvTimeoutError, Sender};
use std::time::{Duration, Instant};

use nix::errno::Errno;
use nix::sys::signal::{SigSet, Signal, kill};
use nix::sys::wait::{WaitPidFlag, WaitStatus, waitpid};
use nix::unistd::Pid;

use super::signals::{Caught, Signals};
use super::{Arguments, follower, program};
use crate::cli::failure::Failure;
use crate::cli::output::complain;
use crate::client::Environment;

/// What the supervisor is told.
pub(super) enum Happening {
    /// A signal came.
    Signal(Caught),
    /// The program is to have this environment from now on.
    Variables(Environment),
    /// The program cannot be started at all.
    Impossible(Failure),
}

/// Runs the program until it ends by itself, or is made to end.
pub(super) fn supervise(arguments: Arguments) -> Result<ExitCode, Failure> {
    let arguments = Arc::new(arguments);
    // Before there are other threads, which would be interrupted instead.
    let signals = Signals::hold().map_err(|errno| Failure::io("hold signals back")(errno.into()))?;
    let mask = signals.before();
    let (tell, told) = mpsc::channel();
    spawn("signals", {
        let tell = tell.clone();
        move || pass_on(&signals, &tell)
    })?;
    spawn("follower", {
        let arguments = Arc::clone(&arguments);
        move || follower::follow(&arguments, &tell)
    })?;
    let supervisor = Supervisor {
        command: &arguments.command,
        patience: arguments.stop_timeout,
        mask,
        running: None,
        next: None,
        not_before: Instant::now(),
        is_ending: false,
    };
    supervisor.run(&told)
}

/// Starts a thread, which ends with the process.
pub(super) fn spawn(name: &str, work: impl FnOnce() + Send + 'static) -> Result<(), Failure> {
    let thread = std::thread::Builder::new().name(name.into()).spawn(work);
    thread.map(drop).map_err(Failure::io("start a thread"))
}

fn pass_on(signals: &Signals, tell: &Sender<Happening>) {
    while let Ok(caught) = signals.wait() {
        if tell.send(Happening::Signal(caught)).is_err() {
            return;
        }
    }
}

struct Supervisor<'a> {
    command: &'a [OsString],
    patience: Duration,
    mask: SigSet,
    running: Option<Running>,
    /// What the program is to be started with next.
    next: Option<Environment>,
    /// Until then it is not stopped: it was asked to end, and is perhaps about to.
    not_before: Instant,
    /// It was asked to end while it was being stopped: then it does not come back.
    is_ending: bool,
}

struct Running {
    pid: Pid,
    stopping: Option<Stopping>,
}

enum Stopping {
    /// It may take until then.
    Asked(Instant),
    Killed,
}

impl Supervisor<'_> {
    fn run(mut self, told: &Receiver<Happening>) -> Result<ExitCode, Failure> {
        loop {
            let happening = match self.deadline() {
                Some(deadline) => told.recv_timeout(deadline.saturating_duration_since(Instant::now())),
                None => told.recv().map_err(|_| RecvTimeoutError::Disconnected),
            };
            match happening {
                Ok(Happening::Signal(caught)) if caught.signal == Signal::SIGCHLD => {
                    if let Some(code) = self.reap()? {
                        return Ok(ExitCode::from(code));
                    }
                }
                Ok(Happening::Signal(caught)) => self.forward(caught)?,
                Ok(Happening::Variables(environment)) => self.renew(environment)?,
                Ok(Happening::Impossible(failure)) => return Err(failure),
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => {
                    return Err(Failure::Failed("nobody watches any more".into()));
                }
            }
            self.stop_what_is_due();
        }
    }

    /// When something is to be done though nothing happens.
    fn deadline(&self) -> Option<Instant> {
        match self.running.as_ref()?.stopping {
            Some(Stopping::Asked(until)) => Some(until),
            Some(Stopping::Killed) => None,
            None => self.next.as_ref().map(|_| self.not_before),
        }
    }

    fn renew(&mut self, environment: Environment) -> Result<(), Failure> {
        if self.running.is_none() {
            return self.start(&environment);
        }
        if !self.is_ending {
            self.next = Some(environment);
        }
        Ok(())
    }

    fn start(&mut self, environment: &Environment) -> Result<(), Failure> {
        let pid = program::start(self.command, environment, &self.mask)?;
        self.running = Some(Running { pid, stopping: None });
        Ok(())
    }

    /// Stops the program where another environment waits for it, and kills it where it takes too long.
    fn stop_what_is_due(&mut self) {
        let Some(running) = &mut self.running else { return };
        let now = Instant::now();
        match running.stopping {
            None if self.next.is_some() && now >= self.not_before => {
                complain("coffer: variables have changed: the program is started anew");
                // It was not waited for yet, so its number is nobody else's. Where it is stopped, it has to
                // go on to end.
                let _ = kill(running.pid, Signal::SIGTERM);
                let _ = kill(running.pid, Signal::SIGCONT);
                running.stopping = Some(Stopping::Asked(now + self.patience));
            }
            Some(Stopping::Asked(until)) if now >= until => {
                complain(&format!(
                    "coffer: the program has not ended within {} s: it is killed",
                    self.patience.as_secs()
                ));
                let _ = kill(running.pid, Signal::SIGKILL);
                running.stopping = Some(Stopping::Killed);
            }
            _ => {}
        }
    }

    fn forward(&mut self, caught: Caught) -> Result<(), Failure> {
        let Some(running) = &self.running else {
            return if caught.ends_by_default() { Err(interrupted(caught.signal)) } else { Ok(()) };
        };
        if !caught.has_reached(running.pid) {
            let _ = kill(running.pid, caught.signal);
        }
        if caught.asks_to_end() {
            if running.stopping.is_some() {
                self.is_ending = true;
                self.next = None;
            } else {
                self.not_before = Instant::now() + self.patience;
            }
        }
        Ok(())
    }

    /// Waits for children that have ended: the program, and where this is the first process of a container,
    /// whatever others left behind. The exit code, where the program is not started again.
    fn reap(&mut self) -> Result<Option<u8>, Failure> {
        loop {
            let Some(running) = &self.running else { return Ok(None) };
            let code = match waitpid(None, Some(WaitPidFlag::WNOHANG)) {
                Ok(WaitStatus::Exited(pid, code)) if pid == running.pid => {
                    u8::try_from(code).unwrap_or(u8::MAX)
                }
                Ok(WaitStatus::Signaled(pid, signal, _)) if pid == running.pid => 128 + signal as u8,
                Ok(WaitStatus::StillAlive) => return Ok(None),
                // By a real-time signal, of which the library does not tell the number.
                Err(Errno::EINVAL | Errno::ECHILD) if kill(running.pid, None) == Err(Errno::ESRCH) => u8::MAX,
                Ok(_) | Err(Errno::EINTR | Errno::EINVAL) => continue,
                Err(errno) => return Err(Failure::io("wait for the program")(errno.into())),
            };
            let was_stopped = running.stopping.is_some();
            self.running = None;
            match self.next.take() {
                Some(next) if was_stopped => self.start(&next)?,
                _ => return Ok(Some(code)),
            }
        }
    }
}

/// The end of a command that a signal ended before it had started the program.
fn interrupted(signal: Signal) -> Failure {
    Failure::Exit(128 + signal as u8, format!("ended by {signal} before the program was started"))
}
