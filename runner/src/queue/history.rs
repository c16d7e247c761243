//! What happened to a job: one JSON line a change, appended before the change is made.
//!
//! The folder that a job lies in decides; the last line says what was about to happen when it decides otherwise, which
//! is how a change that a crash cut in two is finished. Enqueue order and the count of attempts live here as well.

use std::time::Duration;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::file_identity::{FileDigest, FileStamp};
use crate::ids::{LeaseId, LeaseProof};
use crate::job_reason::{JobReason, ReasonCode};
use crate::stage::Stage;
use crate::token_usage::TokenUsage;

mod history_file;

pub(super) use history_file::{append, parse, path, read, replace};

/// One change.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct HistoryEntry {
    pub(crate) at: String,
    /// The stage that the job goes to.
    pub(crate) stage: Stage,
    /// How often it was started so far, this time included.
    #[serde(default)]
    pub(crate) attempt: u32,
    /// How many of these starts count against its `retries`.
    #[serde(default)]
    pub(crate) spent: u32,
    /// Why, of a change that is no mere step forward.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) reason: Option<ReasonCode>,
    /// What more there is to say about `reason`, for people.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) detail: Option<String>,
    /// Not before this instant the job that failed is started again.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) retry_at: Option<Timestamp>,
    /// The command of `ship` is about to be started: no change of stage.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub(crate) shipping: bool,
    /// Its place in enqueue order, on the lines that give it one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) sequence: Option<u64>,
    /// The file as it was when it got that place, written by nobody: it has to be asked who writes it only once it is
    /// another.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) counted: Option<FileStamp>,
    /// Of the job file, on the lines that enqueue or start it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) digest: Option<FileDigest>,
    /// What the engine used in the attempt before this change, on the first line after its end.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) usage: Option<TokenUsage>,
    /// The coordinator's lease that a start is under.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) lease: Option<String>,
    /// Of that lease.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) fencing_token: Option<u64>,
}

impl HistoryEntry {
    /// A change of stage.
    pub(crate) fn moved(
        known: &JobHistory,
        stage: Stage,
        spent: u32,
        reason: Option<&JobReason>,
    ) -> HistoryEntry {
        HistoryEntry {
            at: now(),
            stage,
            attempt: known.attempt(),
            spent,
            reason: reason.map(|reason| reason.code.clone()),
            detail: reason.and_then(|reason| reason.detail.clone()),
            retry_at: None,
            shipping: false,
            sequence: None,
            counted: None,
            digest: None,
            usage: None,
            lease: None,
            fencing_token: None,
        }
    }

    /// The command of `ship` is about to be started.
    pub(crate) fn shipping(known: &JobHistory, stage: Stage) -> HistoryEntry {
        HistoryEntry {
            shipping: true,
            ..HistoryEntry::moved(known, stage, known.spent(), None)
        }
    }

    /// A job enters the queue, or enters it again at a person's wish.
    pub(super) fn queued(
        known: &JobHistory,
        sequence: u64,
        counted: Option<FileStamp>,
        digest: Option<FileDigest>,
    ) -> HistoryEntry {
        HistoryEntry {
            sequence: Some(sequence),
            counted,
            digest,
            ..HistoryEntry::moved(known, Stage::Inbox, 0, None)
        }
    }

    /// The next attempt starts, under a lease or not.
    pub(crate) fn started(
        known: &JobHistory,
        lease: Option<&LeaseProof>,
        digest: Option<&FileDigest>,
    ) -> HistoryEntry {
        HistoryEntry {
            attempt: known.attempt() + 1,
            digest: digest.cloned(),
            lease: lease.map(|proof| proof.lease.to_string()),
            fencing_token: lease.map(|proof| proof.fencing_token),
            ..HistoryEntry::moved(known, Stage::Building, known.spent() + 1, None)
        }
    }

    /// The job failed, and starts again after this wait.
    pub(crate) fn retried(
        known: &JobHistory,
        spent: u32,
        reason: &JobReason,
        wait: Duration,
    ) -> HistoryEntry {
        let wait = jiff::SignedDuration::try_from(wait).unwrap_or_default();
        let at = Timestamp::now().checked_add(wait).ok();
        HistoryEntry {
            retry_at: at.filter(|_| !wait.is_zero()),
            ..HistoryEntry::moved(known, Stage::Inbox, spent, Some(reason))
        }
    }

    pub(crate) fn job_reason(&self) -> Option<JobReason> {
        let (code, detail) = (self.reason.clone()?, self.detail.clone());
        Some(JobReason { code, detail })
    }

