//! `aq man`: the manual pages, from the same texts as `--help`.

use std::io::{Write, stdout};

use super::command;
use super::error::CliError;
use crate::exit_codes::ProgramExit;

pub(super) fn print(name: Option<&str>) -> Result<ProgramExit, CliError> {
    let whole = command();
    let page = match name {
        None => whole.clone(),
        Some(name) => {
            let found = whole
                .find_subcommand(name)
                .filter(|found| found.get_name() != "help");
            found
                .cloned()
                .ok_or_else(|| CliError::Refused(format!("aq has no command `{name}`: see `aq --help`")))?
        }
    };
    let mut text = Vec::new();
    clap_mangen::Man::new(page).render(&mut text)?;
    stdout().write_all(&text)?;
    Ok(ProgramExit::Done)
}
