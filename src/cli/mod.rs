//! The command line: one file a command. The only place that prints.

mod audit;
mod backup;
mod client;
mod doctor;
mod failure;
mod hardening;
mod health;
mod init;
mod operator;
mod output;
mod own_files;
mod passphrase;
mod progress;
mod reference;
mod serve;
mod starting;

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{CommandFactory, Parser, Subcommand};

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
    #[command(flatten)]
    Store(StoreCommand),
    /// Look for what is wrong: a line for each thing, exit code 1 if any is bad
    Doctor(doctor::Arguments),
    /// Ask the running server whether it is ready: exit code 1 if not
    Health(health::Arguments),
    #[command(flatten)]
    Client(client::Command),
    /// Write what a shell needs to complete commands
    Completions(reference::Completions),
    /// Write a manual page, for `man -l -`
    Man(reference::ManPage),
}

/// What needs the configuration: the server, and commands on its store.
#[derive(Subcommand)]
enum StoreCommand {
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
    /// The audit trail
    #[command(subcommand)]
    Audit(audit::Audit),
    /// Backups
    #[command(subcommand)]
    Backup(backup::Backup),
    /// The passphrase
    #[command(subcommand)]
    Passphrase(passphrase::Commands),
    /// Write the store's files anew from what is live: nothing deleted or replaced is left in them
    Compact(operator::Compact),
}

/// Runs the command that the process was started with.
#[must_use]
pub fn run() -> ExitCode {
    // Exits with 0 for --help and with 2 for bad usage.
    let arguments = Arguments::parse();
    match carry_out(arguments) {
        Ok(code) => code,
        Err(failure) => failure.report(),
    }
}

fn carry_out(arguments: Arguments) -> Result<ExitCode, Failure> {
    let Arguments { config, data, log_format, listen, command } = arguments;
    let (command, listen) = match command {
        None => (StoreCommand::Serve(serve::Arguments { listen }), None),
        Some(Command::Store(command @ StoreCommand::Serve(_))) => (command, listen),
        Some(_) if listen.is_some() => return Err(Failure::Usage("--listen is for `serve` only".into())),
        Some(Command::Store(command)) => (command, None),
        Some(Command::Doctor(doctor)) => {
            harden();
            return doctor::run(&doctor::Place { file: config, data, log_format }, &doctor);
        }
        Some(Command::Health(arguments)) => return health::run(config.as_deref(), &arguments),
        Some(Command::Client(command)) => {
            // No more than this: `run` becomes a program that would inherit the rest.
            hardening::close_to_debuggers();
            return client::run(command);
        }
        Some(Command::Completions(of)) => {
            reference::completions(Arguments::command(), &of)?;
            return Ok(ExitCode::SUCCESS);
        }
        Some(Command::Man(of)) => {
            reference::man_page(Arguments::command(), &of)?;
            return Ok(ExitCode::SUCCESS);
        }
    };
    let hardened = harden();
    let passed = match &command {
        StoreCommand::Serve(_) => serve::passed()?,
        _ => None,
    };
    let listen = match &command {
        StoreCommand::Serve(serve) => serve.listen.clone().or(listen),
        _ => None,
    };
    let start = Start::load(config.as_deref(), Overrides { listen, data }, log_format)?;
    let level = match &command {
        StoreCommand::Serve(_) => start.config.log.level,
        // Only what went wrong: whoever runs a command waits for its outcome, not for a report.
        _ => LogLevel::Warn,
    };
    // Dropped at the end of this function, so what was logged stands before the error that ends the command.
    let log = telemetry::init(start.config.log.format, level)
        .map_err(|error| Failure::Failed(error.to_string()))?;
    if let Some(file) = start.config.exposed_passphrase_file() {
        tracing::warn!(file = %file.display(), "the passphrase file is open to every user of this machine");
    }
    match command {
        StoreCommand::Serve(_) => serve::run(start, &hardened, passed, &log),
        StoreCommand::Init(arguments) => init::run(&start, &arguments),
        StoreCommand::Keys(keys) => operator::run(&start, keys.asked()),
        StoreCommand::Orgs(orgs) => operator::run(&start, orgs.asked()),
        StoreCommand::Environments(environments) => operator::run(&start, environments.asked()),
        StoreCommand::Audit(command) => audit::run(&start, command),
        StoreCommand::Backup(command) => backup::run(&start, &command),
        StoreCommand::Passphrase(command) => passphrase::run(&start, &command),
        StoreCommand::Compact(compact) => operator::run(&start, compact.asked()),
    }?;
    Ok(ExitCode::SUCCESS)
}

/// Before the configuration is read, which may have the passphrase in it.
fn harden() -> Hardened {
    // Whatever is created, by us or by a library, is for nobody else's eyes.
    nix::sys::stat::umask(nix::sys::stat::Mode::from_bits_truncate(0o077));
    Hardened::process()
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
    use super::*;

    #[test]
    fn the_arguments_are_consistent() {
        Arguments::command().debug_assert();
    }
}
