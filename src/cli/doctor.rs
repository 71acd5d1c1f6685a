//! `coffer doctor`: what is wrong, or soon will be, and what to do about it. What cannot be looked at keeps nothing
//! else from being told.

mod files;

use std::net::ToSocketAddrs;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::Args;

use crate::cli::failure::Failure;
use crate::cli::operator::this_user;
use crate::cli::output::{say, say_json};
use crate::cli::progress::ProgressLine;
use crate::cli::starting::Start;
use crate::config::{Config, DEFAULT_FILE, Overrides};
use crate::control::Verdict::{Bad, Ok as Well, Warn};
use crate::control::{self, Command, Finding, Outcome, Part, Unreachable};
use crate::http::{self, Tls};
use crate::model::Timestamp;
use crate::store::embedded::{Embedded, OpenError};
use crate::telemetry::{self, LogFormat, LogLevel};
use crate::vault::{self, Contents, OpeningError};

/// How long a healing is a reason to look at the disk.
const DAYS_AFTER_HEALING: i64 = 30;

/// Arguments of `doctor`.
#[derive(Args)]
pub(super) struct Arguments {
    /// Print JSON
    #[arg(long)]
    json: bool,
}

/// Where the configuration is from.
pub(super) struct Place {
    pub(super) file: Option<PathBuf>,
    pub(super) data: Option<PathBuf>,
    pub(super) log_format: Option<LogFormat>,
}

pub(super) fn run(place: &Place, arguments: &Arguments) -> Result<ExitCode, Failure> {
    let overrides = || Overrides { listen: None, data: place.data.clone() };
    let loaded = Start::load(place.file.as_deref(), overrides(), place.log_format);
    let format = match &loaded {
        Ok(start) => start.config.log.format,
        Err(_) => place.log_format.unwrap_or_default(),
    };
    // Dropped at the end, as that of any other command.
    let _log = telemetry::init(format, LogLevel::Warn).map_err(|error| Failure::Failed(error.to_string()))?;
    let findings = match loaded {
        Ok(start) => of_configured(&start, place),
        Err(failure) => {
            let dir = Config::storage_path(place.file.as_deref(), overrides(), std::env::vars_os()).ok();
            of_misconfigured(&failure, place, dir.or_else(|| place.data.clone()).as_deref())
        }
    };
    if arguments.json {
        say_json(&findings)?;
    } else {
        let width = findings.iter().map(|finding| finding.check.len()).max().unwrap_or(0);
        for Finding { check, status, message } in &findings {
            say(&format!("{:<4}  {check:<width$}  {message}", status.as_str()))?;
        }
    }
    let is_bad = findings.iter().any(|finding| finding.status == Bad);
    Ok(if is_bad { ExitCode::FAILURE } else { ExitCode::SUCCESS })
}

fn of_configured(start: &Start, place: &Place) -> Vec<Finding> {
    let dir = start.dir();
    let (config, key) = config(start, place);
    let asked = ask(dir);
    let passphrase = passphrase(start, asked.is_held());
    let keyring = keyring(start);
    let opens = keyring.as_ref().is_some_and(|finding| finding.status == Well);
    let secrets = [start.config.encryption.passphrase_place.file(), key.as_deref()];
    let permissions = files::permissions(Some(dir), secrets.into_iter().flatten());
    let store = match asked {
        Asked::Answered(findings) => findings,
        Asked::Free if opens => here(start),
        Asked::Free => vec![unopened(dir)],
    };
    [config, permissions, passphrase]
        .into_iter()
        .chain(keyring)
        .chain(files::disk(dir))
        .chain(store)
        .chain(healing(dir))
        .collect()
}

/// What can be told without a configuration, of the store that it would have named.
fn of_misconfigured(failure: &Failure, place: &Place, dir: Option<&Path>) -> Vec<Finding> {
    let mut findings = vec![Finding::new("config", Bad, failure.to_string())];
    // It may have the passphrase in it.
    let file = place.file.clone().unwrap_or_else(|| DEFAULT_FILE.into());
    findings.push(files::permissions(dir, std::iter::once(file.as_path())));
    let Some(dir) = dir else {
        let message =
            "not looked at: the configuration does not say where it is; name its directory with --data";
        findings.push(Finding::new("store", Warn, message));
        return findings;
    };
    findings.extend(files::disk(dir));
    findings.extend(match ask(dir) {
        Asked::Answered(found) => found,
        Asked::Free => vec![unopened(dir)],
    });
    findings.extend(healing(dir));
    findings
}

/// The configuration, and the file of a private key that it names.
fn config(start: &Start, place: &Place) -> (Finding, Option<PathBuf>) {
    let config = &start.config;
    let finding = |status, message: String| Finding::new("config", status, message);
    let key = config.server.tls.as_ref().map(|files| files.key.clone());
    if let Some(files) = &config.server.tls
        && let Err(error) = Tls::load(&files.certificate, &files.key)
    {
        return (finding(Bad, error.to_string()), key);
    }
    let addresses: Vec<_> = match config.server.listen.to_socket_addrs() {
        Ok(addresses) => addresses.collect(),
        Err(error) => {
            return (finding(Bad, format!("cannot listen on {}: {error}", config.server.listen)), key);
        }
    };
    if let Err(error) = config.check_listening(&config.server.listen, &addresses) {
        return (finding(Bad, error.to_string()), key);
    }
    if addresses.iter().any(|address| config.is_plaintext_beyond(address)) {
        let why = "plain HTTP beyond this machine (server.allow_plaintext): see that something else protects the way";
        return (finding(Warn, why.into()), key);
    }
    let file = place.file.clone().unwrap_or_else(|| DEFAULT_FILE.into());
    let said = match file.exists() {
        true => format!("{} is valid", file.display()),
        false => "there is no file: defaults and the environment".into(),
    };
    (finding(Well, said), key)
}

