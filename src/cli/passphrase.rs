//! `coffer passphrase`: another one for the same store.

use std::fs::File;
use std::io::{self, IsTerminal, Read};
use std::os::fd::AsFd;
use std::path::{Path, PathBuf};

use clap::{Args, Subcommand};
use nix::sys::signal::{Signal, raise};
use nix::sys::termios::{self, LocalFlags, SetArg, SpecialCharacterIndices as Special, Termios};
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
    let mut input = io::stdin().as_fd().try_clone_to_owned().map(File::from).map_err(Failure::io(doing))?;
    let unseen = Unseen::on(&input).map_err(Failure::io(doing))?;
    ask(question);
    let mut line = Zeroizing::new([0; LONGEST_LINE]);
    // A terminal gives one line at a time.
    let len = loop {
        match input.read(line.as_mut_slice()) {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            read => break read.map_err(Failure::io(doing))?,
        }
    };
    let line = &line[..len];
    let asked_to_end = line.last().and_then(|last| unseen.signal_of(*last));
    drop(unseen);
    complain("");
    if let Some(signal) = asked_to_end {
        raise(signal).map_err(|error| Failure::io(doing)(error.into()))?;
        // Where it is ignored.
        return Err(Failure::Failed("interrupted".into()));
    }
    let text = str::from_utf8(line).map_err(|_| Failure::Failed("what was entered is not UTF-8".into()))?;
    let text = Zeroizing::new(text.trim_end_matches(['\n', '\r']).to_owned());
    if text.is_empty() {
        Err(Failure::Failed("nothing was entered".into()))
    } else if text.contains(char::is_control) {
        Err(Failure::Failed("what was entered has a control character".into()))
    } else {
        Ok(text)
    }
}

/// What a terminal of Linux keeps of a line at most.
const LONGEST_LINE: usize = 4096;

/// A terminal that does not show what is typed, until this is dropped. It sends no signals meanwhile, which would end
/// this process and leave the terminal like that: the keys that ask for them end the line instead, and are its last
/// character.
struct Unseen {
    terminal: File,
    before: Termios,
}

impl Unseen {
    fn on(terminal: &File) -> io::Result<Unseen> {
        let before = termios::tcgetattr(terminal)?;
        let mut unseen = before.clone();
        unseen.local_flags.remove(LocalFlags::ECHO | LocalFlags::ISIG);
        unseen.control_chars[Special::VEOL as usize] = before.control_chars[Special::VINTR as usize];
        unseen.control_chars[Special::VEOL2 as usize] = before.control_chars[Special::VQUIT as usize];
        // What was typed too early is thrown away: it was seen.
        termios::tcsetattr(terminal, SetArg::TCSAFLUSH, &unseen)?;
        Ok(Unseen { terminal: terminal.try_clone()?, before })
    }

    /// The signal that the terminal sends for this character at other times.
    fn signal_of(&self, character: u8) -> Option<Signal> {
        let keys = [(Special::VINTR, Signal::SIGINT), (Special::VQUIT, Signal::SIGQUIT)];
        let is_key = |key: Special| self.before.control_chars[key as usize] == character && character != 0;
        let sends = self.before.local_flags.contains(LocalFlags::ISIG);
        keys.into_iter().find(|(key, _)| sends && is_key(*key)).map(|(_, signal)| signal)
    }
}

impl Drop for Unseen {
    fn drop(&mut self) {
        let _ = termios::tcsetattr(&self.terminal, SetArg::TCSANOW, &self.before);
    }
}
