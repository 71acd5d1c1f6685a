//! From the names that people use to the definitions that the API knows.

use serde::Deserialize;

use crate::cli::failure::Failure;
use crate::client::context::from_text;
use crate::client::{Api, Context, Credential};
use crate::model::{Name, Scope};

/// Names in one request: an address must not become too long.
const NAMES_AT_ONCE: usize = 30;

/// A variable, as far as commands need to know it.
#[derive(Deserialize)]
pub(super) struct Definition {
    #[serde(rename = "_id")]
    pub(super) id: String,
    #[serde(deserialize_with = "from_text")]
    pub(super) name: Name,
    #[serde(deserialize_with = "from_text")]
    pub(super) scope: Scope,
}

/// A page of a list.
#[derive(Deserialize)]
pub(super) struct Page<T> {
    pub(super) docs: Vec<T>,
}

/// The definitions with these names, in every scope that the credential sees.
pub(super) fn named(api: &Api, context: &Context, names: &[&Name]) -> Result<Vec<Definition>, Failure> {
    let mut found = Vec::new();
    for names in names.chunks(NAMES_AT_ONCE) {
        let list = names.iter().map(|name| name.as_str()).collect::<Vec<_>>().join(",");
        // A linked account would leave out the definitions of other scopes.
        let query = [("names", &*list), ("limit", "1000")];
        let page: Page<Definition> =
            api.get("/env/definitions", &context.environment_alone(), &query)?.parse()?;
        found.extend(page.docs);
    }
    Ok(found)
}

/// The one definition with this name, in `scope` where one is given.
pub(super) fn the_one(
    api: &Api,
    context: &Context,
    name: &Name,
    scope: Option<Scope>,
) -> Result<Definition, Failure> {
    let mut found = named(api, context, &[name])?;
    found.retain(|definition| scope.is_none_or(|scope| definition.scope == scope));
    match (found.pop(), found.is_empty()) {
        (Some(definition), true) => whose(api, context, definition),
        (Some(last), false) => {
            let scopes = found.iter().chain([&last]).map(|definition| definition.scope);
            Err(Failure::Usage(format!(
                "`{name}` is defined in several scopes: say --scope with {}",
                one_of(scopes)
            )))
        }
        (None, _) => {
            let place = scope.map_or_else(String::new, |scope| format!(" in the scope {}", scope.as_str()));
            Err(Failure::Failed(format!(
                "there is no variable `{name}`{place}: `coffer import --create` can define it"
            )))
        }
    }
}

/// The definition, where the context says of whom its value is meant. A session token says that itself.
fn whose(api: &Api, context: &Context, definition: Definition) -> Result<Definition, Failure> {
    let lacks = match definition.scope {
        Scope::LinkedAccount if context.linked_account.is_none() => "--linked-account",
        Scope::Workflow if context.workflow.is_none() => "--workflow",
        _ => return Ok(definition),
    };
    if matches!(api.credential(), Credential::Token(_)) {
        return Ok(definition);
    }
    let Definition { name, scope, .. } = definition;
    Err(Failure::Usage(format!(
        "`{name}` has a value for each {}: say {lacks}",
        scope.as_str().replace('_', " ")
    )))
}

/// Scopes to choose from.
pub(super) fn one_of(scopes: impl Iterator<Item = Scope>) -> String {
    let mut scopes: Vec<&str> = scopes.map(|scope| scope.as_str()).collect();
    scopes.sort_unstable();
    scopes.dedup();
    scopes.join(" or ")
}
