//! The command line: one file a command. The only place that prints.

mod failure;
mod hardening;
mod init;
mod operator;
mod output;
mod serve;
mod starting;

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Parser, Subcommand};

use crate::config::{ListenAddress, Overrides};
use crate::telemetry::{self, LogFormat, LogLevel};
use failure::Failure;
use hardening::Hardened;
use starting::Start;

/// Scoped configuration and secrets on a machine of your own: one binary, no database server.
#[derive(Parser)]
#[command(version, arg_required_else_help = false)]
struct Arguments {
    /// The configuration file [default: ./config.toml]
    #[arg(long, global = true, value_name = "FILE")]
    config: Option<PathBuf>,

    /// The store's directory, instead of storage.path
    #[arg(long, global = true, value_name = "DIR")]
    data: Option<PathBuf>,

    /// How log lines are written: text or json
    #[arg(long, global = true, value_name = "FORMAT", value_parser = log_format)]
    log_format: Option<LogFormat>,

    // Without a command, which is `serve`.
    /// Where to listen, instead of server.listen
    #[arg(long, value_name = "ADDR")]
    listen: Option<ListenAddress>,

    #[command(subcommand)]
    command: Option<Command>,
}

#[derive(Subcommand)]
enum Command {
    /// Serve the API (the default command)
    Serve(serve::Arguments),
    /// Make the store, an organization, and an API key for each of its environments
    Init(init::Arguments),
    /// API keys
    #[command(subcommand)]
    Keys(operator::Keys),
    /// Organizations
    #[command(subcommand)]
    Orgs(operator::Orgs),
    /// Environments of an organization
    #[command(subcommand)]
    Environments(operator::Environments),
}

/// Runs the command that the process was started with.
#[must_use]
pub fn run() -> ExitCode {
    // Exits with 0 for --help and with 2 for bad usage.
    let arguments = Arguments::parse();
    // Whatever is created, by us or by a library, is for nobody else's eyes.
    nix::sys::stat::umask(nix::sys::stat::Mode::from_bits_truncate(0o077));
    // Before the configuration is read, which may have the passphrase in it.
    let hardened = Hardened::process();
    match carry_out(arguments, &hardened) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => failure.report(),
    }
}

fn carry_out(arguments: Arguments, hardened: &Hardened) -> Result<(), Failure> {
    let Arguments { config, data, log_format, listen, command } = arguments;
    let listen = match &command {
        None => listen,
        Some(Command::Serve(serve)) => serve.listen.clone().or(listen),
        Some(_) if listen.is_some() => return Err(Failure::Usage("--listen is for `serve` only".into())),
        Some(_) => None,
    };
    let start = Start::load(config.as_deref(), Overrides { listen, data }, log_format)?;
    let level = match &command {
        None | Some(Command::Serve(_)) => start.config.log.level,
        // Only what went wrong: whoever runs a command waits for its outcome, not for a report.
        Some(_) => LogLevel::Warn,
    };
    // Dropped at the end of this function, so what was logged stands before the error that ends the command.
    let _log = telemetry::init(start.config.log.format, level)
        .map_err(|error| Failure::Failed(error.to_string()))?;
    match command {
        None | Some(Command::Serve(_)) => serve::run(start, hardened),
        Some(Command::Init(arguments)) => init::run(&start, &arguments),
        Some(Command::Keys(keys)) => operator::run(&start, keys.asked()),
        Some(Command::Orgs(orgs)) => operator::run(&start, orgs.asked()),
        Some(Command::Environments(environments)) => operator::run(&start, environments.asked()),
    }
}

fn log_format(text: &str) -> Result<LogFormat, String> {
    match text {
        "text" => Ok(LogFormat::Text),
        "json" => Ok(LogFormat::Json),
        _ => Err("must be text or json".into()),
    }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn the_arguments_are_consistent() {
        Arguments::command().debug_assert();
    }
}
