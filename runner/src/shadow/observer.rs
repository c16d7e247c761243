//! The work of the lane's thread: it takes one message after the other and writes each decision's line to the log.
//!
//! A decision is compared once the coordinator has been told of everything before it, and only then; a transition is
//! reported when its turn comes. Only reports are retried, in their order (clauses S-1, S-6, S-7, S-9, S-10).

use std::collections::HashMap;
use std::sync::Arc;

use super::comparison::{NamedJobState, compare};
use super::decision_log::DecisionLog;
use super::lane_mailbox::{JobMention, LaneMailbox, LaneMessage};
use super::log::{ShadowLogEvent, ShadowLogLine, SkipReason};
use super::pending_reports::PendingReports;
use super::report_ledger::{ReportLedger, ReportState, jobs_in};
use super::{LocalDecision, StageTransition, transition_reporter};
use crate::fleet::call_failure::{CallFailure, shown};
use crate::fleet::client::{CoordinatorClient, OfferedJob, ShadowOffer, UnrequestedLease, fresh_key};
use crate::fleet::coordinator_health::{ApiOperation, ComparisonHalt};
use crate::fleet::health_reporter::HealthReporter;
use crate::ids::{Capability, JobId};
use crate::queue;
use crate::settings::Settings;
use crate::stage::Stage;

const OPERATION: &str = ApiOperation::ShadowClaim.name();

/// The state of the lane's thread, from its start to the end of the run. A panic costs one decision, so it outlives that.
pub(super) struct ShadowObserver {
    /// Of the run when the lane started.
    settings: Settings,
    /// Is told how each call fares.
    health: HealthReporter,
    /// What the run loop hands over.
    mailbox: Arc<LaneMailbox>,
    /// Gets one line a decision.
    lines: DecisionLog,
    /// On the disk: which transitions were answered, by any process.
    ledger: ReportLedger,
    /// Transitions that the coordinator has not answered yet.
    pending: PendingReports,
    /// Made at the first call, and kept.
    client: Option<CoordinatorClient>,
    /// Why the coordinator is not asked for dry runs any more; set once at most, by an answer that shows it.
    halted: Option<SkipReason>,
    /// The last offer that was logged while nothing was picked here; none once something is.
    offer_while_idle: Option<String>,
    /// The jobs at work when the lane started; taken by the first look at the folders.
    at_start: Option<HashMap<JobId, Stage>>,
    /// Set for good when transitions were lost: nothing can be compared any more.
    view_incomplete: bool,
}

impl ShadowObserver {
    /// `at_start` are the jobs past the inbox in no final stage, taken before the first decision: what the lane
    /// itself reads later may already be that decision's doing.
    pub(super) fn new(
        settings: Settings,
        health: HealthReporter,
        mailbox: Arc<LaneMailbox>,
        at_start: HashMap<JobId, Stage>,
    ) -> ShadowObserver {
        ShadowObserver {
            lines: DecisionLog::new(&settings),
            ledger: ReportLedger::new(&settings),
            settings,
            health,
            mailbox,
            pending: PendingReports::default(),
            client: None,
            halted: None,
            offer_while_idle: None,
            at_start: Some(at_start),
            view_incomplete: false,
        }
    }

    /// Works until the mailbox is closed and empty. The future may be dropped at any point and be started again.
    pub(super) async fn run(&mut self) {
        if let Some(at_start) = self.at_start.take() {
            self.look_at_folders(at_start);
            self.flush().await;
        }
        while let Some(message) = self.mailbox.next().await {
            self.lines.dropped(self.mailbox.take_dropped());
            match message {
                LaneMessage::Decided { id, decision } => {
                    self.lines.begin(&id, decision.local.as_ref());
                    self.compare_with_coordinator(&id, &decision).await;
                    self.lines.end();
                }
                LaneMessage::Moved(StageTransition { job, stage }) => {
                    self.pending.put(job.clone(), stage);
                    self.flush().await;
                    self.lines.settle_if_about(&job);
                }
                LaneMessage::Coalesced(coalesced) => {
                    self.lines.settle();
                    self.view_incomplete |= coalesced.incomplete;
                    for (job, stage) in coalesced.stages {
                        self.pending.put(job, stage);
                    }
                    self.flush().await;
                }
            }
        }
    }

