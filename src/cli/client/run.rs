//! `coffer run`: a program with the variables of a context in its environment.
//!
//! Without `--watch` this process becomes the program ([`program`]). With it, it stays: the [`supervisor`] starts and
//! stops the program and passes [`signals`] on to it, the [`follower`] watches the server and says when
//! [`variables`] have changed.

mod follower;
mod program;
mod signals;
mod supervisor;
mod variables;

use std::collections::BTreeSet;
use std::ffi::OsString;
use std::process::ExitCode;
use std::time::Duration;

use clap::Args;

use crate::cli::client::Target;
use crate::cli::failure::Failure;
use crate::config::parse_duration;

#[derive(Args)]
pub(in crate::cli) struct Arguments {
    #[command(flatten)]
    target: Target,
    /// Only these variables
    #[arg(long, value_name = "A,B", value_delimiter = ',')]
    only: Vec<String>,
    /// Variables of the environment win over the server's
    #[arg(long)]
    preserve_env: bool,
    /// Pass on nothing of the environment but PATH, HOME, USER, SHELL, TERM, LANG, LC_*, TZ and TMPDIR
    #[arg(long)]
    pristine: bool,
    /// Inject a variable that decides what a program runs or loads, such as PATH or LD_PRELOAD
    #[arg(long, value_name = "NAME", value_delimiter = ',')]
    allow: Vec<String>,
    /// Stay, and start the program anew when a variable of it has changed
    #[arg(long, conflicts_with = "offline")]
    watch: bool,
    /// How long the program may take to end before it is killed: a number and s, m, h or d
    #[arg(long, value_name = "TIME", default_value = "10s", requires = "watch", value_parser = parse_duration)]
    stop_timeout: Duration,
    /// Ask no server: use what the last run left
    #[arg(long, conflicts_with = "no_cache")]
    offline: bool,
    /// Neither leave nor use a cache
    #[arg(long)]
    no_cache: bool,
    /// The program and its arguments, behind `--`
    #[arg(last = true, required = true, num_args = 1.., value_name = "CMD")]
    command: Vec<OsString>,
}

/// Becomes the program, or watches over it until it ends.
pub(super) fn run(arguments: Arguments) -> Result<ExitCode, Failure> {
    if arguments.watch {
        return supervisor::supervise(arguments);
    }
    let (found, _) = variables::fetch(&arguments)?;
    let environment = variables::compose(&arguments, &found, &mut BTreeSet::new())?;
    Err(program::become_it(&arguments.command, &environment))
}
