//! `coffer run`: a program with the variables of a context in its environment.

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::ffi::OsString;
use std::io;
use std::os::unix::process::CommandExt;
use std::process::Command;
use std::time::Duration;

use clap::Args;

use crate::cli::client::contexts::require_all;
use crate::cli::client::{Target, variable};
use crate::cli::failure::Failure;
use crate::cli::output::complain;
use crate::client::cache::age;
use crate::client::environment::is_dangerous;
use crate::client::{Api, Cache, CacheError, ClientError, Found, Inheritance, Variable};
use crate::config::parse_duration;
use crate::dotenv::{variable_name, variable_names};

/// How long a cache may stand in, where nothing else is said.
const CACHE_LIMIT: Duration = Duration::from_hours(7 * 24);
/// Says something else: a number and s, m, h or d.
const CACHE_LIMIT_VARIABLE: &str = "COFFER_CACHE_MAX_AGE";

#[derive(Args)]
pub(in crate::cli) struct Arguments {
    #[command(flatten)]
    target: Target,
    /// Only these variables
    #[arg(long, value_name = "A,B", value_delimiter = ',')]
    only: Vec<String>,
    /// Variables of the environment win over the server's
    #[arg(long)]
    preserve_env: bool,
    /// Pass on nothing of the environment but PATH, HOME, USER, SHELL, TERM, LANG, LC_*, TZ and TMPDIR
    #[arg(long)]
    pristine: bool,
    /// Inject a variable that decides what a program runs or loads, such as PATH or LD_PRELOAD
    #[arg(long, value_name = "NAME", value_delimiter = ',')]
    allow: Vec<String>,
    /// Restart the program when a variable changes (not in this release)
    #[arg(long)]
    watch: bool,
    /// Ask no server: use what the last run left
    #[arg(long, conflicts_with = "no_cache")]
    offline: bool,
    /// Neither leave nor use a cache
    #[arg(long)]
    no_cache: bool,
    /// The program and its arguments, behind `--`
    #[arg(last = true, required = true, num_args = 1.., value_name = "CMD")]
    command: Vec<OsString>,
}

/// Becomes the program; returns only where that fails.
pub(super) fn run(arguments: &Arguments) -> Result<Infallible, Failure> {
    if arguments.watch {
        return Err(Failure::Usage("--watch is not in this release: run without it".into()));
    }
    let found = fetch(arguments)?;
    require_all(&found)?;
    let injected = injected(arguments, &found)?;
    let inheritance = Inheritance { preserve: arguments.preserve_env, pristine: arguments.pristine };
    let environment = inheritance.compose(std::env::vars_os(), injected);
    let (program, rest) = arguments.command.split_first().expect("clap requires one");
    // Where it works, this process is the program from here on: nothing below runs.
    let error = Command::new(program).args(rest).env_clear().envs(environment).exec();
    let what = format!("cannot run {}: {error}", program.display());
    Err(Failure::Exit(if error.kind() == io::ErrorKind::NotFound { 127 } else { 126 }, what))
}

fn fetch(arguments: &Arguments) -> Result<Found, Failure> {
    let (api, context) = (arguments.target.api()?, arguments.target.context());
    // Before it is needed: a mistake should not show only when the server is away.
    let limit = cache_limit()?;
    let cache = if arguments.no_cache { None } else { Cache::find(&api, &context, variable) };
    if arguments.offline {
        let (found, old) = kept(cache.as_ref(), limit)?;
        complain(&format!("offline: the variables are those of {} ago", age(old)));
        return Ok(found);
    }
    match api.resolve(&context, true) {
        Ok(answer) => {
            let found = answer.parse()?;
            if let Some(Err(error)) = cache.map(|cache| cache.keep(answer.bytes())) {
                complain(&format!("warning: no cache is left for when the server is away: {error}"));
            }
            Ok(found)
        }
        Err(ClientError::Unreachable { url, why }) if !arguments.no_cache => {
            match kept(cache.as_ref(), limit) {
                Ok((found, old)) => {
                    let ago = age(old);
                    complain(&format!(
                        "warning: {url} does not answer ({why}): the variables are those of {ago} ago"
                    ));
                    Ok(found)
                }
                Err(also) => {
                    Err(Failure::Failed(format!("{also}; {}", ClientError::Unreachable { url, why })))
                }
            }
        }
        Err(error) => Err(refusal(&api, error)),
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

/// What of a context goes into the program's environment, by the names that it has there.
fn injected<'a>(arguments: &Arguments, found: &'a Found) -> Result<BTreeMap<String, &'a str>, Failure> {
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
            complain(&format!(
                "warning: {variable} is not injected, as it decides what programs run: --allow {variable} does it"
            ));
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
