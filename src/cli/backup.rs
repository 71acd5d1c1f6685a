//! `coffer backup`: to make one of the store, to prove that one will open, and to make a store of one.

mod file;

use std::path::{Path, PathBuf};

use clap::{Args, Subcommand};
use serde::Serialize;

use crate::cli::failure::Failure;
use crate::cli::operator::{carry_out, this_user};
use crate::cli::output::{say, say_json, say_table};
use crate::cli::own_files::expect_elsewhere;
use crate::cli::progress::ProgressLine;
use crate::cli::starting::Start;
use crate::control::{Command, Outcome, Part, Progress};
use crate::http;
use crate::store::Tree;
use crate::vault::{self, BackupError, BackupSummary, OpeningError};
use file::BackupFile;

/// `coffer backup`
#[derive(Subcommand)]
pub(super) enum Backup {
    /// Write a backup of the store, also while it is served
    Create(Of),
    /// Prove that a backup is whole and that the passphrase opens it; no store is needed
    Verify {
        #[command(flatten)]
        of: Of,
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
    /// Make a store of a backup, where there is none
    Restore(Of),
}

#[derive(Args)]
pub(super) struct Of {
    /// The backup
    file: PathBuf,
}

pub(super) fn run(start: &Start, command: &Backup) -> Result<(), Failure> {
    match command {
        Backup::Create(of) => create(start, &of.file),
        Backup::Verify { of, json } => verify(start, &of.file, *json),
        Backup::Restore(of) => restore(start, &of.file),
    }
}

/// The bytes come from whoever has the store open; the file is written here, by the rights of whoever asks.
fn create(start: &Start, path: &Path) -> Result<(), Failure> {
    start.expect_store()?;
    expect_elsewhere(start.dir(), path)?;
    let mut file = BackupFile::begin(path)?;
    let mut line = ProgressLine::new();
    let outcome = carry_out(start, Command::BackupCreate, &mut |part| match part {
        Part::Data(bytes) => file.write(&bytes),
        Part::Keep(kept) => {
            file.place().map_err(|error| error.to_string())?;
            // Where nobody waits for it any more, the outcome says why.
            let _ = kept.send(());
            Ok(())
        }
        Part::Progress(progress) => {
            line.show(&progress);
            Ok(())
        }
    });
    drop(line);
    match outcome {
        Ok(Outcome::BackedUp(records)) => say(&format!("{}: {records} records", path.display())),
        Ok(_) => Err(Failure::Failed("the server answered something else than was asked".into())),
        Err(error) if file.is_placed() => Err(Failure::Failed(format!(
            "{} is whole, but the store does not know of it: {error}",
            path.display()
        ))),
        Err(error) => Err(error),
    }
}

/// What `verify` says.
#[derive(Serialize)]
struct Verified {
    #[serde(rename = "createdAt")]
    created_at: String,
    revision: u64,
    records: u64,
    organizations: u64,
    api_keys: u64,
    data_keys: u64,
    definitions: u64,
    values: u64,
    former_versions: u64,
    sealed: u64,
    linked_accounts: u64,
    sessions: u64,
    audit_entries: u64,
}

impl From<&BackupSummary> for Verified {
    fn from(summary: &BackupSummary) -> Verified {
        let found = &summary.found;
        Verified {
            created_at: summary.created_at.to_string(),
            revision: summary.revision.0,
            records: found.total(),
            organizations: found.count(Tree::Orgs),
            api_keys: found.count(Tree::ApiKeys),
            data_keys: found.count(Tree::DataKeys),
            definitions: found.count(Tree::Definitions),
            values: found.count(Tree::Values),
            former_versions: found.count(Tree::ValueVersions),
            sealed: found.sealed,
            linked_accounts: found.count(Tree::Accounts),
            sessions: found.count(Tree::Sessions),
            audit_entries: found.audit_entries,
        }
    }
}

fn verify(start: &Start, path: &Path, json: bool) -> Result<(), Failure> {
    let mut line = ProgressLine::new();
    let summary = vault::verify(path, start.passphrase()?, &mut |done, total| {
        line.show(&Progress { of: "bytes".into(), done, total });
    })?;
    drop(line);
    let verified = Verified::from(&summary);
    if json {
        return say_json(&verified);
    }
    say(&format!(
        "{} is whole, and this passphrase opens it: made {}, as of revision {}",
        path.display(),
        verified.created_at,
        verified.revision
    ))?;
    let rows = [
        ("organizations", verified.organizations),
        ("API keys", verified.api_keys),
        ("data keys", verified.data_keys),
        ("definitions", verified.definitions),
        ("values", verified.values),
        ("former versions", verified.former_versions),
        ("sealed, each opened", verified.sealed),
        ("linked accounts", verified.linked_accounts),
        ("sessions", verified.sessions),
        ("audit entries", verified.audit_entries),
        ("records in all", verified.records),
    ]
    .map(|(what, count)| (what, count.to_string()));
    let rows: Vec<[&str; 2]> = rows.iter().map(|(what, count)| [*what, count.as_str()]).collect();
    say_table(["WHAT", "COUNT"], &rows)
}

fn restore(start: &Start, path: &Path) -> Result<(), Failure> {
    let mut line = ProgressLine::new();
    let records = http::block_on(async {
        let mut advance = |done, total| line.show(&Progress { of: "bytes".into(), done, total });
        let passphrase = start.passphrase()?;
        let (opened, summary) =
            vault::restore(this_user(), start.dir(), path, passphrase, start.policy(), &mut advance).await?;
        opened.engine.close().map_err(OpeningError::from)?;
        Ok::<_, Failure>(summary.found.total())
    })?;
    drop(line);
    say(&format!(
        "{}: a store with the {records} records of the backup; session tokens have ended",
        start.dir().display()
    ))
}

impl From<BackupError> for Failure {
    fn from(error: BackupError) -> Failure {
        Failure::Failed(error.to_string())
    }
}
