//! `coffer doctor`, as far as it asks what the store holds.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::control::command::{Outcome, Refusal};
use crate::control::parts::{Part, Parts, Progress};
use crate::control::upkeep::blocking;
use crate::model::Timestamp;
use crate::store::Tree;
use crate::vault::{AuditHead, Checkup, Error, Examined, Opened, Rotation, Vault};

/// How much later than now a record may be: clocks are set back by as much while they are kept right.
const TOLERANCE: Duration = Duration::from_secs(5);
/// How long a store is well without a new backup.
const DAYS_WITHOUT_BACKUP: i64 = 7;

/// How something is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Verdict {
    /// As it should be.
    Ok,
    /// It works, and should be looked at.
    Warn,
    /// Something is broken, open to others, or about to fail.
    Bad,
}

impl Verdict {
    /// The word for it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Verdict::Ok => "ok",
            Verdict::Warn => "warn",
            Verdict::Bad => "bad",
        }
    }
}

/// What was found of one thing, and what to do about it, in one line.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Finding {
    /// What was looked at.
    pub check: String,
    /// How it is.
    pub status: Verdict,
    /// What was found.
    pub message: String,
}

impl Finding {
    /// A finding.
    pub fn new(check: &str, status: Verdict, message: impl Into<String>) -> Finding {
        let message = message.into().replace(['\n', '\r'], " ");
        Finding { check: check.into(), status, message }
    }
}

pub(super) async fn check_up(opened: &Opened, alone: bool, parts: &Parts) -> Result<Outcome, Refusal> {
    let (looked, told) = (opened.clone(), parts.clone());
    let work = move || {
        looked.check_up(&mut |done, total| {
            let progress = Progress { of: "records".into(), done, total };
            // Whoever is slow to look misses some.
            let _ = told.try_send(Part::Progress(progress));
        })
    };
    let mut findings = Vec::new();
    match blocking(work).await {
        Ok(Checkup { records, audit, newest }) => {
            let holds = records.is_ok() && audit.is_ok();
            findings.extend([
                store(records, opened.vault.is_writable()),
                index(opened, alone, holds).await,
                self::audit(audit),
                clock(newest, Timestamp::now()),
            ]);
        }
        Err(refusal) => findings.push(Finding::new("store", Verdict::Bad, advised(&refusal.message))),
    }
    let vault = &opened.vault;
    findings.push(unless_unreadable("data_keys", data_keys(vault).await));
    findings.push(unless_unreadable("backup", backup(vault).await));
    Ok(Outcome::CheckedUp(findings))
}

fn unless_unreadable(check: &str, found: Result<Finding, Error>) -> Finding {
    found.unwrap_or_else(|error| Finding::new(check, Verdict::Bad, error.to_string()))
}

fn advised(what: &str) -> String {
    format!("{what}; keep a copy of the directory, and restore a backup into an empty one")
}

fn store(records: Result<Examined, (Error, u64)>, is_writable: bool) -> Finding {
    match records {
        Err((error, 0)) => Finding::new("store", Verdict::Bad, advised(&error.to_string())),
        Err((error, more)) => {
            let what = format!("{error}; {more} more do not hold either");
            Finding::new("store", Verdict::Bad, advised(&what))
        }
        Ok(_) if !is_writable => {
            let why = "it takes no writes: its log says why; find room or mend the disk, then start the server anew";
            Finding::new("store", Verdict::Bad, why)
        }
        Ok(found) => {
            let (records, sealed) = (found.total(), found.sealed);
            let values = found.count(Tree::Values) + found.count(Tree::ValueVersions);
            let message = format!(
                "base and journal are whole: {records} records besides the audit trail, {values} values and former \
                 versions, {sealed} of them sealed, each opened"
            );
            Finding::new("store", Verdict::Ok, message)
        }
    }
}

