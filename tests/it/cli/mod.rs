//! The command line: what it prints, what it leaves, and how it ends.

mod config;
mod control;
mod environments;
mod health;
mod init;
mod keys;
mod orgs;
mod secret_files;
mod serve;
mod usage;
