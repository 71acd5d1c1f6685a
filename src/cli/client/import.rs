//! `coffer import`: the variables of a file, in one durable change.

use std::collections::{BTreeMap, btree_map};
use std::fmt;
use std::fs::File;
use std::io;

use clap::Args;
use serde::de::{MapAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize};
use zeroize::Zeroizing;

use crate::cli::client::ScopedTarget;
use crate::cli::client::definitions::{self, one_of};
use crate::cli::client::values::text_of;
use crate::cli::failure::Failure;
use crate::cli::output::{say, say_json};
use crate::client::{Api, ClientError, Context};
use crate::dotenv;
use crate::model::{Name, Scope};

#[derive(Args)]
pub(in crate::cli) struct Arguments {
    /// The file, dotenv or one JSON object of texts; `-` for standard input
    file: String,
    #[command(flatten)]
    at: ScopedTarget,
    /// Define the variables that are not defined yet, in --scope
    #[arg(long)]
    create: bool,
    /// Define them as encrypted, and refuse those that are defined as plain
    #[arg(long)]
    encrypted: bool,
    /// Change nothing, and say what would be changed
    #[arg(long)]
    dry_run: bool,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

#[derive(Serialize)]
struct ImportBody<'a> {
    scope: &'a str,
    create: bool,
    encrypted: bool,
    dry_run: bool,
    variables: Vec<VariableBody<'a>>,
}

#[derive(Serialize)]
struct VariableBody<'a> {
    name: &'a str,
    value: &'a str,
}

#[derive(Deserialize, Serialize)]
struct Imported {
    dry_run: bool,
    created: Vec<String>,
    added: Vec<String>,
    changed: Vec<String>,
    left: Vec<String>,
}

pub(super) fn run(arguments: &Arguments) -> Result<(), Failure> {
    let (api, context) = (arguments.at.target.api()?, arguments.at.target.context());
    let variables = read(&arguments.file)?;
    if variables.is_empty() {
        return Err(Failure::Failed("there is no variable in what is to be imported".into()));
    }
    let scope = match arguments.at.scope {
        Some(scope) => scope,
        None => common_scope(&api, &context, &variables.keys().collect::<Vec<_>>())?,
    };
    let listed = variables.iter().map(|(name, value)| VariableBody { name: name.as_str(), value });
    let body = ImportBody {
        scope: scope.as_str(),
        create: arguments.create,
        encrypted: arguments.encrypted,
        dry_run: arguments.dry_run,
        variables: listed.collect(),
    };
    let answer = api.post("/env/import", &context, &body).map_err(|error| match error {
        ClientError::Refused { status: 404, message, .. } if !arguments.create => {
            Failure::Failed(format!("{message}; say --create to define them"))
        }
        other => other.into(),
    });
    let imported: Imported = answer?.parse()?;
    if arguments.json { say_json(&imported) } else { imported.say() }
}

impl Imported {
    fn say(&self) -> Result<(), Failure> {
        let would = if self.dry_run { "would be " } else { "" };
        for (what, names) in [
            ("created", &self.created),
            ("added", &self.added),
            ("changed", &self.changed),
            ("left", &self.left),
        ] {
            if !names.is_empty() {
                say(&format!("{would}{what}: {}", names.join(", ")))?;
            }
        }
        Ok(())
    }
}

/// The variables of a file; no text of it is in a complaint about it.
fn read(file: &str) -> Result<BTreeMap<Name, Zeroizing<String>>, Failure> {
    let source = if file == "-" { "standard input" } else { file };
    let text = match file {
        "-" => text_of(source, io::stdin().lock())?,
        _ => text_of(source, File::open(file).map_err(Failure::io(&format!("open {file}")))?)?,
    };
    let text = text.strip_prefix('\u{feff}').unwrap_or(&text);
    // No line of a dotenv file begins so.
    let listed: Vec<(String, Zeroizing<String>)> = if text.trim_start().starts_with('{') {
        let Object(pairs) = serde_json::from_str(text).map_err(|error| {
            Failure::Failed(format!(
                "{source}: line {} is not part of one JSON object of texts",
                error.line()
            ))
        })?;
        pairs
    } else {
        dotenv::read(text).map_err(|error| Failure::Failed(format!("{source}: {error}")))?
    };
    let mut named = BTreeMap::new();
    for (name, value) in listed {
        let name = match name.parse::<Name>() {
            Ok(name) => name,
            Err(error) => return Err(Failure::Failed(format!("{source}: `{name}`: {error}"))),
        };
        if let btree_map::Entry::Vacant(free) = named.entry(name.clone()) {
            free.insert(value);
        } else {
            return Err(Failure::Failed(format!("{source}: `{name}` stands twice")));
        }
    }
    Ok(named)
}

/// A JSON object of texts, with names that stand twice: of a map, the last one would win without a word.
struct Object(Vec<(String, Zeroizing<String>)>);

impl<'de> Deserialize<'de> for Object {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Object, D::Error> {
        struct Pairs;

        impl<'de> Visitor<'de> for Pairs {
            type Value = Object;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object of texts")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Object, A::Error> {
                let mut pairs = Vec::new();
                while let Some(pair) = map.next_entry()? {
                    pairs.push(pair);
                }
                Ok(Object(pairs))
            }
        }

        from.deserialize_map(Pairs)
    }
}

/// The scope that each of these names is defined in, and no other.
fn common_scope(api: &Api, context: &Context, names: &[&Name]) -> Result<Scope, Failure> {
    let defined = definitions::named(api, context, names)?;
    let unknown = |name: &&&Name| !defined.iter().any(|definition| definition.name == ***name);
    let unknown: Vec<&str> = names.iter().filter(unknown).map(|name| name.as_str()).collect();
    if !unknown.is_empty() {
        let what = format!("not defined: {}; say --scope and --create to define them", unknown.join(", "));
        return Err(Failure::Failed(what));
    }
    let mut scopes: Vec<Scope> = defined.iter().map(|definition| definition.scope).collect();
    scopes.dedup();
    match scopes[..] {
        [scope] => Ok(scope),
        _ => {
            let scopes = one_of(scopes.into_iter());
            Err(Failure::Usage(format!(
                "these names are defined in several scopes: say --scope with {scopes}"
            )))
        }
    }
}
