//! `coffer ls`, `check`, `export`: a whole context.

use std::collections::BTreeMap;

use clap::{Args, ValueEnum};
use serde::Serialize;
use zeroize::Zeroizing;

use crate::cli::client::{ScopedTarget, notation};
use crate::cli::failure::Failure;
use crate::cli::output::{json_line, say_exactly, say_json, say_table};
use crate::client::Found;
use crate::dotenv::{self, Collision, Entry};

#[derive(Args)]
pub(in crate::cli) struct Ls {
    #[command(flatten)]
    at: ScopedTarget,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

#[derive(Args)]
pub(in crate::cli) struct Check {
    #[command(flatten)]
    at: ScopedTarget,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

#[derive(Args)]
pub(in crate::cli) struct Export {
    #[command(flatten)]
    at: ScopedTarget,
    /// How the text is written
    #[arg(long, value_enum, default_value_t = Format::Dotenv)]
    format: Format,
    /// Write encrypted variables too
    #[arg(long, conflicts_with = "skip_encrypted")]
    reveal: bool,
    /// Leave encrypted variables out
    #[arg(long)]
    skip_encrypted: bool,
}

#[derive(Clone, Copy, ValueEnum)]
enum Format {
    /// NAME=value, for python-dotenv, Node and others
    Dotenv,
    /// One JSON object
    Json,
    /// One YAML mapping
    Yaml,
    /// `export NAME='value'`, for a shell
    Shell,
}

impl ScopedTarget {
    fn resolve(&self, reveal: bool) -> Result<Found, Failure> {
        let found: Found = self.target.api()?.resolve(&self.target.context(), reveal)?.parse()?;
        Ok(found.of_scope(self.scope))
    }
}

/// A variable without its value.
#[derive(Serialize)]
struct Row<'a> {
    name: &'a str,
    scope: &'a str,
    encrypted: Option<bool>,
    version: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    required: Option<bool>,
}

pub(super) fn ls(arguments: &Ls) -> Result<(), Failure> {
    let found = arguments.at.resolve(false)?;
    let mut rows: Vec<Row<'_>> = found
        .variables
        .iter()
        .map(|variable| Row {
            name: variable.name.as_str(),
            scope: variable.scope.as_str(),
            encrypted: Some(variable.encrypted),
            version: Some(variable.version),
            required: None,
        })
        .chain(found.missing.iter().map(|missing| Row {
            name: missing.name.as_str(),
            scope: missing.scope.as_str(),
            encrypted: None,
            version: None,
            required: Some(missing.required),
        }))
        .collect();
    rows.sort_by_key(|row| (row.name, row.scope));
    if arguments.json {
        return say_json(&rows);
    }
    let cells: Vec<[String; 4]> = rows
        .iter()
        .map(|row| {
            let value = match (row.encrypted, row.required) {
                (Some(true), _) => "encrypted",
                (Some(false), _) => "plain",
                (None, Some(true)) => "missing, required",
                (None, _) => "missing",
            };
            let version = row.version.map_or_else(|| "-".into(), |version| version.to_string());
            [row.name.into(), row.scope.into(), value.into(), version]
        })
        .collect();
    let cells: Vec<[&str; 4]> = cells.iter().map(|row| row.each_ref().map(String::as_str)).collect();
    say_table(["NAME", "SCOPE", "VALUE", "VERSION"], &cells)
}

#[derive(Serialize)]
struct Lacking<'a> {
    missing: Vec<Named<'a>>,
}

#[derive(Serialize)]
struct Named<'a> {
    name: &'a str,
    scope: &'a str,
}

pub(super) fn check(arguments: &Check) -> Result<(), Failure> {
    let found = arguments.at.resolve(false)?;
    if arguments.json {
        let missing = found.lacking().map(|it| Named { name: it.name.as_str(), scope: it.scope.as_str() });
        say_json(&Lacking { missing: missing.collect() })?;
    }
    require_all(&found)
}

/// Fails where a required variable has no value.
pub(super) fn require_all(found: &Found) -> Result<(), Failure> {
    let lacking: Vec<String> =
        found.lacking().map(|missing| format!("{} ({})", missing.name, missing.scope.as_str())).collect();
    if lacking.is_empty() {
        return Ok(());
    }
    Err(Failure::Failed(format!("required, and without a value here: {}", lacking.join(", "))))
}

pub(super) fn export(arguments: &Export) -> Result<(), Failure> {
    let mut found = arguments.at.resolve(arguments.reveal)?;
    if arguments.skip_encrypted {
        found.variables.retain(|variable| !variable.encrypted);
    }
    let hidden: Vec<&str> = found
        .variables
        .iter()
        .filter(|variable| variable.encrypted && !arguments.reveal)
        .map(|variable| variable.name.as_str())
        .collect();
    if !hidden.is_empty() {
        return Err(Failure::Failed(format!(
            "encrypted: {}; say --reveal or --skip-encrypted",
            hidden.join(", ")
        )));
    }
    let variables: Vec<(&str, &str)> =
        found.variables.iter().map(|variable| (variable.name.as_str(), &**variable.value)).collect();
    say_exactly(&written(&variables, arguments.format)?)
}

fn written(variables: &[(&str, &str)], format: Format) -> Result<Zeroizing<String>, Failure> {
    match format {
        Format::Dotenv => {
            Ok(dotenv::write(variables.iter().map(|(name, value)| (*name, Entry::Value(value))))?)
        }
        Format::Json => {
            let object: BTreeMap<&str, &str> = variables.iter().copied().collect();
            let mut line = json_line(&object)?;
            line.push('\n');
            Ok(line)
        }
        Format::Yaml => Ok(notation::yaml(variables)),
        Format::Shell => Ok(notation::shell(variables)?),
    }
}

impl From<Collision> for Failure {
    fn from(collision: Collision) -> Failure {
        Failure::Failed(format!("{collision}: rename one of them"))
    }
}