    /// Writes a line for every decision that will not be compared any more.
    pub(super) fn drain_messages(&mut self, skip: SkipReason) {
        self.lines.abandon(skip);
        let left = std::iter::from_fn(|| self.mailbox.take());
        let decisions = left.filter_map(|message| match message {
            LaneMessage::Decided { id, decision } => Some((id, decision.local)),
            LaneMessage::Moved(_) | LaneMessage::Coalesced(_) => None,
        });
        self.lines.all_skipped(&decisions.collect::<Vec<_>>(), skip);
        self.lines.dropped(self.mailbox.take_dropped());
    }

    /// Goes on after a panic. A report may have been lost by it, and nobody knows which, so nothing is compared any
    /// more.
    pub(super) fn after_panic(&mut self) {
        self.lines.abandon(SkipReason::Stopped);
        self.view_incomplete = true;
    }

    async fn compare_with_coordinator(&mut self, id: &str, decision: &LocalDecision) {
        let pick = decision.local.as_ref();
        if let Some(skip) = self.halted {
            return self.lines.skipped(id, pick, skip);
        }
        self.read_other_processes();
        self.flush().await;
        if self.view_incomplete || !self.pending.is_empty() {
            return self.lines.skipped(id, pick, SkipReason::ViewGap);
        }
        match self.ask(decision).await {
            Ok(ShadowOffer::Nothing) => self.compared(id, decision, None),
            Ok(ShadowOffer::Job { id: named, ranked }) => self.compared(id, decision, Some((&named, ranked))),
            Ok(ShadowOffer::Lease(stray)) => {
                self.halt(SkipReason::Stopped, ComparisonHalt::DryRunNotHonoured);
                self.release_stray_lease(&stray).await;
                self.lines.skipped(id, pick, SkipReason::Stopped);
            }
            Err(failure) if failure.is_unsupported() => {
                self.halt(SkipReason::Unsupported, ComparisonHalt::DryRunUnsupported);
                let kind = failure.kind();
                let detail = format!("{kind}: the coordinator knows no dry run; nothing is compared");
                let event = ShadowLogEvent::DryRunUnsupported;
                self.lines.note(&ShadowLogLine::note(event, None, &detail));
                self.lines.skipped(id, pick, SkipReason::Unsupported);
            }
            Err(failure) => self.lines.failed(id, pick, OPERATION, &failure),
        }
    }

    /// No dry run is made any more.
    fn halt(&mut self, skip: SkipReason, halt: ComparisonHalt) {
        self.halted = Some(skip);
        self.health.comparison_halted(halt);
    }

    async fn ask(&mut self, decision: &LocalDecision) -> Result<ShadowOffer, CallFailure> {
        let caps: Vec<Capability> = decision.view.caps.iter().cloned().collect();
        let client = self.client(ApiOperation::ShadowClaim)?;
        let answer = client.shadow_claim(&caps).await?;
        self.lines.answered(answer.policy.as_deref(), &decision.view.caps);
        Ok(answer.offer)
    }

    /// A client that can't be made counts as a call that fails.
    fn client(&mut self, wanted_for: ApiOperation) -> Result<CoordinatorClient, CallFailure> {
        transition_reporter::client(&self.settings, &self.health, &mut self.client)
            .inspect_err(|failure| self.health.ended(wanted_for, Some(failure)))
    }

    /// An offer to an idle runner is one situation until something is picked here or the offer changes.
    fn compared(&mut self, id: &str, decision: &LocalDecision, offer: Option<(&str, Vec<OfferedJob>)>) {
        let (offer, ranked) = offer.unzip();
        let folder = &self.settings.queue.value;
        let found = compare(decision, offer, |job| NamedJobState {
            stage: queue::stage_of(folder, job).or_else(|| queue::pruned_from(folder, job)),
            locks: queue::locks_of_working(folder),
        });
        let offer = match decision.local {
            Some(_) => None,
            None => offer.map(shown),
        };
        let repeated = offer.is_some() && offer == self.offer_while_idle;
        self.offer_while_idle = offer;
        if let Some(found) = found.filter(|_| !repeated) {
            self.lines
                .compared(id, decision, found, ranked.unwrap_or_default());
        }
    }

