//! What the operator asks of the audit trail: a bounded piece at a time, so that neither side holds all of it.

use serde::{Deserialize, Serialize};

use crate::control::command::{Outcome, Refusal};
use crate::vault::{AuditHead, Vault};

/// A question about the trail, as it travels.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum AuditCommand {
    /// How far it reaches.
    Outline,
    /// Some of a chain's entries as lines.
    Lines {
        /// The chain.
        chain: String,
        /// The number of the entry before them; 0 for the beginning.
        after: u64,
        /// The number of the last that is wanted.
        last: u64,
    },
    /// Whether a part of a chain is as it was written.
    Verify {
        /// The chain.
        chain: String,
        /// The number of the entry before the part; 0 for the beginning.
        after: u64,
        /// Its hash.
        hash: String,
        /// The number of the last that is wanted.
        last: u64,
        /// Hashes of which it is to be said whether they are met.
        known: Vec<String>,
    },
}

/// An answer about the trail.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum AuditAnswer {
    /// How far it reaches.
    Outline {
        /// Each chain that has an entry.
        heads: Vec<AuditHead>,
        /// The last line of an export that reaches so far.
        end: String,
    },
    /// Lines.
    Lines(Vec<String>),
    /// How far a part was verified.
    Verified {
        /// The number of the last entry that was.
        seq: u64,
        /// Its hash.
        hash: String,
        /// How many were.
        entries: u64,
        /// The known hashes that were met.
        met: Vec<String>,
        /// What is wrong with the next one.
        fault: Option<String>,
    },
}

pub(super) async fn execute(vault: &Vault, command: AuditCommand) -> Result<Outcome, Refusal> {
    Ok(Outcome::Audit(match command {
        AuditCommand::Outline => {
            let outline = vault.audit_outline().await?;
            AuditAnswer::Outline { heads: outline.heads, end: outline.end }
        }
        AuditCommand::Lines { chain, after, last } => {
            AuditAnswer::Lines(vault.audit_lines(&chain, after, last).await?)
        }
        AuditCommand::Verify { chain, after, hash, last, known } => {
            let part = vault.verify_audit(&chain, after, &hash, last, &known).await?;
            AuditAnswer::Verified {
                seq: part.seq,
                hash: part.hash,
                entries: part.entries,
                met: part.met,
                fault: part.fault,
            }
        }
    }))
}
