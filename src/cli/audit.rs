//! `coffer audit`: the trail as a file, and whether it is as it was written.

use std::fs::{self, File, OpenOptions};
use std::io::{BufRead, BufReader, BufWriter, Read, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use clap::Subcommand;
use serde::Serialize;

use crate::cli::failure::Failure;
use crate::cli::operator::Operated;
use crate::cli::output::{say_json, say_table};
use crate::cli::own_files::expect_elsewhere;
use crate::cli::starting::Start;
use crate::control::{AuditAnswer, AuditCommand, Command, Outcome};
use crate::vault::{self, AuditHead, ExportCheck};

/// `coffer audit`
#[derive(Subcommand)]
pub(super) enum Audit {
    /// Write the audit trail to a file, a line of JSON for each entry
    Export {
        /// The file, which must not exist
        file: PathBuf,
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
    /// Verify that the audit trail of the store, or an exported file, is as it was written
    Verify {
        /// An exported file, instead of the store
        file: Option<PathBuf>,
        /// A hash that was seen before, which must be in the trail; may be given several times
        #[arg(long, value_name = "HASH", value_parser = hash)]
        head: Vec<String>,
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
}

/// The longest line that an export may have; ours are shorter by far.
const MAX_LINE_BYTES: u64 = 64 * 1024;

fn hash(text: &str) -> Result<String, &'static str> {
    let valid = text.len() == 64 && text.bytes().all(|digit| matches!(digit, b'0'..=b'9' | b'a'..=b'f'));
    if valid { Ok(text.into()) } else { Err("must be 64 lower-case hex digits") }
}

/// A chain, as the command shows it.
#[derive(Serialize)]
struct ChainRow {
    chain: String,
    entries: u64,
    seq: u64,
    hash: String,
}

pub(super) fn run(start: &Start, command: Audit) -> Result<(), Failure> {
    match command {
        Audit::Export { file, json } => write(&export(start, &file)?, json),
        Audit::Verify { file: Some(file), head, json } => write(&verify_file(start, &file, &head)?, json),
        Audit::Verify { file: None, head, json } => write(&verify_store(start, &head)?, json),
    }
}

fn write(rows: &[ChainRow], json: bool) -> Result<(), Failure> {
    if json {
        return say_json(&rows);
    }
    let numbers: Vec<_> = rows.iter().map(|row| (row.entries.to_string(), row.seq.to_string())).collect();
    let cells: Vec<_> = rows
        .iter()
        .zip(&numbers)
        .map(|(row, (entries, seq))| [row.chain.as_str(), entries, seq, &row.hash])
        .collect();
    say_table(["CHAIN", "ENTRIES", "HEAD", "HASH"], &cells)
}

fn outline(operated: &Operated<'_>) -> Result<(Vec<AuditHead>, String), Failure> {
    match operated.ask(Command::Audit(AuditCommand::Outline))? {
        Outcome::Audit(AuditAnswer::Outline { heads, end }) => Ok((heads, end)),
        _ => Err(unexpected()),
    }
}

fn export(start: &Start, path: &Path) -> Result<Vec<ChainRow>, Failure> {
    expect_elsewhere(start.dir(), path)?;
    let doing = format!("write {}", path.display());
    // Refused where it exists; what is in it is for nobody else.
    let file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path);
    let file = file.map_err(Failure::io(&doing))?;
    let exported = Operated::with(start, |operated| {
        let mut out = BufWriter::new(&file);
        let rows = export_to(operated, &mut out, &doing)?;
        out.flush().and_then(|()| file.sync_all()).map_err(Failure::io(&doing))?;
        Ok(rows)
    });
    if exported.is_err() {
        // Half an export is of no use; where it cannot be removed, its missing end tells.
        let _ = fs::remove_file(path);
    }
    exported
}

fn export_to(operated: &Operated<'_>, out: &mut impl Write, doing: &str) -> Result<Vec<ChainRow>, Failure> {
    let (heads, end) = outline(operated)?;
    let mut rows = Vec::with_capacity(heads.len());
    for AuditHead { chain, seq, hash } in heads {
        let (mut after, mut entries) = (0, 0);
        while after < seq {
            let command = AuditCommand::Lines { chain: chain.clone(), after, last: seq };
            let Outcome::Audit(AuditAnswer::Lines(lines)) = operated.ask(Command::Audit(command))? else {
                return Err(unexpected());
            };
            let mut last = None;
            for line in &lines {
                writeln!(out, "{line}").map_err(Failure::io(doing))?;
                let told: Told = serde_json::from_str(line).map_err(|_| unexpected())?;
                entries += u64::from(told.seq.is_some());
                last = told.seq.or(last);
            }
            let Some(last) = last else {
                let next = after + 1;
                return Err(Failure::Failed(format!("entry {next} of chain {chain} was removed")));
            };
            after = last;
        }
        rows.push(ChainRow { chain, entries, seq, hash });
    }
    writeln!(out, "{end}").map_err(Failure::io(doing))?;
    Ok(rows)
}

/// What is looked at in a line on its way.
#[derive(serde::Deserialize)]
struct Told {
    seq: Option<u64>,
}

fn verify_store(start: &Start, known: &[String]) -> Result<Vec<ChainRow>, Failure> {
    let mut missing = known.to_vec();
    let rows = Operated::with(start, |operated| {
        let mut rows = Vec::new();
        for AuditHead { chain, seq, hash } in outline(operated)?.0 {
            let mut row = ChainRow { chain, entries: 0, seq: 0, hash: String::new() };
            while row.seq < seq {
                let command = AuditCommand::Verify {
                    chain: row.chain.clone(),
                    after: row.seq,
                    hash: row.hash.clone(),
                    last: seq,
                    known: missing.clone(),
                };
                let Outcome::Audit(AuditAnswer::Verified { seq, hash, entries, met, fault }) =
                    operated.ask(Command::Audit(command))?
                else {
                    return Err(unexpected());
                };
                if let Some(fault) = fault {
                    return Err(Failure::Failed(fault));
                }
                missing.retain(|hash| !met.contains(hash));
                row = ChainRow { chain: row.chain, entries: row.entries + entries, seq, hash };
            }
            if row.hash != hash {
                return Err(Failure::Failed(format!("entry {seq} of chain {} was changed", row.chain)));
            }
            rows.push(row);
        }
        Ok(rows)
    })?;
    check_reached(&missing)?;
    Ok(rows)
}

fn verify_file(start: &Start, path: &Path, known: &[String]) -> Result<Vec<ChainRow>, Failure> {
    let doing = format!("read {}", path.display());
    let mut file = BufReader::new(File::open(path).map_err(Failure::io(&doing))?);
    let mut check = ExportCheck::new(vault::audit_linker(start.dir(), start.passphrase()?)?);
    let mut missing = known.to_vec();
    for number in 1_u64.. {
        let mut line = Vec::new();
        let read = file.by_ref().take(MAX_LINE_BYTES).read_until(b'\n', &mut line);
        if read.map_err(Failure::io(&doing))? == 0 {
            break;
        }
        let text = std::str::from_utf8(&line).unwrap_or_default();
        // Every line that was written whole has an end.
        let text = text.strip_suffix('\n').unwrap_or_default();
        let met = check
            .line(text)
            .map_err(|fault| Failure::Failed(format!("line {number} of {}: {fault}", path.display())))?;
        missing.retain(|hash| Some(hash) != met.as_ref());
    }
    let chains = check.finish().map_err(|fault| Failure::Failed(format!("{}: {fault}", path.display())))?;
    check_reached(&missing)?;
    let row = |chain: vault::VerifiedChain| ChainRow {
        chain: chain.chain,
        entries: chain.entries,
        seq: chain.seq,
        hash: chain.hash,
    };
    Ok(chains.into_iter().map(row).collect())
}

fn check_reached(missing: &[String]) -> Result<(), Failure> {
    match missing.first() {
        Some(hash) => {
            let why = "it was cut off before it, it was pruned since, or it is another store's";
            Err(Failure::Failed(format!("the head {hash} is not in the trail: {why}")))
        }
        None => Ok(()),
    }
}

fn unexpected() -> Failure {
    Failure::Failed("the running server answered something else: is it of another release?".into())
}
