//! `coffer get`, `set`, `unset`: one value.

use std::fs::File;
use std::io::{self, Read};

use clap::Args;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use zeroize::Zeroizing;

use crate::cli::client::ScopedTarget;
use crate::cli::client::definitions::{self, Page};
use crate::cli::failure::Failure;
use crate::cli::output::{complain, say, say_json};
use crate::model::Name;

/// More than any value may have; how many it may is for the server to say.
pub(super) const MAX_INPUT: u64 = 16 << 20;

#[derive(Args)]
pub(in crate::cli) struct Get {
    /// The variable
    name: Name,
    #[command(flatten)]
    at: ScopedTarget,
    /// Show an encrypted value's text
    #[arg(long)]
    reveal: bool,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

#[derive(Args)]
pub(in crate::cli) struct Set {
    /// NAME=VALUE, which other users of this machine can see; NAME=@FILE; or NAME=- for standard input
    #[arg(value_name = "NAME=VALUE")]
    assignment: String,
    #[command(flatten)]
    at: ScopedTarget,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

#[derive(Args)]
pub(in crate::cli) struct Unset {
    /// The variable
    name: Name,
    #[command(flatten)]
    at: ScopedTarget,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

#[derive(Deserialize, Serialize)]
struct Shown {
    name: String,
    scope: String,
    environment: String,
    value: Zeroizing<String>,
    encrypted: bool,
    version: u64,
    #[serde(rename = "updatedAt")]
    updated_at: String,
    variable_definition_id: String,
}

pub(super) fn get(arguments: &Get) -> Result<(), Failure> {
    let (api, context) = (arguments.at.target.api()?, arguments.at.target.context());
    let definition = definitions::the_one(&api, &context, &arguments.name, arguments.at.scope)?;
    let reveal: &[(&str, &str)] = if arguments.reveal { &[("reveal", "true")] } else { &[] };
    let shown: Shown = api.get(&format!("/env/value/{}", definition.id), &context, reveal)?.parse()?;
    if arguments.json {
        return say_json(&shown);
    }
    if shown.encrypted && !arguments.reveal {
        complain(&format!("`{}` is encrypted: --reveal shows it", shown.name));
    }
    say(&shown.value)
}

#[derive(Serialize)]
struct SetBody<'a> {
    variable_definition_id: &'a str,
    value: &'a str,
}

pub(super) fn set(arguments: &Set) -> Result<(), Failure> {
    // The argument may have a secret in it, so no complaint repeats it.
    let usage = || Failure::Usage("what to set is NAME=VALUE, NAME=@FILE or NAME=-".into());
    let (name, value) = arguments.assignment.split_once('=').ok_or_else(usage)?;
    let name: Name = name.parse().map_err(|_| usage())?;
    let (api, context) = (arguments.at.target.api()?, arguments.at.target.context());
    let value = match value {
        "-" => text_of("standard input", io::stdin().lock())?,
        _ => match value.strip_prefix('@') {
            Some(path) => text_of(path, File::open(path).map_err(Failure::io(&format!("open {path}")))?)?,
            None => Zeroizing::new(value.to_owned()),
        },
    };
    let definition = definitions::the_one(&api, &context, &name, arguments.at.scope)?;
    let body = SetBody { variable_definition_id: &definition.id, value: &value };
    let mut answer: Value = api.post("/env/values", &context, &body)?.parse()?;
    if arguments.json {
        // Who set it has it; a script that logs what it did should not.
        answer.as_object_mut().map(|fields| fields.remove("value"));
        return say_json(&answer);
    }
    say(&format!("{name} is set, version {}", answer["version"]))
}

/// All of a source as text, byte for byte.
pub(super) fn text_of(source: &str, mut from: impl Read) -> Result<Zeroizing<String>, Failure> {
    let mut bytes = Zeroizing::new(Vec::with_capacity(128 << 10));
    from.by_ref()
        .take(MAX_INPUT + 1)
        .read_to_end(&mut bytes)
        .map_err(Failure::io(&format!("read {source}")))?;
    if bytes.len() as u64 > MAX_INPUT {
        return Err(Failure::Failed(format!("{source} has more than 16 MiB")));
    }
    // Not by value: the error would hold the bytes, and drop them unwiped.
    let text = std::str::from_utf8(&bytes);
    let text = text.map_err(|_| {
        Failure::Failed(format!(
            "{source} is not text in UTF-8: save it as such, or encode it, in base64 for example"
        ))
    })?;
    Ok(Zeroizing::new(text.to_owned()))
}

#[derive(Deserialize)]
struct Listed {
    #[serde(rename = "_id")]
    id: String,
}

pub(super) fn unset(arguments: &Unset) -> Result<(), Failure> {
    let (api, context) = (arguments.at.target.api()?, arguments.at.target.context());
    let definition = definitions::the_one(&api, &context, &arguments.name, arguments.at.scope)?;
    let query = [("variable_definition_id", &*definition.id)];
    let path = format!("/env/values/{}", definition.scope.as_str());
    let page: Page<Listed> = api.get(&path, &context, &query)?.parse()?;
    let Some(value) = page.docs.first() else {
        return Err(Failure::Failed(format!("`{}` has no value here", definition.name)));
    };
    let answer: Value =
        api.delete(&format!("/env/values/{}", value.id), &context.environment_alone())?.parse()?;
    if arguments.json { say_json(&answer) } else { say(&format!("{} is unset", definition.name)) }
}
