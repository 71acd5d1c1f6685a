//! The program: becoming it, or starting it as a child.
//!
//! A child is started by `posix_spawn`, which takes the environment from where it is wiped; the standard library
//! would copy it first. What that spares, `execvp` does for who becomes the program: the search along `PATH`, and
//! the shell for a script that names no interpreter.

use std::ffi::{CString, OsStr, OsString};
use std::io;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use nix::errno::Errno;
use nix::spawn::{PosixSpawnAttr, PosixSpawnFileActions, PosixSpawnFlags, posix_spawn};
use nix::sys::signal::{SigSet, Signal};
use nix::unistd::Pid;

use crate::cli::failure::Failure;
use crate::client::Environment;

/// Where programs are looked for where no `PATH` says it, as `execvp` does.
const DEFAULT_PATH: &str = "/bin:/usr/bin";
/// What runs a script that names no interpreter.
const SHELL: &str = "/bin/sh";

/// Becomes the program; returns only where that fails.
pub(super) fn become_it(command: &[OsString], environment: &Environment) -> Failure {
    let (program, rest) = command.split_first().expect("clap requires one");
    // Where it works, this process is the program from here on: nothing below runs.
    let error = Command::new(program).args(rest).env_clear().envs(environment.pairs()).exec();
    failure(program, &error, environment)
}

/// Starts the program as a child that has the signals in `mask` blocked, and no others.
pub(super) fn start(command: &[OsString], environment: &Environment, mask: &SigSet) -> Result<Pid, Failure> {
    let program = command.first().expect("clap requires one");
    try_start(command, environment, mask)
        .map_err(|errno| failure(program, &io::Error::from(errno), environment))
}

/// Why it does not run, and the exit code that a shell has for it.
fn failure(program: &OsStr, error: &io::Error, environment: &Environment) -> Failure {
    let code = if error.kind() == io::ErrorKind::NotFound { 127 } else { 126 };
    let mut text = format!("cannot run {}: {error}", program.display());
    if error.kind() == io::ErrorKind::ArgumentListTooLong {
        let longest = environment.pairs().max_by_key(|(_, value)| value.len());
        if let Some((name, value)) = longest {
            let (all, name, one) = (environment.block().len(), name.display(), value.len());
            text.push_str(&format!(
                "; its variables have {all} bytes, {name} alone {one}: one may have 128 KiB, all together a \
                 quarter of `ulimit -s`; --only chooses among them"
            ));
        }
    }
    Failure::Exit(code, text)
}

fn try_start(command: &[OsString], environment: &Environment, mask: &SigSet) -> nix::Result<Pid> {
    let mut attributes = PosixSpawnAttr::init()?;
    attributes.set_flags(PosixSpawnFlags::POSIX_SPAWN_SETSIGMASK | PosixSpawnFlags::POSIX_SPAWN_SETSIGDEF)?;
    attributes.set_sigmask(mask)?;
    // Which Rust's runtime ignores, and no program expects to find so.
    attributes.set_sigdefault(&SigSet::from(Signal::SIGPIPE))?;
    let actions = PosixSpawnFileActions::init()?;
    let environment: Vec<_> = environment.strings().collect();
    let spawn = |path: &Path, arguments: &[CString]| {
        posix_spawn(path, &actions, &attributes, arguments, &environment)
    };
    let arguments = c_strings(command)?;
    let mut refused = Errno::ENOENT;
    for path in places(&command[0], &environment) {
        match spawn(&path, &arguments) {
            Err(Errno::ENOEXEC) => {
                let mut script = c_strings(&[SHELL.into(), path.into_os_string()])?;
                script.extend_from_slice(&arguments[1..]);
                return spawn(Path::new(SHELL), &script);
            }
            // As `execvp`: there may be another one further on.
            Err(Errno::EACCES) => refused = Errno::EACCES,
            Err(Errno::ENOENT | Errno::ENOTDIR) => {}
            started_or_not => return started_or_not,
        }
    }
    Err(refused)
}

/// Where a program may be.
fn places(program: &OsStr, environment: &[&std::ffi::CStr]) -> Vec<PathBuf> {
    if program.is_empty() {
        return Vec::new();
    }
    if program.as_bytes().contains(&b'/') {
        return vec![PathBuf::from(program)];
    }
    let path = environment.iter().find_map(|variable| variable.to_bytes().strip_prefix(b"PATH="));
    // An empty one is the current directory.
    let directories = path.unwrap_or(DEFAULT_PATH.as_bytes()).split(|byte| *byte == b':');
    directories.map(|directory| Path::new(OsStr::from_bytes(directory)).join(program)).collect()
}

fn c_strings(texts: &[OsString]) -> nix::Result<Vec<CString>> {
    let of = |text: &OsString| CString::new(text.clone().into_vec()).map_err(|_| Errno::EINVAL);
    texts.iter().map(of).collect()
}
