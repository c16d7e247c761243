//! `self-check`: a line for each fault that does not do what it says, and a count of all.

use std::error::Error;

use stub_coordinator::{Checked, self_check};

/// Checks all faults; an error where any is without effect.
pub(super) fn run() -> Result<(), Box<dyn Error>> {
    let checked = self_check();
    let wrong = |one: &Checked| Some(format!("{}: {}", one.rule, one.wrong.as_ref()?));
    let wrong: Vec<_> = checked.iter().filter_map(wrong).collect();
    wrong.iter().for_each(|line| println!("{line}"));
    println!("{} faults checked, {} wrong", checked.len(), wrong.len());
    match wrong.len() {
        0 => Ok(()),
        count => {
            Err(format!("{count} faults do not do what they say; don't trust what this stub shows").into())
        }
    }
}
