//! `coffer health`: whether the server answers, for whoever starts it anew where it does not.

use std::path::Path;
use std::process::ExitCode;
use std::time::Duration;

use clap::Args;

use crate::cli::failure::Failure;
use crate::cli::output::say;
use crate::client::ClientError;
use crate::client::health::{Asked, Probe, check};
use crate::config::{Config, Serving, parse_duration};

/// Arguments of `health`.
#[derive(Args)]
pub(super) struct Arguments {
    /// The server, instead of the one that the configuration describes
    #[arg(long, value_name = "URL")]
    url: Option<String>,

    /// Ask only whether the process answers, not whether it takes writes
    #[arg(long)]
    live: bool,

    /// How long it may take: a number and s, m, h or d
    #[arg(long, value_name = "TIME", default_value = "5s", value_parser = parse_duration)]
    timeout: Duration,
}

pub(super) fn run(config: Option<&Path>, arguments: &Arguments) -> Result<ExitCode, Failure> {
    let probe = if arguments.live { Probe::Live } else { Probe::Ready };
    let here;
    let asked = match &arguments.url {
        Some(url) => Asked::Elsewhere(url),
        None => {
            here = url_of(&Config::serving(config, std::env::vars_os())?)?;
            Asked::Here(&here)
        }
    };
    let state = if arguments.live { "live" } else { "ready" };
    match check(asked, probe, arguments.timeout, |name| std::env::var_os(name)) {
        Ok(url) => {
            say(&format!("{url} is {state}"))?;
            Ok(ExitCode::SUCCESS)
        }
        Err(ClientError::Unreachable { url, why }) => {
            Err(Failure::Failed(format!("{url} is not {state}: {why}")))
        }
        Err(ClientError::NotUnderstood { url, why }) => {
            Err(Failure::Failed(format!("{url} is not {state}: whoever answers is no coffer ({why})")))
        }
        Err(other) => Err(other.into()),
    }
}

/// Where a server of this configuration is asked on its own machine.
fn url_of(Serving { listen, is_tls }: &Serving) -> Result<String, Failure> {
    if listen.port() == 0 {
        let why =
            "the configuration leaves the port to the system (server.listen): name the server with --url";
        return Err(Failure::Failed(why.into()));
    }
    let scheme = if *is_tls { "https" } else { "http" };
    Ok(format!("{scheme}://{}", listen.reached_here()))
}
