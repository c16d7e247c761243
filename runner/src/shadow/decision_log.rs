//! The one line of each decision, and what each is evidence of (clauses S-1, S-2 and S-16).
//!
//! A disagreement about the order waits for the answer to the next report of the picked job: a coordinator that does not
//! know the job could not choose it.

use std::collections::BTreeSet;

use super::comparison::DecisionComparison;
use super::evidence_context::{EvidenceContext, LineContext};
use super::lane_mailbox::DroppedDecisions;
use super::log::{ShadowLog, ShadowLogLine, SkipReason};
use super::{LocalDecision, LocalPick};
use crate::fleet::call_failure::CallFailure;
use crate::fleet::client::{OfferedJob, fresh_key};
use crate::ids::{Capability, JobId};
use crate::settings::Settings;

/// Beyond so many unknown jobs a disagreement is called one about the order.
const UNKNOWN_MAX: usize = 4096;

/// Writes the lines, and knows which decision has none yet.
pub(super) struct DecisionLog {
    log: ShadowLog,
    /// What the lines are evidence of.
    evidence: EvidenceContext,
    /// The decision that has no line yet; it gets one even if the lane panics.
    open: Option<(String, Option<LocalPick>)>,
    /// A disagreement about the order, until it is known whether the coordinator knows the picked job.
    unsettled: Option<UnsettledComparison>,
    /// Jobs that the coordinator did not know when they were reported last.
    unknown_jobs: BTreeSet<JobId>,
}

/// A comparison whose reason depends on the answer to the next report of the picked job.
struct UnsettledComparison {
    id: String,
    job: JobId,
    found: DecisionComparison,
    context: LineContext,
}

impl DecisionLog {
    pub(super) fn new(settings: &Settings) -> DecisionLog {
        DecisionLog {
            log: ShadowLog::new(settings),
            evidence: EvidenceContext::new(settings),
            open: None,
            unsettled: None,
            unknown_jobs: BTreeSet::new(),
        }
    }

    /// For lines that are about no decision.
    pub(super) fn log(&self) -> &ShadowLog {
        &self.log
    }

    pub(super) fn note(&self, line: &ShadowLogLine) {
        self.log.append(line);
    }

    /// Takes in what an answer says of the coordinator, and what this host could do when it was asked.
    pub(super) fn answered(&mut self, policy: Option<&str>, caps: &BTreeSet<Capability>) {
        self.evidence.answered(policy, caps);
    }

    /// Takes in whether the coordinator knows a job that was reported.
    pub(super) fn note_known(&mut self, job: &JobId, is_known: bool) {
        if is_known {
            self.unknown_jobs.remove(job);
        } else if self.unknown_jobs.len() < UNKNOWN_MAX {
            self.unknown_jobs.insert(job.clone());
        }
    }

    /// A decision is compared from here on.
    pub(super) fn begin(&mut self, id: &str, pick: Option<&LocalPick>) {
        self.settle();
        self.open = Some((id.to_owned(), pick.cloned()));
    }

    /// It has its line, will get it, or needs none.
    pub(super) fn end(&mut self) {
        self.open = None;
    }

    /// Writes what is missing for the decision that was being compared.
    pub(super) fn abandon(&mut self, skip: SkipReason) {
        self.settle();
        if let Some((id, pick)) = self.open.take() {
            self.skipped(&id, pick.as_ref(), skip);
        }
    }

    pub(super) fn compared(
        &mut self,
        id: &str,
        decision: &LocalDecision,
        found: DecisionComparison,
        ranked: Vec<OfferedJob>,
    ) {
        let context = self.evidence.of_decision(decision, ranked);
        match &decision.local {
            Some(pick) if found.is_about_order() => {
                self.unsettled = Some(UnsettledComparison {
                    id: id.to_owned(),
                    job: pick.job.clone(),
                    found,
                    context,
                });
            }
            pick => {
                let line = ShadowLogLine::comparison(id, name(pick.as_ref()), &found);
                self.log.append(&line.within(context));
            }
        }
    }

    /// Writes the line that waited for what the coordinator knows.
    pub(super) fn settle(&mut self) {
        let Some(unsettled) = self.unsettled.take() else {
            return;
        };
        let found = match self.unknown_jobs.contains(&unsettled.job) {
            true => unsettled.found.not_mirrored(),
            false => unsettled.found,
        };
        let line = ShadowLogLine::comparison(&unsettled.id, Some(unsettled.job.as_str()), &found);
        self.log.append(&line.within(unsettled.context));
    }

    /// The same once the job that it is about was reported; others move meanwhile.
    pub(super) fn settle_if_about(&mut self, job: &JobId) {
        if self
            .unsettled
            .as_ref()
            .is_some_and(|unsettled| unsettled.job == *job)
        {
            self.settle();
        }
    }

    pub(super) fn skipped(&self, id: &str, pick: Option<&LocalPick>, skip: SkipReason) {
        self.log.append(&skipped(&self.evidence, id, pick, skip));
    }

    pub(super) fn all_skipped(&self, decisions: &[(String, Option<LocalPick>)], skip: SkipReason) {
        let lines = decisions.iter();
        let lines = lines.map(|(id, pick)| skipped(&self.evidence, id, pick.as_ref(), skip));
        self.log.append_all(&lines.collect::<Vec<_>>());
    }

    pub(super) fn failed(
        &self,
        id: &str,
        pick: Option<&LocalPick>,
        operation: &'static str,
        failure: &CallFailure,
    ) {
        let line = ShadowLogLine::error(operation, Some(id), name(pick), failure);
        self.log.append(&line.within(self.evidence.of_pick(pick)));
    }

    /// Writes the lines of decisions that did not fit into the mailbox.
    pub(super) fn dropped(&self, dropped: DroppedDecisions) {
        self.all_skipped(&dropped.decisions, SkipReason::LaneFull);
        if dropped.more > 0 {
            let line = ShadowLogLine::many_skipped(&fresh_key("lane-full"), dropped.more);
            self.log.append(&line.within(self.evidence.of_pick(None)));
        }
    }
}

fn skipped(
    evidence: &EvidenceContext,
    id: &str,
    pick: Option<&LocalPick>,
    skip: SkipReason,
) -> ShadowLogLine {
    ShadowLogLine::skipped(id, name(pick), skip).within(evidence.of_pick(pick))
}

fn name(pick: Option<&LocalPick>) -> Option<&str> {
    pick.map(|pick| pick.job.as_str())
}
