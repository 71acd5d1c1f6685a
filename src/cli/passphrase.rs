//! `coffer passphrase`: another one for the same store.

use std::fs::File;
use std::io::{self, BufRead, BufReader, IsTerminal};
use std::os::fd::AsFd;
use std::path::{Path, PathBuf};

use clap::{Args, Subcommand};
use nix::sys::termios::{self, LocalFlags, SetArg, Termios};
use zeroize::Zeroizing;

use crate::cli::failure::Failure;
use crate::cli::operator::carry_out;
use crate::cli::output::{ask, complain, say};
use crate::cli::starting::Start;
use crate::control::Command;
use crate::crypto::Passphrase;
use crate::secret_file;

/// `coffer passphrase`
#[derive(Subcommand)]
pub(super) enum Commands {
    /// Have another passphrase open the store
    Change(Change),
}

/// Arguments of `passphrase change`.
#[derive(Args)]
pub(super) struct Change {
    /// Where the present passphrase is, instead of a prompt
    #[arg(long, value_name = "FILE")]
    old_file: Option<PathBuf>,
    /// Where the new passphrase is, instead of a prompt
    #[arg(long, value_name = "FILE")]
    new_file: Option<PathBuf>,
}

pub(super) fn run(start: &Start, Commands::Change(change): &Commands) -> Result<(), Failure> {
    start.expect_store()?;
    let old = match &change.old_file {
        Some(file) => read(file)?,
        None => prompt("Present passphrase: ", "--old-file")?,
    };
    let new = match &change.new_file {
        Some(file) => read(file)?,
        None => prompt_twice()?,
    };
    // Before anything slow.
    Passphrase::from((*new).clone())
        .check_strength()
        .map_err(|_| Failure::Failed("the new passphrase has fewer than 12 characters".into()))?;
    if new == old {
        return Err(Failure::Failed("the new passphrase is the present one".into()));
    }
    carry_out(start, Command::PassphraseChange { old: old.into(), new: new.into() }, &mut |_| Ok(()))?;
    say("The new passphrase opens the store from now on, and the former one does not.\n\
         The configuration still has the former one, or names a file that does: write the new one there, \
         or the next start will fail. Backups made before open with the former one.")
}

fn read(path: &Path) -> Result<Zeroizing<String>, Failure> {
    secret_file::read_text(path)
        .map_err(|why| Failure::Failed(format!("the passphrase file {} {why}", path.display())))
}

fn prompt_twice() -> Result<Zeroizing<String>, Failure> {
    let new = prompt("New passphrase: ", "--new-file")?;
    let again = prompt("New passphrase, again: ", "--new-file")?;
    if new == again { Ok(new) } else { Err(Failure::Failed("the two are not the same".into())) }
}

/// Asks on a terminal for what is not to be seen on it.
fn prompt(question: &str, instead: &str) -> Result<Zeroizing<String>, Failure> {
    if !io::stdin().is_terminal() {
        return Err(Failure::Usage(format!("without a terminal to ask on, {instead} is needed")));
    }
    let doing = "ask for a passphrase";
    // Unbuffered by the library, whose buffer nobody wipes.
    let input = io::stdin().as_fd().try_clone_to_owned().map(File::from).map_err(Failure::io(doing))?;
    let _unseen = Unseen::on(&input).map_err(Failure::io(doing))?;
    ask(question);
    let mut text = Zeroizing::new(String::with_capacity(1024));
    // A terminal gives one line at a time.
    BufReader::new(input).read_line(&mut text).map_err(Failure::io(doing))?;
    complain("");
    let len = text.trim_end_matches(['\n', '\r']).len();
    text.truncate(len);
    if text.is_empty() { Err(Failure::Failed("nothing was entered".into())) } else { Ok(text) }
}

/// A terminal that does not show what is typed, until this is dropped.
struct Unseen {
    terminal: File,
    before: Termios,
}

impl Unseen {
    fn on(terminal: &File) -> io::Result<Unseen> {
        let before = termios::tcgetattr(terminal)?;
        let mut unseen = before.clone();
        unseen.local_flags.remove(LocalFlags::ECHO);
        // What was typed too early is thrown away: it was seen.
        termios::tcsetattr(terminal, SetArg::TCSAFLUSH, &unseen)?;
        Ok(Unseen { terminal: terminal.try_clone()?, before })
    }
}

impl Drop for Unseen {
    fn drop(&mut self) {
        let _ = termios::tcsetattr(&self.terminal, SetArg::TCSANOW, &self.before);
    }
}