    /// Gives back a lease that nobody asked for, once. This is the one call of the lane that is no shadow call.
    async fn release_stray_lease(&mut self, stray: &UnrequestedLease) {
        let line =
            |event, detail: &str| ShadowLogLine::lease(event, stray.job.as_deref(), &stray.shown_id, detail);
        let detail = "a dry run was answered with a lease: no more dry runs in this process";
        self.lines.note(&line(ShadowLogEvent::DryRunNotHonoured, detail));
        let outcome = match (&stray.proof, self.client(ApiOperation::Release)) {
            (Some(proof), Ok(client)) => client.release(proof, &fresh_key("release")).await,
            (None, _) => {
                let detail = "it has no id and fencing token to release it with";
                return self.lines.note(&line(ShadowLogEvent::LeaseLeaked, detail));
            }
            (_, Err(failure)) => Err(failure),
        };
        if let Err(failure) = outcome {
            let detail = format!("release: {}: {}", failure.kind(), failure.detail());
            self.lines.note(&line(ShadowLogEvent::LeaseLeaked, &detail));
        }
    }

    /// Sends the reports that are due, in order, up to the first that gets no answer.
    async fn flush(&mut self) {
        while let Some((job, stage)) = self.pending.first() {
            let client = match self.client(ApiOperation::ShadowReport) {
                Ok(client) => client,
                Err(failure) => return self.lines.log().append_report_failure(Some(&job), &failure),
            };
            match transition_reporter::report(&client, self.lines.log(), &self.ledger, &job, stage).await {
                Ok(is_known) => {
                    self.lines.note_known(&job, is_known);
                    self.pending.answered(&job, stage);
                }
                Err(_) => return,
            }
        }
    }

    /// Takes in what commands in other processes reported: what they could not deliver is missing in the coordinator's
    /// view too.
    fn read_other_processes(&mut self) {
        for entry in self.ledger.read_new() {
            match entry.state {
                ReportState::Answered => self.pending.answered(&entry.job, entry.stage),
                ReportState::Unanswered => self.pending.put(entry.job, entry.stage),
            }
        }
    }

    /// Compares the folders with what the coordinator was told; the difference is due.
    ///
    /// The mailbox is read last: a job that moved meanwhile is in it by then, and is reported in its own turn, after
    /// its decision was compared (clause S-15).
    fn look_at_folders(&mut self, at_start: HashMap<JobId, Stage>) {
        let known = self.ledger.load();
        let mut stages = at_start;
        let finals = Stage::ALL.into_iter().filter(|stage| stage.is_final());
        stages.extend(jobs_in(&self.settings, finals));
        for (job, entry) in &known {
            let taken = (entry.state, entry.stage) != (ReportState::Answered, Stage::Inbox);
            let is_here = || queue::stage_of(&self.settings.queue.value, job).is_some();
            if taken && !stages.contains_key(job) && is_here() {
                // The job was neither at work at the start nor final, so it was in the inbox, wherever it is by now.
                stages.insert(job.clone(), Stage::Inbox);
            }
        }
        let mentioned = self.mailbox.mentioned();
        for (job, mention) in mentioned.into_iter().rev() {
            // The first mention decides, so it is applied last.
            match (mention, known.contains_key(&job)) {
                (JobMention::Decided, true) => stages.insert(job, Stage::Inbox),
                (JobMention::Decided, false) | (JobMention::Moved, _) => stages.remove(&job),
            };
        }
        let mut due: Vec<(JobId, Stage)> = stages
            .into_iter()
            .filter(|(job, stage)| {
                let entry = known.get(job);
                entry.is_none_or(|entry| (entry.state, entry.stage) != (ReportState::Answered, *stage))
            })
            .collect();
        // Folders have no order; sorted by name, the order is at least the same every time.
        due.sort();
        for (job, stage) in due {
            self.pending.put(job, stage);
        }
    }
}
