//! Who decides which job is next: this queue, or the coordinator; with what only that one has.

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::fleet_link::FleetLink;
use super::progress;
use super::run_options::{RunError, RunUntil};
use crate::boot_clock::BootInstant;
use crate::engine::EngineRegistry;
use crate::fleet::admission_policy::AdmissionPolicy;
use crate::fleet::fleet_session::FleetSession;
use crate::fleet::health_reporter::HealthReporter;
use crate::fleet::routed_job_permissions::POWERS_NOTICE;
use crate::fleet::routing_harm::HarmMonitor;
use crate::ids::{Capability, JobId};
use crate::job::Job;
use crate::queue::FolderChanges;
use crate::scheduler::QueueSnapshot;
use crate::settings::Settings;
use crate::shadow::{LocalDecision, LocalPick, ShadowLane, StageTransition};
use crate::stage::Stage;
use crate::terminal;

/// How long the coordinator may hold the question of a run that has time.
pub(super) const CLAIM_WAIT: Duration = Duration::from_secs(20);
/// An endless run that has nothing to do says so to the shadow lane this often at most.
const IDLE_DECISION_INTERVAL: Duration = Duration::from_secs(30);

pub(super) enum WorkSource {
    Local(LocalSource),
    Routed(RoutedSource),
}

/// The inbox is the source of work.
pub(super) struct LocalSource {
    /// What happened in the inbox since it was looked at.
    changes: FolderChanges,
    /// What compares the decisions with the coordinator's, in shadow mode.
    lane: Option<ShadowLane>,
    /// When the lane was last told that there is nothing to do.
    idle_since: Option<Instant>,
    /// Of a run that was routed before: it still keeps the leases of what runs.
    link: Option<FleetLink>,
}

/// The coordinator is the source of work.
pub(super) struct RoutedSource {
    pub(super) policy: AdmissionPolicy,
    caps: Vec<Capability>,
    /// When a job may be asked for, while only time is in the way.
    wake_at: Option<Instant>,
    pub(super) link: FleetLink,
    /// Looks for harm that the coordinator does.
    pub(super) harm: Box<HarmMonitor>,
}

impl WorkSource {
    pub(super) fn local(lane: Option<ShadowLane>) -> WorkSource {
        WorkSource::Local(LocalSource::new(lane, None))
    }

    /// Turns to the coordinator; returned is the lane that has nothing to compare any more.
    pub(super) fn turn_to_route(&mut self, mut routed: RoutedSource) -> Option<ShadowLane> {
        let WorkSource::Local(local) = self else {
            return None;
        };
        let lane = local.lane.take();
        if let Some(mut link) = local.link.take() {
            link.resume(routed.link.session);
            routed.link = link;
        }
        *self = WorkSource::Routed(routed);
        lane
    }

    /// Turns to this queue, with a lane or without; returned is the one that it had.
    pub(super) fn turn_to_local(&mut self, lane: Option<ShadowLane>) -> Option<ShadowLane> {
        let placeholder = WorkSource::local(None);
        let (old_lane, link) = match std::mem::replace(self, placeholder) {
            WorkSource::Local(local) => (local.lane, local.link),
            WorkSource::Routed(mut routed) => {
                routed.link.stop_claims(CLAIM_WAIT);
                (None, Some(routed.link))
            }
        };
        // What happened in the inbox meanwhile was not looked at.
        *self = WorkSource::Local(LocalSource::new(lane, link));
        old_lane
    }

    pub(super) fn is_routed(&self) -> bool {
        matches!(self, WorkSource::Routed(_))
    }

    pub(super) fn link(&self) -> Option<&FleetLink> {
        match self {
            WorkSource::Local(local) => local.link.as_ref(),
            WorkSource::Routed(routed) => Some(&routed.link),
        }
    }

    pub(super) fn link_mut(&mut self) -> Option<&mut FleetLink> {
        match self {
            WorkSource::Local(local) => local.link.as_mut(),
            WorkSource::Routed(routed) => Some(&mut routed.link),
        }
    }

    /// The lease on a job is given back, if there is one.
    pub(super) fn release(&mut self, job: &JobId) {
        if let Some(link) = self.link_mut() {
            link.session.release(job);
        }
    }

    /// Something happened in the inbox.
    pub(super) fn changed(&mut self, changes: FolderChanges) {
        if let WorkSource::Local(local) = self {
            local.changes.merge(changes);
        }
    }

    /// A job has come to a stage.
    pub(super) fn moved(&self, job: &JobId, stage: Stage) {
        let is_leased = self
            .link()
            .is_some_and(|link| link.session.renewer(job).is_some());
        if let WorkSource::Local(LocalSource { lane: Some(lane), .. }) = self
            // What runs under a lease is reported as such, and is none of the local path's decisions.
            && !is_leased
        {
            let job = job.clone();
            lane.moved(StageTransition { job, stage });
        }
        // `building` is set by the claim itself, and a final stage ends the lease.
        if let (Some(link), Stage::Testing | Stage::Review) = (self.link(), stage) {
            link.session.report(job, stage);
        }
    }

