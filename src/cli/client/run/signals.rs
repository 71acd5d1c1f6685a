//! Signals that are to reach the program.
//!
//! The program is in this process's own process group, so what the terminal sends (Ctrl-C, Ctrl-Z, a new size of the
//! window) reaches both, and job control works on both as on one. It is passed on only what was sent to this process
//! alone; the kernel says of each signal who sent it.

use std::io;

use nix::sys::signal::{SigSet, Signal};
use nix::sys::signalfd::{SfdFlags, SignalFd};
use nix::unistd::{Pid, getpid, getsid};

/// What is passed on. Those that stop and continue are not among them: a shell sends them to the whole group.
const PASSED_ON: [Signal; 8] = [
    Signal::SIGHUP,
    Signal::SIGINT,
    Signal::SIGQUIT,
    Signal::SIGALRM,
    Signal::SIGTERM,
    Signal::SIGUSR1,
    Signal::SIGUSR2,
    Signal::SIGWINCH,
];

/// Signals on their way to this process, which waits for them instead of being interrupted.
pub(super) struct Signals {
    queue: SignalFd,
    /// What was blocked before, as it should be in the program.
    before: SigSet,
}

/// A signal that came.
#[derive(Debug, Clone, Copy)]
pub(super) struct Caught {
    pub(super) signal: Signal,
    sender: Sender,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Sender {
    Kernel,
    Process(Pid),
}

impl Signals {
    /// Holds them back from now on, in this thread and those that it starts. To be called while it is the only one.
    pub(super) fn hold() -> nix::Result<Signals> {
        let ignored = ignored();
        let mut held = SigSet::empty();
        for signal in PASSED_ON {
            // What is ignored, as by `nohup`, stays so, here and in the program.
            if ignored & (1 << (signal as u32 - 1)) == 0 {
                held.add(signal);
            }
        }
        held.add(Signal::SIGCHLD);
        let before = SigSet::thread_get_mask()?;
        held.thread_block()?;
        Ok(Signals { queue: SignalFd::with_flags(&held, SfdFlags::SFD_CLOEXEC)?, before })
    }

    /// The signals that were blocked before.
    pub(super) fn before(&self) -> SigSet {
        self.before
    }

    /// Waits for the next one.
    pub(super) fn wait(&self) -> nix::Result<Caught> {
        loop {
            let Some(told) = self.queue.read_signal()? else { continue };
            let number = i32::try_from(told.ssi_signo).unwrap_or(0);
            let Ok(signal) = Signal::try_from(number) else { continue };
            // Positive codes are the kernel's own; all others come by a system call of some process.
            let sender = match i32::try_from(told.ssi_pid) {
                Ok(pid) if told.ssi_code <= 0 => Sender::Process(Pid::from_raw(pid)),
                _ => Sender::Kernel,
            };
            return Ok(Caught { signal, sender });
        }
    }
}

impl Caught {
    /// Whether the program has it already: the terminal sends to the whole group; and what the program sends to this
    /// process, it sends to its own group.
    pub(super) fn has_reached(self, program: Pid) -> bool {
        match self.sender {
            Sender::Process(pid) => pid == program,
            // But when a terminal goes away, that is told to the session's leader alone.
            Sender::Kernel => self.signal != Signal::SIGHUP || getsid(None) != Ok(getpid()),
        }
    }

    /// Whether it asks to end.
    pub(super) fn asks_to_end(self) -> bool {
        matches!(self.signal, Signal::SIGINT | Signal::SIGQUIT | Signal::SIGTERM)
            || self.signal == Signal::SIGHUP && self.sender == Sender::Kernel
    }

    /// Whether a process ends by it that has said nothing else.
    pub(super) fn ends_by_default(self) -> bool {
        !matches!(self.signal, Signal::SIGWINCH | Signal::SIGCHLD)
    }
}

/// The signals that this process ignores, a bit each; none where that is not known.
fn ignored() -> u64 {
    let of = |text: io::Result<String>| {
        let text = text.ok()?;
        let mask = text.lines().find_map(|line| line.strip_prefix("SigIgn:"))?;
        u64::from_str_radix(mask.trim(), 16).ok()
    };
    of(std::fs::read_to_string("/proc/self/status")).unwrap_or(0)
}
