//! The one stream that every report is folded from: what happened in a run of the harness, an event a line. Its
//! form has a version; its JSON Schema is checked in as `conformance/events.schema.json`.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::case_result::CaseResult;
use crate::exit_codes::EndingSignal;

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
    CaseEnded(Box<CaseResult>),
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
    /// How many scenarios that folder holds, or the harness where no folder was named; of `run` and `replay`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub scenarios_found: Option<usize>,
    /// How many run at a time.
    pub jobs: usize,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub shuffle: Option<u64>,
    /// The ids of what is to be run, in the order in which it is begun.
    pub cases: Vec<String>,
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
