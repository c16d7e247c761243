//! What a scenario, or a check of a coordinator, came to: its findings, and what a person needs to understand them. The
//! stream of events carries it as it is.

use std::time::Instant;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::diagnosis::first_difference::FirstDifference;
use crate::diagnosis::run_trace::RunTrace;
use crate::outcome::{Finding, Outcome, of_findings};

/// A scenario's or a check's verdict and what it rests on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct CaseResult {
    pub id: String,
    pub title: String,
    pub clauses: Vec<String>,
    pub outcome: Outcome,
    pub took_ms: u64,
    /// Where it is written.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub place: Option<SourceLine>,
    pub findings: Vec<Finding>,
    /// All that is needed to understand a failure, as text; empty where nothing failed.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub failure_report: String,
    /// The command that runs it alone; empty where nothing failed.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub replay: String,
    /// What was seen of its runs; empty where there was none.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub traces: Vec<RunTrace>,
    /// Where the first of them differs from what it should have been, the earliest first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub differences: Vec<FirstDifference>,
}

/// A line of a scenario file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct SourceLine {
    pub file: String,
    /// From 1.
    pub line: usize,
}

impl CaseResult {
    /// The result that these findings make, of a case without a run.
    pub fn of_findings(id: &str, title: &str, clauses: &[String], findings: Vec<Finding>) -> CaseResult {
        CaseResult {
            id: id.to_owned(),
            title: title.to_owned(),
            clauses: clauses.to_vec(),
            outcome: of_findings(&findings),
            took_ms: 0,
            place: None,
            findings,
            failure_report: String::new(),
            replay: String::new(),
            traces: Vec::new(),
            differences: Vec::new(),
        }
    }

    /// As reports have it. Where nothing failed, there is nothing to run again, and no difference to be explained.
    pub fn reported(mut self, place: Option<SourceLine>, replay: String) -> CaseResult {
        self.place = place;
        match self.outcome.is_bad() {
            true => self.replay = replay,
            false => self.differences.clear(),
        }
        self
    }

    /// It took all the time since then.
    pub fn took_since(&mut self, began: Instant) {
        self.took_ms = u64::try_from(began.elapsed().as_millis()).unwrap_or(u64::MAX);
    }

    /// The findings that make it fail, or not count.
    pub fn bad(&self) -> impl Iterator<Item = &Finding> {
        self.findings.iter().filter(|finding| finding.outcome.is_bad())
    }

    /// Why it did not pass, in one line.
    pub fn reason(&self) -> String {
        let telling = |finding: &&Finding| finding.outcome == self.outcome;
        let Some(finding) = self.findings.iter().find(telling) else {
            return String::new();
        };
        let first = |text: &str| text.lines().next().unwrap_or_default().to_owned();
        match self.outcome {
            Outcome::Pass => String::new(),
            Outcome::NotApplicable => first(&finding.observed),
            // The last line is why that is known, and until when.
            Outcome::KnownFailure => {
                let known = finding.observed.lines().last().unwrap_or_default();
                format!("{}: {known}", finding.check)
            }
            Outcome::Fail | Outcome::Broken => format!(
                "{}: expected {}, observed {}",
                finding.check,
                first(&finding.expected),
                first(&finding.observed)
            ),
        }
    }
}
