//! `coffer completions`, `coffer man`: what is said of the commands elsewhere, made of the same definitions.

use clap::{Args, Command};
use clap_complete::Shell;
use clap_mangen::Man;

use crate::cli::failure::Failure;
use crate::cli::output::say_exactly;

#[derive(Args)]
pub(super) struct Completions {
    /// The shell
    #[arg(value_enum)]
    shell: Shell,
}

#[derive(Args)]
pub(super) struct ManPage {
    /// A command, such as `run` or `keys create`; without one, coffer itself
    command: Vec<String>,
}

pub(super) fn completions(mut whole: Command, arguments: &Completions) -> Result<(), Failure> {
    let mut script = Vec::new();
    clap_complete::generate(arguments.shell, &mut whole, "coffer", &mut script);
    say_exactly(&String::from_utf8_lossy(&script))
}

pub(super) fn man_page(mut whole: Command, arguments: &ManPage) -> Result<(), Failure> {
    // Names the pages of commands after the whole, as `coffer-run`.
    whole.build();
    let mut of = &whole;
    for name in &arguments.command {
        of = of.find_subcommand(name).ok_or_else(|| {
            Failure::Usage(format!("there is no command `{}`", arguments.command.join(" ")))
        })?;
    }
    let mut page = Vec::new();
    Man::new(of.clone()).render(&mut page).map_err(Failure::io("write the page"))?;
    say_exactly(&String::from_utf8_lossy(&page))
}
