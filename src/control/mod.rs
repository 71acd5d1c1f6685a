//! The operator's commands: one implementation of each, and two ways to reach it.
//!
//! On a free store a command runs in the process that was asked; on a held one it travels through the
//! holder's socket and runs there. Whoever may write the store's files may command it, and nobody else: the
//! socket lies among those files, and no credential is needed.

mod audit;
mod checkup;
mod client;
mod command;
mod parts;
mod secret_text;
mod server;
mod socket;
mod upkeep;

pub use audit::{AuditAnswer, AuditCommand};
pub use checkup::{Finding, Verdict};
pub use client::{Unreachable, ask};
pub use command::{Command, CompactedRow, EnvironmentRow, KeyRow, NewKey, OrgRow, Outcome, Refusal, execute};
pub use parts::{Part, Parts, Progress, execute_here};
pub use secret_text::SecretText;
pub use server::{Listener, Server};