    /// The end of the run.
    pub(super) fn into_parts(self) -> (Option<ShadowLane>, Option<FleetLink>) {
        match self {
            WorkSource::Local(local) => (local.lane, local.link),
            WorkSource::Routed(routed) => (None, Some(routed.link)),
        }
    }
}

impl LocalSource {
    fn new(lane: Option<ShadowLane>, link: Option<FleetLink>) -> LocalSource {
        LocalSource {
            changes: FolderChanges::everything(),
            lane,
            idle_since: None,
            link,
        }
    }

    pub(super) fn take_changes(&mut self) -> FolderChanges {
        std::mem::take(&mut self.changes)
    }

    pub(super) fn decided(&self, picked: Option<&Job>, view: Arc<QueueSnapshot>) {
        if let Some(lane) = &self.lane {
            let local = picked.map(|job| LocalPick {
                job: job.id.clone(),
                engine: job.engine.clone(),
                has_lock: job.lock.is_some(),
            });
            lane.decided(LocalDecision { local, view });
        }
    }

    /// An idle decision is due: nothing runs and nothing could (clause S-1). `ends`: there is no later one.
    pub(super) fn is_idle_due(&mut self, ends: bool) -> bool {
        let interval_over = self
            .idle_since
            .is_none_or(|last| last.elapsed() >= IDLE_DECISION_INTERVAL);
        let is_due = self.lane.is_some() && (interval_over || ends);
        if is_due {
            self.idle_since = Some(Instant::now());
        }
        is_due
    }

    pub(super) fn next_idle(&self) -> Option<Instant> {
        let last = self.idle_since.filter(|_| self.lane.is_some());
        last.map(|last| last + IDLE_DECISION_INTERVAL)
    }
}

impl RoutedSource {
    /// Opened before a run turns to it. `engines`: those of the run. `here`: where it was started.
    pub(super) fn open(
        settings: &Settings,
        engines: &EngineRegistry,
        here: &Path,
        health: &HealthReporter,
    ) -> Result<RoutedSource, RunError> {
        Ok(RoutedSource {
            policy: AdmissionPolicy::of(settings, engines, here).map_err(RunError::RouteFolder)?,
            caps: settings.factory_caps.clone(),
            wake_at: None,
            link: FleetLink::new(FleetSession::open(settings, health)?),
            harm: Box::new(HarmMonitor::new(settings.route.rollback)),
        })
    }

    /// What the coordinator's jobs may do here, said when routing begins.
    pub(super) fn report_permissions(&self) {
        let permissions = &self.policy.permissions;
        progress::waiting(&terminal::escape_control(&format!(
            "{permissions}; {POWERS_NOTICE}"
        )));
        for warning in permissions.warnings() {
            progress::warn(&warning);
        }
    }

    /// Asks for a job, with `caps` besides those of the settings.
    pub(super) fn ask(&mut self, caps: impl IntoIterator<Item = Capability>, until: RunUntil) {
        let wait = match until {
            RunUntil::Stopped => Some(CLAIM_WAIT),
            RunUntil::Drained | RunUntil::Once => None,
        };
        let caps = self.caps.iter().cloned().chain(caps);
        self.link.session.request_job(caps, wait);
        self.link.pacing.asked(BootInstant::now());
    }

    /// Whether a job may be asked for at this instant; if only time is in the way, it is noted until when.
    pub(super) fn is_due(&mut self, until: RunUntil, now: Instant) -> bool {
        let FleetLink { pacing, session, .. } = &self.link;
        let has_all = until != RunUntil::Stopped && pacing.has_nothing();
        let is_free = !(pacing.is_asked() || self.link.has_given_up() || has_all) && session.is_settled();
        let waits = pacing.waits_until().map(|at| at.since(BootInstant::now()));
        let waits = waits.filter(|wait| is_free && !wait.is_zero());
        self.wake_at = waits.map(|wait| now + wait);
        is_free && self.wake_at.is_none()
    }

    /// No worker is free: the end of a job will tell when to ask.
    pub(super) fn forget_wake(&mut self) {
        self.wake_at = None;
    }

    /// When there is something to do that no event will tell. While a worker, an answer or a settlement is waited for it
    /// is none: a loop that waits for an instant that is over never sleeps.
    pub(super) fn next_instant(&self) -> Option<Instant> {
        let others = [self.link.next_instant(), self.harm.next_instant()];
        self.wake_at.into_iter().chain(others.into_iter().flatten()).min()
    }

    /// Whether a run that does nothing is over.
    pub(super) fn is_over(&self, until: RunUntil, decided_once: bool) -> bool {
        let done = match until {
            RunUntil::Once => decided_once,
            RunUntil::Drained => self.link.pacing.has_nothing(),
            RunUntil::Stopped => false,
        };
        self.link.session.is_settled() && (self.link.has_given_up() || done)
    }
}

#[cfg(test)]
mod tests;
