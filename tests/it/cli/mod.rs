//! The command line: what it prints, what it leaves, and how it ends.

mod config;
mod control;
mod environments;
mod init;
mod keys;
mod orgs;
mod serve;
mod usage;
