//! What a scenario, or a check of a coordinator, came to: its findings, and what a person needs to understand them.

use std::time::Duration;

use crate::diagnosis::first_difference::FirstDifference;
use crate::diagnosis::run_trace::RunTrace;
use crate::outcome::{Finding, Outcome, of_findings};

/// The result of one scenario.
#[derive(Debug, Clone)]
pub struct CaseResult {
    pub id: String,
    pub title: String,
    pub clauses: Vec<String>,
    pub outcome: Outcome,
    pub findings: Vec<Finding>,
    pub took: Duration,
    /// All that is needed to understand a failure, as text; empty where nothing failed.
    pub failure_report: String,
    /// What was seen of its runs; empty where there was none.
    pub traces: Vec<RunTrace>,
    /// Where the run differs from what it should have been, the earliest first.
    pub differences: Vec<FirstDifference>,
}

impl CaseResult {
    /// The result that these findings make, of a case without a run.
    pub fn of_findings(id: &str, title: &str, clauses: &[String], findings: Vec<Finding>) -> CaseResult {
        CaseResult {
            id: id.to_owned(),
            title: title.to_owned(),
            clauses: clauses.to_vec(),
            outcome: of_findings(&findings),
            findings,
            took: Duration::ZERO,
            failure_report: String::new(),
            traces: Vec::new(),
            differences: Vec::new(),
        }
    }
}
