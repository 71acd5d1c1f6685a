//! The command line: one file a command. The only place that prints.

mod failure;
mod founding;
mod operator;
mod output;
mod serve;
mod starting;

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Parser, Subcommand};

use crate::config::Overrides;
use crate::telemetry::LogFormat;
use starting::Start;

/// Scoped configuration and secrets on a machine of your own: one binary, no database.
#[derive(Parser)]
#[command(version, arg_required_else_help = false)]
struct Arguments {
    /// The configuration file [default: ./config.toml]
    #[arg(long, global = true, value_name = "FILE")]
    config: Option<PathBuf>,

    /// How log lines are written: text or json
    #[arg(long, global = true, value_name = "FORMAT", value_parser = log_format)]
    log_format: Option<LogFormat>,

    #[command(subcommand)]
    command: Option<Command>,
}

#[derive(Subcommand)]
enum Command {
    /// Serve the API (the default command)
    Serve(serve::Arguments),
    /// Make the store, an organization, and an API key for each of its environments
    Init(founding::Arguments),
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
    let Arguments { config, log_format, command } = Arguments::parse();
    // Whatever is created, by us or by a library, is for nobody else's eyes.
    nix::sys::stat::umask(nix::sys::stat::Mode::from_bits_truncate(0o077));
    let start = |overrides: Overrides| Start::load(config.as_deref(), overrides, log_format);
    let done = match command.unwrap_or_else(|| Command::Serve(serve::Arguments::default())) {
        Command::Serve(arguments) => start(arguments.overrides()).and_then(serve::run),
        Command::Init(arguments) => {
            start(Overrides::default()).and_then(|start| founding::run(&start, &arguments))
        }
        Command::Keys(keys) => {
            start(Overrides::default()).and_then(|start| operator::run(&start, keys.asked()))
        }
        Command::Orgs(orgs) => {
            start(Overrides::default()).and_then(|start| operator::run(&start, orgs.asked()))
        }
        Command::Environments(environments) => {
            start(Overrides::default()).and_then(|start| operator::run(&start, environments.asked()))
        }
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => failure.report(),
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
