//! What a program is to be given: the context of the server or of the cache, and its environment made of that.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use super::Arguments;
use crate::cli::client::contexts::require_all;
use crate::cli::client::variable;
use crate::cli::failure::Failure;
use crate::cli::output::complain;
use crate::client::cache::age;
use crate::client::environment::is_dangerous;
use crate::client::{Api, Body, Cache, CacheError, ClientError, Environment, Found, Inheritance, Variable};
use crate::config::parse_duration;
use crate::dotenv::{variable_name, variable_names};

/// How long a cache may stand in, where nothing else is said.
const CACHE_LIMIT: Duration = Duration::from_hours(7 * 24);
/// Says something else: a number and s, m, h or d.
const CACHE_LIMIT_VARIABLE: &str = "COFFER_CACHE_MAX_AGE";

/// What the server says of the context, or else the cache; and the tag of the answer, where it was the server's.
pub(super) fn fetch(arguments: &Arguments) -> Result<(Found, Option<String>), Failure> {
    let (api, context) = (arguments.target.api()?, arguments.target.context());
    // Before it is needed: a mistake should not show only when the server is away.
    let limit = cache_limit()?;
    let cache = if arguments.no_cache { None } else { Cache::find(&api, &context, variable) };
    if arguments.offline {
        let (found, old) = kept(cache.as_ref(), limit)?;
        complain(&format!("offline: the variables are those of {} ago", age(old)));
        return Ok((found, None));
    }
    match api.resolve(&context, true) {
        Ok(answer) => {
            let found = answer.parse()?;
            keep(cache.as_ref(), &answer, limit);
            Ok((found, answer.tag().map(str::to_owned)))
        }
        Err(ClientError::Unreachable { url, why }) if !arguments.no_cache => {
            match kept(cache.as_ref(), limit) {
                Ok((found, old)) => {
                    let ago = age(old);
                    complain(&format!(
                        "warning: {url} does not answer ({why}): the variables are those of {ago} ago"
                    ));
                    Ok((found, None))
                }
                Err(also) => {
                    Err(Failure::Failed(format!("{also}; {}", ClientError::Unreachable { url, why })))
                }
            }
        }
        Err(error) => Err(refusal(&api, error)),
    }
}

/// What the server says of the context, where that is not what it answered under `tag`.
pub(super) fn fetch_unless(
    arguments: &Arguments,
    tag: Option<&str>,
) -> Result<Option<(Found, Option<String>)>, ClientError> {
    let context = arguments.target.context();
    let api = Api::find(arguments.target.url(), variable)?;
    let answer = match tag {
        Some(tag) => api.resolve_unless(&context, tag)?,
        None => Some(api.resolve(&context, true)?),
    };
    let Some(answer) = answer else { return Ok(None) };
    let found = answer.parse()?;
    if !arguments.no_cache {
        // That it is well-formed was checked before the program was started.
        let limit = cache_limit().unwrap_or(CACHE_LIMIT);
        keep(Cache::find(&api, &context, variable).as_ref(), &answer, limit);
    }
    Ok(Some((found, answer.tag().map(str::to_owned))))
}

fn keep(cache: Option<&Cache>, answer: &Body, limit: Duration) {
    let Some(cache) = cache else { return };
    match cache.keep(answer.bytes()) {
        Ok(()) => cache.forget_others(limit),
        Err(error) => complain(&format!(
            "warning: no cache is left in {} for when the server is away: {error}",
            cache.directory().display()
        )),
    }
}

/// What a refusal means for a program that needs its variables.
fn refusal(api: &Api, error: ClientError) -> Failure {
    match error {
        ClientError::Refused { status: 403, message, .. } => Failure::Failed(format!(
            "the server at {} does not let this credential read the variables ({message}): running needs `read`, and `reveal` where some are encrypted",
            api.url()
        )),
        other => other.into(),
    }
}

fn cache_limit() -> Result<Duration, Failure> {
    match variable(CACHE_LIMIT_VARIABLE).filter(|text| !text.is_empty()) {
        Some(text) => parse_duration(&text.to_string_lossy())
            .map_err(|error| Failure::Failed(format!("{CACHE_LIMIT_VARIABLE}: {error}"))),
        None => Ok(CACHE_LIMIT),
    }
}

fn kept(cache: Option<&Cache>, limit: Duration) -> Result<(Found, Duration), Failure> {
    let cache = cache.ok_or_else(|| {
        Failure::Failed("there is no place for a cache: neither XDG_STATE_HOME nor HOME is set".into())
    })?;
    let (answer, old) = cache.read(limit)?;
    Ok((Found::of_kept(answer.expose())?, old))
}

/// The environment of the program in this context. Names of variables that are left out are added to `told`, and said
/// where they were not there.
pub(super) fn compose(
    arguments: &Arguments,
    found: &Found,
    told: &mut BTreeSet<String>,
) -> Result<Environment, Failure> {
    require_all(found)?;
    let inheritance = Inheritance { preserve: arguments.preserve_env, pristine: arguments.pristine };
    Ok(inheritance.compose(std::env::vars_os(), injected(arguments, found, told)?)?)
}

/// What of a context goes into the program's environment, by the names that it has there.
fn injected<'a>(
    arguments: &Arguments,
    found: &'a Found,
    told: &mut BTreeSet<String>,
) -> Result<BTreeMap<String, &'a str>, Failure> {
    let is =
        |variable: &str, asked: &str| variable == asked || variable_name(variable) == variable_name(asked);
    for asked in &arguments.only {
        let known = found.variables.iter().map(|it| &it.name).chain(found.missing.iter().map(|it| &it.name));
        if !known.into_iter().any(|name| is(name.as_str(), asked)) {
            return Err(Failure::Failed(format!("--only: there is no variable `{asked}` in this context")));
        }
    }
    let only = |it: &&Variable| {
        arguments.only.is_empty() || arguments.only.iter().any(|asked| is(it.name.as_str(), asked))
    };
    let chosen: BTreeMap<&str, &str> =
        found.variables.iter().filter(only).map(|it| (it.name.as_str(), &**it.value)).collect();
    let mut injected = BTreeMap::new();
    for (variable, name) in variable_names(chosen.keys().copied())? {
        if is_dangerous(&variable) && !arguments.allow.iter().any(|allowed| is(&variable, allowed)) {
            if !told.contains(&variable) {
                complain(&format!(
                    "warning: {variable} is not injected, as it decides what programs run or whom they trust: --allow {variable} does it"
                ));
                told.insert(variable);
            }
        } else {
            injected.insert(variable, chosen[name]);
        }
    }
    Ok(injected)
}

impl From<CacheError> for Failure {
    fn from(error: CacheError) -> Failure {
        Failure::Failed(error.to_string())
    }
}
