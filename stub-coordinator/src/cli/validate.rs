//! `validate FILE`: whether a scenario's coordinator, or a list of rules, could be armed; if not, where and why; if so,
//! which of them go behind others.

use std::path::Path;

use stub_coordinator::check_rules_file;

use super::LogWriter;
use super::control_commands::behind;
use super::stdout::say;
use crate::exit_codes::CommandFailure;

pub(super) fn run(file: &Path, log: &LogWriter) -> Result<(), CommandFailure> {
    let rules = check_rules_file(file).map_err(|error| CommandFailure::fails(error.to_string()))?;
    for rule in &rules {
        let line = rule.line.map_or(String::new(), |line| format!(":{line}"));
        for earlier in &rule.behind {
            let told = behind(rule.id.as_str(), earlier.as_str());
            log.line(format!("{}{line}: {told}", file.display()));
        }
    }
    let count = rules.len();
    Ok(say(&format!(
        "{}: {count} rules, all of which can fire",
        file.display()
    ))?)
}
