//! Commands that ask a server over HTTP, from wherever they are: they need an address and a credential, and no
//! configuration file.

mod contexts;
mod definitions;
mod import;
mod notation;
mod run;
mod values;

use std::ffi::OsString;
use std::process::ExitCode;

use clap::builder::NonEmptyStringValueParser;
use clap::{Args, Subcommand};

use crate::cli::failure::Failure;
use crate::cli::output::complain;
use crate::client::{Api, ClientError, Context, exposed_file};
use crate::model::Scope;

#[derive(Subcommand)]
pub(super) enum Command {
    /// Run a program with the variables of a context in its environment
    Run(Box<run::Arguments>),
    /// Show a variable's value
    Get(values::Get),
    /// Set a variable's value
    Set(values::Set),
    /// Delete a variable's value
    Unset(values::Unset),
    /// List the variables of a context
    Ls(contexts::Ls),
    /// Fail where a required variable has no value
    Check(contexts::Check),
    /// Write the variables of a context as text
    Export(contexts::Export),
    /// Set the variables of a file, all of them or none
    Import(import::Arguments),
}

pub(super) fn run(command: Command) -> Result<ExitCode, Failure> {
    match command {
        Command::Run(arguments) => return run::run(*arguments),
        Command::Get(arguments) => values::get(&arguments),
        Command::Set(arguments) => values::set(&arguments),
        Command::Unset(arguments) => values::unset(&arguments),
        Command::Ls(arguments) => contexts::ls(&arguments),
        Command::Check(arguments) => contexts::check(&arguments),
        Command::Export(arguments) => contexts::export(&arguments),
        Command::Import(arguments) => import::run(&arguments),
    }?;
    Ok(ExitCode::SUCCESS)
}

/// Which server, and whose variables.
#[derive(Args)]
struct Target {
    /// The server [default: COFFER_URL, else http://127.0.0.1:8080]
    #[arg(long, value_name = "URL")]
    url: Option<String>,

    // An empty one would count as none: a script whose variable is empty would be given other values than it asks for.
    /// The environment, where the key opens several
    #[arg(long, value_name = "ENV", value_parser = NonEmptyStringValueParser::new())]
    environment: Option<String>,

    /// The linked account
    #[arg(long, value_name = "ID", value_parser = NonEmptyStringValueParser::new())]
    linked_account: Option<String>,

    /// The workflow
    #[arg(long, value_name = "ID", value_parser = NonEmptyStringValueParser::new())]
    workflow: Option<String>,
}

/// The same where one scope may be meant.
#[derive(Args)]
struct ScopedTarget {
    #[command(flatten)]
    target: Target,

    /// The scope: org, workspace, linked_account or workflow
    #[arg(long)]
    scope: Option<Scope>,
}

impl Target {
    fn url(&self) -> Option<&str> {
        self.url.as_deref()
    }

    fn api(&self) -> Result<Api, Failure> {
        let api = Api::find(self.url(), variable)?;
        if let Some((name, path)) = exposed_file(variable) {
            let path = path.display();
            complain(&format!("warning: {name}: {path} is open to every user of this machine"));
        }
        Ok(api)
    }

    fn context(&self) -> Context {
        Context {
            environment: self.environment.clone(),
            linked_account: self.linked_account.clone(),
            workflow: self.workflow.clone(),
        }
    }
}

fn variable(name: &str) -> Option<OsString> {
    std::env::var_os(name)
}

impl From<ClientError> for Failure {
    fn from(error: ClientError) -> Failure {
        Failure::Failed(error.to_string())
    }
}
