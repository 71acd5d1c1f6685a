//! `coffer keys`, `orgs`, `environments`: commands that run here on a free store, and in the server that
//! holds it otherwise.

use std::path::Path;
use std::time::Duration;

use clap::{Args, Subcommand};
use zeroize::Zeroizing;

use crate::cli::failure::Failure;
use crate::cli::output::{complain, json_line, say, say_json, say_table, show_once};
use crate::cli::progress::ProgressLine;
use crate::cli::starting::Start;
use crate::config::parse_duration;
use crate::control::{self, Command, NewKey, Outcome, Part, Unreachable};
use crate::http;
use crate::model::{Environment, Operator, OrgName, Permission, Reach};
use crate::vault::{Opened, OpeningError};

/// `coffer keys`
#[derive(Subcommand)]
pub(super) enum Keys {
    /// Make an API key, and show it this once
    Create(CreateKey),
    /// List API keys
    List {
        #[command(flatten)]
        of: OfOrg,
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
    /// Give organizations new data keys, and seal every encrypted value anew with them
    RotateData {
        #[command(flatten)]
        of: OfOrg,
    },
    /// End an API key
    Revoke {
        /// The key's id
        id: String,
    },
}

#[derive(Args)]
pub(super) struct CreateKey {
    /// The environment that it opens, or `all`
    #[arg(long, value_name = "ENV", value_parser = reach)]
    environment: Reach,
    #[command(flatten)]
    of: OfOrg,
    /// What it may do: read, write, manage, reveal, admin
    #[arg(long, value_name = "LIST", value_delimiter = ',', default_value = "read,write")]
    permissions: Vec<Permission>,
    /// What you call it
    #[arg(long, default_value = "")]
    name: String,
    /// How long it lives: a number and s, m, h or d
    #[arg(long, value_name = "TIME", value_parser = parse_duration)]
    expires: Option<Duration>,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

fn reach(text: &str) -> Result<Reach, &'static str> {
    text.parse().map_err(|_| "must be the name of one environment, or `all`")
}

/// `coffer orgs`
#[derive(Subcommand)]
pub(super) enum Orgs {
    /// Make an organization
    Create {
        /// What it is called
        name: OrgName,
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
    /// List organizations
    List {
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
}

/// `coffer environments`
#[derive(Subcommand)]
pub(super) enum Environments {
    /// Add an environment
    Add {
        /// What it is called
        name: Environment,
        #[command(flatten)]
        of: OfOrg,
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
    /// List environments
    List {
        #[command(flatten)]
        of: OfOrg,
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
}

#[derive(Args)]
pub(super) struct OfOrg {
    /// The organization, by id or name
    #[arg(long, value_name = "ORG")]
    org: Option<String>,
}

/// `coffer compact`
#[derive(Args)]
pub(super) struct Compact {
    /// Print JSON
    #[arg(long)]
    json: bool,
}

impl Compact {
    pub(super) fn asked(self) -> Asked {
        Asked { json: self.json, command: Command::Compact }
    }
}

/// A command, and how its outcome is to be written.
pub(super) struct Asked {
    command: Command,
    json: bool,
}

impl Keys {
    pub(super) fn asked(self) -> Asked {
        match self {
            Keys::Create(new) => Asked {
                json: new.json,
                command: Command::KeysCreate {
                    org: new.of.org,
                    environment: new.environment.to_string(),
                    permissions: new
                        .permissions
                        .iter()
                        .map(|permission| permission.as_str().into())
                        .collect(),
                    name: new.name,
                    expires_in: new.expires.map(|time| time.as_secs()),
                },
            },
            Keys::List { of, json } => Asked { json, command: Command::KeysList { org: of.org } },
            Keys::RotateData { of } => Asked { json: false, command: Command::RotateData { org: of.org } },
            Keys::Revoke { id } => Asked { json: false, command: Command::KeysRevoke { id } },
        }
    }
}

impl Orgs {
    pub(super) fn asked(self) -> Asked {
        match self {
            Orgs::Create { name, json } => {
                Asked { json, command: Command::OrgsCreate { name: name.as_str().into() } }
            }
            Orgs::List { json } => Asked { json, command: Command::OrgsList },
        }
    }
}

impl Environments {
    pub(super) fn asked(self) -> Asked {
        match self {
            Environments::Add { name, of, json } => {
                Asked { json, command: Command::EnvironmentsAdd { org: of.org, name: name.to_string() } }
            }
            Environments::List { of, json } => {
                Asked { json, command: Command::EnvironmentsList { org: of.org } }
            }
        }
    }
}

/// The store, wherever it is: held by a server that is asked, or opened here.
pub(super) enum Operated<'a> {
    Held(&'a Path),
    Open(&'a Opened),
}

impl Operated<'_> {
    /// Does something that takes several commands.
    pub(super) fn with<T>(
        start: &Start,
        work: impl FnOnce(&Operated<'_>) -> Result<T, Failure>,
    ) -> Result<T, Failure> {
        match control::ask(start.dir(), &Command::OrgsList, &mut |_| Ok(())) {
            Err(Unreachable::Silent(_)) => {}
            Err(error) => return Err(Failure::Failed(error.to_string())),
            Ok(_) => return work(&Operated::Held(start.dir())),
        }
        let opened = http::block_on(start.open())?;
        let done = work(&Operated::Open(&opened));
        opened.engine.close().map_err(OpeningError::from)?;
        done
    }

    /// Has a command carried out.
    pub(super) fn ask(&self, command: Command) -> Result<Outcome, Failure> {
        match self {
            Operated::Held(dir) => match control::ask(dir, &command, &mut |_| Ok(())) {
                Ok(answer) => Ok(answer?),
                Err(error) => Err(Failure::Failed(error.to_string())),
            },
            Operated::Open(opened) => {
                Ok(http::block_on(control::execute_here(opened, this_user(), command, &mut |_| Ok(())))?)
            }
        }
    }
}

pub(super) fn run(start: &Start, asked: Asked) -> Result<(), Failure> {
    let mut line = ProgressLine::new();
    let outcome = carry_out(start, asked.command, &mut |part| {
        if let Part::Progress(progress) = part {
            line.show(&progress);
        }
        Ok(())
    })?;
    drop(line);
    write(&outcome, asked.json)
}

/// Has a command carried out, here or in the server that holds the store. `take` is given what it says meanwhile; where
/// that fails, the command is given up.
pub(super) fn carry_out(
    start: &Start,
    command: Command,
    take: &mut dyn FnMut(Part) -> Result<(), String>,
) -> Result<Outcome, Failure> {
    match control::ask(start.dir(), &command, take) {
        Ok(answer) => Ok(answer?),
        Err(Unreachable::Silent(_)) => here(start, command, take),
        Err(error) => Err(Failure::Failed(error.to_string())),
    }
}

/// Runs a command on a store that no server holds.
fn here(
    start: &Start,
    command: Command,
    take: &mut dyn FnMut(Part) -> Result<(), String>,
) -> Result<Outcome, Failure> {
    http::block_on(async {
        // A change of the passphrase is asked for with the one that opens the store, wherever that is from.
        let opened = match &command {
            Command::PassphraseChange { old, .. } => start.open_with(&old.expose().to_owned().into()).await?,
            _ => start.open().await?,
        };
        let outcome = control::execute_here(&opened, this_user(), command, take).await;
        opened.engine.close().map_err(OpeningError::from)?;
        Ok(outcome?)
    })
}

/// Who runs this process.
pub(super) fn this_user() -> Operator {
    Operator { uid: nix::unistd::getuid().as_raw() }
}

/// What to do about a key that was made and not seen.
fn lost(new: &NewKey) -> String {
    format!("the key was made but not shown: end it with `coffer keys revoke {}`, and make another", new.id)
}

fn write(outcome: &Outcome, json: bool) -> Result<(), Failure> {
    match outcome {
        Outcome::Key(new) if json => show_once(&json_line(new)?, &lost(new)),
        Outcome::Key(new) => {
            show_once(&Zeroizing::new(format!("{}  {}", new.id, new.key.expose())), &lost(new))?;
            complain("The key is shown only now. Keep it where you keep passwords.");
            Ok(())
        }
        Outcome::Keys(rows) if json => say_json(rows),
        Outcome::Keys(rows) => {
            let permissions: Vec<_> = rows.iter().map(|row| row.permissions.join(",")).collect();
            let cells: Vec<_> = rows
                .iter()
                .zip(&permissions)
                .map(|(row, permissions)| {
                    let expires = row.expires_at.as_deref().unwrap_or("never");
                    let used = row.last_used_at.as_deref().unwrap_or("never");
                    [&row.id, &row.org_id, &row.environment, permissions, expires, used, &row.name]
                        .map(AsRef::as_ref)
                })
                .collect();
            let heads = ["ID", "ORGANIZATION", "ENVIRONMENT", "PERMISSIONS", "EXPIRES", "LAST USED", "NAME"];
            say_table(heads, &cells)
        }
        Outcome::KeyRevoked => say("revoked"),
        Outcome::Org(org) if json => say_json(org),
        Outcome::Org(org) => say(&format!("{}  {}", org.id, org.name)),
        Outcome::Orgs(rows) if json => say_json(rows),
        Outcome::Orgs(rows) => {
            let cells: Vec<_> = rows.iter().map(|row| [row.id.as_str(), row.name.as_str()]).collect();
            say_table(["ID", "NAME"], &cells)
        }
        Outcome::EnvironmentAdded(row) if json => say_json(row),
        Outcome::EnvironmentAdded(row) => say(&format!("{} has the environment {}", row.org_name, row.name)),
        Outcome::Environments(rows) if json => say_json(rows),
        Outcome::Environments(rows) => {
            let cells: Vec<_> = rows
                .iter()
                .map(|row| [row.org_id.as_str(), row.org_name.as_str(), row.name.as_str()])
                .collect();
            say_table(["ORGANIZATION", "NAME", "ENVIRONMENT"], &cells)
        }
        Outcome::Compacted(done) if json => say_json(done),
        Outcome::Compacted(done) => say(&format!(
            "compacted: {} records; the files have {} KiB now, and had {} KiB",
            done.records,
            done.bytes_after.div_ceil(1024),
            done.bytes_before.div_ceil(1024)
        )),
        Outcome::Rotated(orgs, resealed) => {
            say(&format!("new data keys: {orgs}; values and former versions sealed anew: {resealed}"))
        }
        // Said by the commands that ask for them.
        Outcome::BackedUp(_) | Outcome::PassphraseChanged => Ok(()),
        // Asked for by other commands.
        Outcome::Audit(_) | Outcome::CheckedUp(_) => Ok(()),
    }
}