async fn index(opened: &Opened, alone: bool, holds: bool) -> Finding {
    if !holds {
        // Built anew, it would have what is wrong there, where it may be the last to have what is right.
        return Finding::new("index", Verdict::Warn, "not compared with base and journal, which do not hold");
    }
    if !alone {
        let why =
            "in use; whatever broken is met is built anew. Compared with base and journal on a stopped store";
        return Finding::new("index", Verdict::Ok, why);
    }
    let engine = opened.engine.clone();
    match blocking(move || engine.check_index()).await {
        Ok(None) => Finding::new("index", Verdict::Ok, "it has what base and journal have"),
        Ok(Some(why)) => {
            let message = format!("it differs from base and journal: {why}; the next start builds it anew");
            Finding::new("index", Verdict::Bad, message)
        }
        Err(refusal) => Finding::new("index", Verdict::Bad, advised(&refusal.message)),
    }
}

fn audit(trail: Result<(u64, Vec<AuditHead>), Error>) -> Finding {
    match trail {
        Err(error) => {
            let message =
                format!("{error}; compare with an earlier export or backup (`coffer audit verify FILE`)");
            Finding::new("audit", Verdict::Bad, message)
        }
        Ok((entries, heads)) => {
            let store = heads.iter().find(|head| head.chain == "store");
            let head = store.map(|head| format!("; the store's ends with entry {}, {}", head.seq, head.hash));
            let head = head.unwrap_or_default();
            let message =
                format!("{entries} entries in {} chains, each bound to those before it{head}", heads.len());
            Finding::new("audit", Verdict::Ok, message)
        }
    }
}

fn clock(newest: Option<Timestamp>, now: Timestamp) -> Finding {
    match newest {
        Some(newest) if newest > now.after(TOLERANCE) => {
            let message = format!(
                "this machine says {now}, but something was written at {newest}: set the clock, or know that it was \
                 ahead then"
            );
            Finding::new("clock", Verdict::Bad, message)
        }
        _ => Finding::new("clock", Verdict::Ok, format!("nothing was written later than now, {now}")),
    }
}

async fn data_keys(vault: &Vault) -> Result<Finding, Error> {
    let Rotation { is_running, done, total, .. } = vault.rotation();
    let retiring = vault.count_retiring().await?;
    Ok(if retiring == 0 {
        Finding::new("data_keys", Verdict::Ok, "each organization has one")
    } else if is_running {
        let message =
            format!("new ones take over: {done} of {total} values and former versions are looked at");
        Finding::new("data_keys", Verdict::Ok, message)
    } else {
        unfinished(retiring)
    })
}

fn unfinished(organizations: usize) -> Finding {
    let they = if organizations == 1 { "organization still has" } else { "organizations still have" };
    let message = format!(
        "{organizations} {they} values that a former key sealed: a running server goes on within seconds, \
         or says in its log why it cannot; else its next start goes on"
    );
    Finding::new("data_keys", Verdict::Warn, message)
}

async fn backup(vault: &Vault) -> Result<Finding, Error> {
    let Some(last) = vault.last_backup().await? else {
        let message = "none is known: make one with `coffer backup create`";
        return Ok(Finding::new("backup", Verdict::Warn, message));
    };
    let days = (Timestamp::now().seconds() - last.seconds()) / (24 * 60 * 60);
    Ok(if days >= DAYS_WITHOUT_BACKUP {
        let message =
            format!("the last was begun {days} days ago, {last}: make one with `coffer backup create`");
        Finding::new("backup", Verdict::Warn, message)
    } else {
        Finding::new("backup", Verdict::Ok, format!("the last was begun {last}"))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_organization_is_told_of_as_one() {
        assert!(unfinished(1).message.starts_with("1 organization still has values "));
        assert!(unfinished(2).message.starts_with("2 organizations still have values "));
    }

    #[test]
    fn a_record_of_the_future_is_told_but_not_one_of_a_moment_ahead() {
        let now = Timestamp::from_seconds(1_800_000_000);
        let status = |newest| clock(newest, now).status;
        assert_eq!(status(None), Verdict::Ok);
        assert_eq!(status(Some(now.after(Duration::from_secs(4)))), Verdict::Ok);
        assert_eq!(status(Some(now.after(Duration::from_secs(6)))), Verdict::Bad);
    }

    #[test]
    fn a_finding_is_one_line() {
        assert_eq!(Finding::new("store", Verdict::Bad, "one\ntwo").message, "one two");
    }
}
