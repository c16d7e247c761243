//! `validate FILE`: whether a scenario's coordinator, or a list of rules, could be armed; if not, where and why.

use std::error::Error;
use std::path::Path;

use stub_coordinator::check_rules_file;

pub(super) fn run(file: &Path) -> Result<(), Box<dyn Error>> {
    let count = check_rules_file(file)?;
    println!("{}: {count} rules, all of which can fire", file.display());
    Ok(())
}
