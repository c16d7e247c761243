//! Why a job is where it is: a code that programs decide by, and a sentence for people (docs/runner-contract.md, "Reasons").
//!
//! Nothing compares a sentence, so a detail may change its words at any time; a code never does.

use std::fmt;

use serde::{Deserialize, Serialize};

/// Declares the codes once, so that no list of them can miss one.
macro_rules! reason_codes {
    ($($(#[doc = $meaning:literal])+ $code:ident,)+) => {
        /// The codes of the contract.
        #[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
        #[serde(rename_all = "snake_case")]
        pub(crate) enum ReasonCode {
            $($(#[doc = $meaning])+ $code,)+
            /// Written by another version: kept and shown as it is.
            #[serde(untagged)]
            Unknown(String),
        }

        #[cfg(test)]
        const CODES: &[ReasonCode] = &[$(ReasonCode::$code),+];
    };
}

reason_codes! {
    /// The engine ended with another exit code than 0.
    ExitCode,
    /// The engine died by a signal.
    Signal,
    /// The engine ran into `timeout`.
    Timeout,
    /// The engine printed nothing for `idle_timeout`.
    Idle,
    /// The engine told an error of its own, in spite of exit code 0.
    EngineError,
    /// The engine could not be started.
    NotStarted,
    /// `verify` did not end with exit code 0.
    VerifyFailed,
    /// `ship` did not end with exit code 0.
    ShipFailed,
    /// The runner ended, or was killed, before the attempt did.
    Interrupted,
    /// A person gave the job up.
    Cancelled,
    /// The engine is used up; it pauses.
    UsageLimit,
    /// The engine can't work on any job now; it pauses.
    EnginePaused,
    /// The host had run out of something.
    HostTrouble,
    /// What lies in the inbox, or came from the coordinator, is no job.
    JobInvalid,
    /// A job of that name is past the inbox.
    IdTaken,
    /// The file belongs to another user, or another user can write it.
    ForeignFile,
    /// This factory has no such engine.
    EngineMissing,
    /// This factory lacks a capability.
    CapsMissing,
    /// The folder of a routed job is none.
    CwdMissing,
    /// `[route]` does not allow the engine.
    EngineNotAllowed,
    /// `[route]` does not allow `verify` or `ship`.
    CommandNotAllowed,
    /// `[route]` does not allow `yolo`.
    YoloNotAllowed,
    /// `[route]` does not allow the folder.
    CwdNotAllowed,
    /// `ship` was started, and nobody knows how it ended: never simply run again.
    ShipUnknown,
    /// The lease was lost while the job was worked on.
    LeaseLost,
    /// The lease was given back, so that another factory can have the job.
    LeaseReleased,
    /// The supervisor of a command under a lease was lost.
    SupervisorLost,
    /// Something may be alive that can't be proven to be the job's.
    OrphanUnproven,
    /// The job, or its record, is not what was taken into work.
    ChangedInWork,
    /// A link lies where the job's output belongs.
    LinkInQueue,
    /// The record of the job, or its file, can't be worked with.
    RecordDamaged,
    /// The queue had finished the job before the coordinator assigned it.
    FinishedBefore,
    /// The coordinator had finished the job when it was to be taken back.
    FinishedElsewhere,
    /// The coordinator has the job, or may have it.
    HandedOver,
}

/// A code with the sentence that goes along, if there is more to say.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct JobReason {
    #[serde(rename = "reason")]
    pub(crate) code: ReasonCode,
    /// What more there is to say, for people.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) detail: Option<String>,
}

impl ReasonCode {
    pub(crate) fn with(self, detail: impl Into<String>) -> JobReason {
        JobReason {
            code: self,
            detail: Some(detail.into()),
        }
    }
}

impl From<ReasonCode> for JobReason {
    fn from(code: ReasonCode) -> JobReason {
        JobReason { code, detail: None }
    }
}

impl fmt::Display for ReasonCode {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.serialize(formatter)
    }
}

/// For people: `verify_failed: exit 3`.
impl fmt::Display for JobReason {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.detail {
            Some(detail) => write!(formatter, "{}: {detail}", self.code),
            None => self.code.fmt(formatter),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn the_contract_lists_each_code_of_a_job_and_no_other() {
        let contract = include_str!("../../docs/runner-contract.md");
        let section = contract.split("## Reasons\n").nth(1).unwrap();
        let section = section.split("\n## ").next().unwrap();
        let rows = section.lines().filter_map(|line| line.strip_prefix("| `"));
        let is_of_job = |row: &&str| !row.contains("| skipped |") && !row.contains("| diverged |");
        let listed: BTreeSet<String> = rows
            .filter(is_of_job)
            .filter_map(|row| Some(row.split_once('`')?.0.to_owned()))
            .collect();
        let known: BTreeSet<String> = CODES.iter().map(ReasonCode::to_string).collect();
        assert_eq!(listed, known);
    }

    #[test]
    fn a_code_is_read_as_it_was_written_also_one_of_another_version() {
        for text in ["\"verify_failed\"", "\"the engine ended with 3\""] {
            let code: ReasonCode = serde_json::from_str(text).unwrap();
            assert_eq!(serde_json::to_string(&code).unwrap(), text);
        }
        assert_eq!(
            serde_json::from_str::<ReasonCode>("\"idle\"").unwrap(),
            ReasonCode::Idle
        );
        let failed = ReasonCode::VerifyFailed.with("exit 3");
        assert_eq!(failed.to_string(), "verify_failed: exit 3");
    }
}
