//! The one stream that every report is folded from: what happened in a run of the harness, an event a line. Its
//! form has a version; its JSON Schema is checked in as `conformance/events.schema.json`.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::case_result::CaseResult;
use crate::diagnosis::first_difference::FirstDifference;
use crate::diagnosis::run_trace::RunTrace;
use crate::exit_codes::EndingSignal;
use crate::outcome::{Finding, Outcome};

/// The version of the form. It is raised when a reader of the old form would misread the new one; fields that are
/// added don't raise it, so a reader has to ignore what it does not know.
pub const VERSION: u32 = 2;

/// An event of a run. The first is `run-started`, the last `run-ended`; a stream without it was cut off.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "event", rename_all = "kebab-case")]
pub enum RunEvent {
    RunStarted(Box<RunStarted>),
    /// A scenario or a check was begun.
    CaseStarted {
        id: String,
    },
    /// A scenario or a check came to a verdict.
    CaseEnded(Box<CaseReport>),
    RunEnded(RunEnded),
}

/// What is run, and with what: all that it takes to run it again.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct RunStarted {
    /// The version of this form.
    pub version: u32,
    /// What was asked for: `run`, `replay`, `smoke`, `coordinator`.
    pub command: String,
    /// The version of the harness.
    pub harness: String,
    /// When it started, in UTC.
    pub at: String,
    /// Who is judged: the runner's name, or the coordinator's address.
    pub subject: String,
    /// The program under test with its leading arguments; empty for a coordinator.
    pub program: Vec<String>,
    /// A digest of the program's file, to tell builds apart.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub program_digest: Option<String>,
    /// What AQ_BIN named, where the runner was found by it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub aq_bin: Option<String>,
    /// The profile's file, where one was named.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub profile: Option<String>,
    /// The folder of the scenarios, where one was named.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub scenarios: Option<String>,
    /// How many run at a time.
    pub jobs: usize,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub shuffle: Option<u64>,
    /// The ids of what is to be run, in the order in which it is begun.
    pub cases: Vec<String>,
}

/// A scenario's or a check's verdict and what it rests on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct CaseReport {
    pub id: String,
    pub title: String,
    pub clauses: Vec<String>,
    pub outcome: Outcome,
    pub took_ms: u64,
    /// Where it is written.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub place: Option<SourceLine>,
    pub findings: Vec<CheckResult>,
    /// All that is needed to understand a failure, as text; empty where nothing failed.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub failure_report: String,
    /// The command that runs it alone; empty where nothing failed.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub replay: String,
    /// What was seen of its runs.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub traces: Vec<RunTrace>,
    /// Where the first of them differs from what it should have been, the earliest first; none where nothing failed.
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

/// The result of one check.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct CheckResult {
    pub check: String,
    pub clauses: Vec<String>,
    pub outcome: Outcome,
    pub expected: String,
    pub observed: String,
}

/// How the run ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct RunEnded {
    pub why: RunEndReason,
    pub took_ms: u64,
    /// The exit code of the harness.
    pub exit: u8,
}

/// Why a run ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum RunEndReason {
    /// All that was to be run was run.
    Complete,
    /// At the first failure, as was asked for.
    FailFast,
    /// By SIGINT, or the stream breaks off.
    Interrupted,
    /// By SIGTERM or SIGHUP.
    Terminated,
}

impl RunEndReason {
    /// The reason of a run that came to its end, or was asked to end before.
    pub fn of_stop(signal: Option<EndingSignal>) -> RunEndReason {
        match signal {
            None => RunEndReason::Complete,
            Some(EndingSignal::Interrupt) => RunEndReason::Interrupted,
            Some(EndingSignal::Terminate) => RunEndReason::Terminated,
        }
    }

    /// The signal that ended it.
    pub fn signal(self) -> Option<EndingSignal> {
        match self {
            RunEndReason::Complete | RunEndReason::FailFast => None,
            RunEndReason::Interrupted => Some(EndingSignal::Interrupt),
            RunEndReason::Terminated => Some(EndingSignal::Terminate),
        }
    }
}

impl CaseReport {
    /// The case that this verdict makes.
    pub fn of(verdict: CaseResult, place: Option<SourceLine>, replay: String) -> CaseReport {
        let failed = matches!(verdict.outcome, Outcome::Fail | Outcome::Broken);
        CaseReport {
            id: verdict.id,
            title: verdict.title,
            clauses: verdict.clauses,
            outcome: verdict.outcome,
            took_ms: u64::try_from(verdict.took.as_millis()).unwrap_or(u64::MAX),
            place,
            findings: verdict.findings.iter().map(CheckResult::of).collect(),
            failure_report: verdict.failure_report,
            replay: if failed { replay } else { String::new() },
            traces: verdict.traces,
            differences: if failed { verdict.differences } else { Vec::new() },
        }
    }

    /// The findings that make it fail, or not count.
    pub fn bad(&self) -> impl Iterator<Item = &CheckResult> {
        self.findings
            .iter()
            .filter(|finding| matches!(finding.outcome, Outcome::Fail | Outcome::Broken))
    }

    /// Why it did not pass, in one line.
    pub fn reason(&self) -> String {
        let telling = |finding: &&CheckResult| finding.outcome == self.outcome;
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

impl CheckResult {
    fn of(finding: &Finding) -> CheckResult {
        CheckResult {
            check: finding.check.to_owned(),
            clauses: finding.clauses.clone(),
            outcome: finding.outcome,
            expected: finding.expected.clone(),
            observed: finding.observed.clone(),
        }
    }
}

/// The JSON Schema of an event, as it is checked in.
pub fn schema() -> String {
    format!("{:#}\n", schemars::schema_for!(RunEvent).to_value())
}