fn passphrase(start: &Start, is_held: bool) -> Finding {
    let finding = |status, message: &str| Finding::new("passphrase", status, message);
    let Some(passphrase) = &start.config.encryption.passphrase else {
        let why = OpeningError::NoPassphrase.to_string();
        return match is_held {
            true => finding(Warn, &format!("{why}, unless the server is given one in another way")),
            false => finding(Bad, &why),
        };
    };
    if start.config.has_sample_passphrase() {
        return finding(Bad, "it is the sample, which everyone knows: `coffer passphrase change`");
    }
    match passphrase.check_strength() {
        Ok(()) => finding(Well, "it is long enough for a new store"),
        Err(weak) => finding(Bad, &format!("{weak}: `coffer passphrase change`")),
    }
}

/// Whether the passphrase opens the keyring; nothing where there is no passphrase or no store.
fn keyring(start: &Start) -> Option<Finding> {
    let passphrase = start.config.encryption.passphrase.as_ref()?;
    if matches!(vault::contents(start.dir()), Ok(Contents::Nothing)) {
        return None;
    }
    Some(match vault::check_keyring(start.dir(), passphrase) {
        Ok(()) => Finding::new("keyring", Well, "the passphrase opens it"),
        Err(error) => Finding::new("keyring", Bad, Failure::from(error).to_string()),
    })
}

/// What a server that may hold the store says of it.
enum Asked {
    /// Somebody holds it, and answered, or should have.
    Answered(Vec<Finding>),
    /// Nobody holds it.
    Free,
}

impl Asked {
    fn is_held(&self) -> bool {
        matches!(self, Asked::Answered(_))
    }
}

fn bad_store(message: impl ToString) -> Vec<Finding> {
    vec![Finding::new("store", Bad, message.to_string())]
}

fn ask(dir: &Path) -> Asked {
    let mut line = ProgressLine::new();
    let asked = control::ask(dir, &Command::CheckUp { alone: false }, &mut |part| show(&mut line, &part));
    match asked {
        Ok(Ok(Outcome::CheckedUp(findings))) => Asked::Answered(findings),
        Ok(Ok(_)) => Asked::Answered(bad_store("the server answered something else than was asked")),
        Ok(Err(refusal)) => Asked::Answered(bad_store(refusal)),
        Err(Unreachable::Silent(_)) => Asked::Free,
        Err(error) => Asked::Answered(bad_store(error)),
    }
}

fn show(line: &mut ProgressLine, part: &Part) -> Result<(), String> {
    if let Part::Progress(progress) = part {
        line.show(progress);
    }
    Ok(())
}

/// Opens the store, and looks at it here.
fn here(start: &Start) -> Vec<Finding> {
    let mut line = ProgressLine::new();
    let looked = http::block_on(async {
        let opened = start.open().await?;
        let command = Command::CheckUp { alone: true };
        let outcome =
            control::execute_here(&opened, this_user(), command, &mut |part| show(&mut line, &part)).await;
        opened.engine.close().map_err(OpeningError::from)?;
        Ok::<_, Failure>(outcome?)
    });
    match looked {
        Ok(Outcome::CheckedUp(findings)) => findings,
        Ok(_) => bad_store("something else was looked at than was asked"),
        Err(failure) => bad_store(failure),
    }
}

/// What can be told of a store without its keys.
fn unopened(dir: &Path) -> Finding {
    match Embedded::check_files(dir) {
        Ok(last) => {
            let message = format!(
                "base and journal are whole, up to commit {}; what they hold needs the passphrase",
                last.0
            );
            Finding::new("store", Well, message)
        }
        Err(error @ OpenError::Missing(_)) => {
            Finding::new("store", Bad, format!("{error}: make one with `coffer init`"))
        }
        Err(error) => Finding::new("store", Bad, Failure::from(error).to_string()),
    }
}

/// What was made anew last. After the store was opened, which may just have done so.
fn healing(dir: &Path) -> Option<Finding> {
    if !dir.exists() {
        return None;
    }
    let Some(healing) = Embedded::last_healing(dir) else {
        return Some(Finding::new("healing", Well, "nothing broken was ever met"));
    };
    let age = healing.at.parse::<Timestamp>().map_or(0, |at| Timestamp::now().seconds() - at.seconds());
    let (at, found) = (&healing.at, &healing.found);
    Some(if age < DAYS_AFTER_HEALING * 24 * 60 * 60 {
        let message =
            format!("{at}: {found}. Nothing was lost by that; look whether disk and memory are sound");
        Finding::new("healing", Warn, message)
    } else {
        Finding::new("healing", Well, format!("the last was {at}: {found}"))
    })
}
