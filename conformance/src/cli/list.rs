//! `conformance list`: which scenarios there are, and what they prove.

use conformance::exit_codes::HarnessExit;
use conformance::printable_text::error_chain;
use conformance::printable_text::escape_control;
use conformance::stdio;
use conformance::suite_selection::SuiteSelection;

/// Prints the scenarios with the clauses that they prove.
pub(super) fn list(globs: &[String], selection: &SuiteSelection) -> Result<HarnessExit, HarnessExit> {
    let found = selection.select(globs)?;
    let width = found.iter().map(|found| found.id.len()).max().unwrap_or(0);
    let mut text = String::new();
    let mut exit = HarnessExit::Holds;
    for found in &found {
        match found.read() {
            Ok(scenario) => {
                text.push_str(&format!(
                    "{:width$}  {} [{}]\n",
                    escape_control(&found.id),
                    escape_control(&scenario.title),
                    scenario.clauses.join(" ")
                ));
            }
            Err(error) => {
                stdio::say(error_chain(&error));
                exit = HarnessExit::Inconclusive;
            }
        }
    }
    stdio::write_stdout(&text);
    Ok(exit)
}
