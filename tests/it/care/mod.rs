//! The operator's care of a store: backups, the passphrase, keys, compaction, and what is found wrong.

mod backup;
mod compact;
mod doctor;
mod healing;
mod passphrase;
mod rotation;
mod upgrade;
