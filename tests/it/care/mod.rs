//! The operator's care of a store: backups, the passphrase, keys, compaction, and what is found wrong.

mod backup;
mod compact;
mod passphrase;
mod rotation;
mod upgrade;
