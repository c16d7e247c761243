//! `self-check`: a line for each fault that does not do what it says, and a count of all.

use stub_coordinator::{FaultCheck, self_check};

use super::stdout::say;
use crate::exit_codes::CommandFailure;

/// Checks all faults; an error where any is without effect.
pub(super) fn run() -> Result<(), CommandFailure> {
    let checked = self_check();
    let wrong = |one: &FaultCheck| Some(format!("{}: {}", one.rule, one.wrong.as_ref()?));
    let wrong: Vec<_> = checked.iter().filter_map(wrong).collect();
    let count = format!("{} faults checked, {} wrong", checked.len(), wrong.len());
    wrong.iter().chain([&count]).try_for_each(|line| say(line))?;
    match wrong.len() {
        0 => Ok(()),
        count => Err(CommandFailure::fails(format!(
            "{count} faults do not do what they say; don't trust what this stub shows"
        ))),
    }
}