    /// What there is to say about it, for people.
    pub(crate) fn remark(&self) -> String {
        match self.job_reason() {
            Some(reason) => reason.to_string(),
            None if self.shipping => "shipping".to_owned(),
            None => String::new(),
        }
    }
}

/// All lines of a job, oldest first; none for a job that was placed by hand and never looked at.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct JobHistory {
    pub(crate) lines: Vec<HistoryEntry>,
}

impl JobHistory {
    pub(crate) fn sequence(&self) -> Option<u64> {
        self.enqueued().and_then(|line| line.sequence)
    }

    /// The file as it was when it got its place.
    pub(super) fn counted(&self) -> Option<FileStamp> {
        self.enqueued().and_then(|line| line.counted)
    }

    fn enqueued(&self) -> Option<&HistoryEntry> {
        self.lines.iter().rev().find(|line| line.sequence.is_some())
    }

    /// The place of a job that is known to wait in the inbox.
    pub(super) fn waiting_at(&self) -> Option<u64> {
        self.sequence()
            .filter(|_| self.lines.last().is_some_and(|line| line.stage == Stage::Inbox))
    }

    /// When a job that failed is started again, if it has to wait for that. A clock that was set back ends the wait: nobody
    /// knows how long it would last.
    pub(crate) fn retry_at(&self) -> Option<Timestamp> {
        let last = self.lines.last()?;
        let failed_at: Timestamp = last.at.parse().ok()?;
        last.retry_at.filter(|_| failed_at <= Timestamp::now())
    }

    /// Of the file that it was last enqueued, or taken into work, with.
    pub(crate) fn digest(&self) -> Option<&FileDigest> {
        self.lines.iter().rev().find_map(|line| line.digest.as_ref())
    }

    /// Of the file that it was taken into work with, once it has been since it was enqueued: one that only waits may be
    /// written anew (clause O-10).
    pub(crate) fn digest_in_work(&self) -> Option<&FileDigest> {
        let mut since = self.lines.iter().rev().take_while(|line| line.sequence.is_none());
        since.find_map(|line| line.digest.as_ref())
    }

    /// Its last line says that it leaves work: whoever finds it there finishes that move.
    pub(crate) fn is_announced(&self) -> bool {
        let leaves = |line: &HistoryEntry| !matches!(line.stage, Stage::Building | Stage::Testing);
        self.lines.last().is_some_and(leaves)
    }

    /// How many of its changes since it was enqueued, or retried by a person, had this reason.
    pub(crate) fn count_since_enqueued(&self, code: &ReasonCode) -> usize {
        let since = self.lines.iter().rev().take_while(|line| line.sequence.is_none());
        since.filter(|line| line.reason.as_ref() == Some(code)).count()
    }

    pub(crate) fn attempt(&self) -> u32 {
        self.lines.last().map_or(0, |line| line.attempt)
    }

    /// The command of `ship` was started, and nothing says how it ended.
    pub(crate) fn is_shipping(&self) -> bool {
        self.lines.last().is_some_and(|line| line.shipping)
    }

    /// Of its last change.
    pub(crate) fn reason(&self) -> Option<JobReason> {
        self.lines.last()?.job_reason()
    }

    /// Its latest start was under a lease: the coordinator decides what becomes of it.
    pub(crate) fn is_routed(&self) -> bool {
        self.last_start().is_some_and(|line| line.lease.is_some())
    }

    /// The lease of its latest start, as far as it is on record.
    pub(crate) fn lease(&self) -> Option<LeaseProof> {
        let line = self.last_start()?;
        Some(LeaseProof {
            lease: LeaseId::new(line.lease.as_deref()?).ok()?,
            fencing_token: line.fencing_token?,
        })
    }

    /// Since it was enqueued. The announcement of `ship` may name `building` too, and is no start.
    fn last_start(&self) -> Option<&HistoryEntry> {
        let started =
            |line: &&HistoryEntry| line.stage == Stage::Building && line.reason.is_none() && !line.shipping;
        let mut since = self.lines.iter().rev().take_while(|line| line.sequence.is_none());
        since.find(started)
    }

    /// What each attempt used whose engine told it.
    pub(crate) fn usages(&self) -> impl Iterator<Item = (u32, TokenUsage)> {
        let changes = self.lines.iter().zip(self.lines.iter().skip(1));
        changes.filter_map(|(before, line)| Some((before.attempt, line.usage?)))
    }

    pub(crate) fn spent(&self) -> u32 {
        self.lines.last().map_or(0, |line| line.spent)
    }
}

/// The instant of a change, for people and for `--json`; nothing is decided by it.
pub(super) fn now() -> String {
    format!("{:.3}", jiff::Timestamp::now())
}
