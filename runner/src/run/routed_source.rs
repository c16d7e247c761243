//! What a run that takes its work from the coordinator knows besides its jobs: whether it may ask, what it has asked,
//! what it still owes, and what waits for a person.
//!
//! The office speaks with the coordinator. What its news mean for the queue is decided in `routed_claims`, what they mean for
//! a job under its lease in `leased`.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::{Duration, Instant};

use super::attempt::Attempt;
use super::delivery_notice::DeliveryNotice;
use super::{RunError, RunUntil, progress};
use crate::boot_clock::BootInstant;
use crate::engine::EngineRegistry;
use crate::fleet::admission_policy::AdmissionPolicy;
use crate::fleet::claim_pacing::ClaimPacing;
use crate::fleet::fleet_session::FleetSession;
use crate::fleet::health_reporter::HealthReporter;
use crate::fleet::route_permissions::POWERS_NOTICE;
use crate::fleet::{DeliveryOutcome, FleetEvent};
use crate::ids::{Capability, JobId, LeaseId};
use crate::queue::PersistedEntry;
use crate::settings::Settings;
use crate::terminal;

/// How long the coordinator may hold the question of a run that has time.
pub(super) const CLAIM_WAIT: Duration = Duration::from_secs(20);
/// From a question that a coordinator answers at once, because it has nothing, to the next.
const CLAIM_INTERVAL: Duration = Duration::from_secs(5);

/// What a routed run knows besides its jobs.
pub(super) struct RoutedSource {
    pub(super) fleet_session: FleetSession,
    pub(super) policy: AdmissionPolicy,
    pub(super) caps: Vec<Capability>,
    pub(super) pacing: ClaimPacing,
    /// When a job may be asked for, while only time is in the way.
    pub(super) wake_at: Option<Instant>,
    /// The coordinator can't be worked with: the run ends with exit 1.
    pub(super) given_up: bool,
    /// Final reports on the disk that are being sent.
    pub(super) letters: BTreeMap<LeaseId, PersistedEntry>,
    /// There may be more of them in the outbox.
    pub(super) owes: bool,
    /// One could not be delivered: tried again when the coordinator has answered something.
    pub(super) later: bool,
    delivery_notice: DeliveryNotice,
    /// Work comes from elsewhere now; what is under a lease still ends under it.
    pub(super) claims_suspended: bool,
    /// Jobs that wait for a person, under their leases; they take no worker.
    pub(super) reviewing: BTreeMap<JobId, Attempt>,
}

impl RoutedSource {
    /// `engines`: those of the run. `here`: where it was started.
    pub(super) fn new(
        settings: &Settings,
        engines: &EngineRegistry,
        here: &Path,
        health: &HealthReporter,
    ) -> Result<RoutedSource, RunError> {
        let policy = AdmissionPolicy::of(settings, engines, here).map_err(RunError::RouteFolder)?;
        Ok(RoutedSource {
            fleet_session: FleetSession::open(settings, health)?,
            policy,
            caps: settings.factory_caps.clone(),
            pacing: ClaimPacing::new(CLAIM_INTERVAL, u64::from(std::process::id())),
            wake_at: None,
            given_up: false,
            letters: BTreeMap::new(),
            owes: true,
            later: false,
            delivery_notice: DeliveryNotice::default(),
            claims_suspended: false,
            reviewing: BTreeMap::new(),
        })
    }

    /// What the coordinator's jobs may do here, said when routing begins.
    pub(super) fn report_permissions(&self) {
        let permissions = self.policy.permissions();
        progress::waiting(&terminal::escape_control(&format!(
            "{permissions}; {POWERS_NOTICE}"
        )));
        for warning in permissions.warnings() {
            progress::warn(&warning);
        }
    }

    /// No more claims; leases are kept to their end (clause T-11).
    pub(super) fn rest(&mut self) {
        self.fleet_session.stop_claims(CLAIM_WAIT);
        self.claims_suspended = true;
        self.pacing.reset();
    }

    /// The coordinator decides again, as the settings say now.
    pub(super) fn resume(&mut self, fresh: RoutedSource) {
        let RoutedSource {
            fleet_session,
            policy,
            caps,
            ..
        } = fresh;
        self.fleet_session.resume_claims(fleet_session);
        (self.policy, self.caps) = (policy, caps);
        self.pacing.reset();
        (self.claims_suspended, self.owes) = (false, true);
    }

    /// What was answered need not be kept; the rest waits for the next chance.
    pub(super) fn settled(&mut self, lease: &LeaseId, outcome: &DeliveryOutcome) -> Result<(), RunError> {
        match self.letters.remove(lease) {
            None => {}
            Some(posted) if outcome.is_answered() => posted.answered()?,
            Some(_) => self.later = true,
        }
        Ok(())
    }

    /// The end of the process: what is under way may take `usage_limit`, what is owed after it stays on the disk.
    pub(super) async fn shut(mut self, limit: Duration) -> Result<(), RunError> {
        for (lease, outcome) in self.fleet_session.shutdown(limit).await {
            if outcome.is_answered()
                && let Some(posted) = self.letters.remove(&lease)
            {
                posted.answered()?;
            }
        }
        if !self.letters.is_empty() {
            progress::warn(&format!(
                "{} reports wait in the outbox: the next run with AQ_FLEET_ROUTE=1 delivers them first",
                self.letters.len()
            ));
        }
        Ok(())
    }

    /// Whether a job may be asked for at this instant; if only time is in the way, it is noted until when.
    pub(super) fn is_due(&mut self, until: RunUntil, now: Instant) -> bool {
        let has_all = until != RunUntil::Stopped && self.pacing.has_nothing();
        let free = !(self.pacing.is_asked() || self.given_up || has_all) && self.fleet_session.is_settled();
        let waits = self
            .pacing
            .waits_until()
            .map(|at| at.since(BootInstant::now()))
            .filter(|wait| free && !wait.is_zero());
        self.wake_at = waits.map(|wait| now + wait);
        free && self.wake_at.is_none()
    }

    /// When there is something to do that no event will tell. While a worker, an answer or a settlement is waited for it
    /// is none: a loop that waits for an instant that is over never sleeps.
    pub(super) fn next_instant(&self) -> Option<Instant> {
        self.wake_at
            .into_iter()
            .chain(self.delivery_notice.next_instant())
            .min()
    }

    /// Says what is waited for, if that takes long: until then nothing is asked for.
    pub(super) fn report_slow_delivery(&mut self, now: Instant) {
        if !self.delivery_notice.is_due(!self.fleet_session.is_settled(), now) {
            return;
        }
        let subjects = self.letters.values().filter_map(|posted| posted.letter.subject());
        let ends: Vec<String> = subjects
            .map(|(job, _, stage)| format!("{job} is {stage}"))
            .collect();
        let what = match ends.is_empty() {
            true => "a lease back".to_owned(),
            false => format!("that {}", ends.join(", ")),
        };
        progress::waiting(&format!(
            "waiting for the coordinator to take {what}; it is tried again and again, and nothing new is asked for \
             meanwhile; Ctrl-C ends this, and what is in the outbox is delivered first by the next run with \
             AQ_FLEET_ROUTE=1"
        ));
    }

    /// Whether a run that does nothing is over.
    pub(super) fn is_over(&self, until: RunUntil, decided_once: bool) -> bool {
        let done = match until {
            RunUntil::Once => decided_once,
            RunUntil::Drained => self.pacing.has_nothing(),
            RunUntil::Stopped => false,
        };
        self.fleet_session.is_settled() && (self.given_up || done)
    }

    /// The job can't be had now: others may, and this factory asks again a while later.
    pub(super) fn release_busy_job(&mut self, id: &JobId) {
        self.fleet_session.release(id);
        self.pacing.held_elsewhere(BootInstant::now());
    }

    /// Nothing more is asked; of no interest to a run that does not ask anyway.
    pub(super) fn give_up(&mut self, event: FleetEvent, until: RunUntil) {
        let why = match event {
            FleetEvent::Unreachable { problem } if until != RunUntil::Stopped => format!(
                "gave up: nothing got through to the coordinator for 60 s ({problem}); an unreachable coordinator is \
                 not an empty one"
            ),
            FleetEvent::CredentialRefused { problem } => problem,
            _ => return,
        };
        if !self.claims_suspended {
            self.given_up = true;
            progress::warn(&why);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;
    use std::sync::mpsc;

    use super::*;
    use crate::shadow::test_coordinator::{CLAIMED, TestCoordinator, block_on, settings};

    fn engines() -> EngineRegistry {
        EngineRegistry::new(&BTreeMap::new()).unwrap()
    }

    #[test]
    fn a_run_whose_workers_are_busy_waits_for_no_instant_that_is_over() {
        let folder = tempfile::tempdir().unwrap();
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .unwrap();
        let _inside = runtime.enter();
        let settings = settings(folder.path(), "http://127.0.0.1:9");
        let mut routed =
            RoutedSource::new(&settings, &engines(), folder.path(), &HealthReporter::default()).unwrap();
        let now = Instant::now();
        routed.pacing.asked(BootInstant::now());
        // An answer is waited for, and that is an event.
        assert!(!routed.is_due(RunUntil::Stopped, now) && routed.next_instant().is_none());
        routed.pacing.nothing();
        assert!(!routed.is_due(RunUntil::Stopped, now));
        assert!(routed.next_instant().is_some_and(|at| at > now));
        // For one that ends then, no instant brings more.
        assert!(!routed.is_due(RunUntil::Drained, now) && routed.next_instant().is_none());
        routed.pacing.lease_ended();
        assert!(routed.is_due(RunUntil::Stopped, now) && routed.next_instant().is_none());
    }

    #[test]
    fn a_question_that_is_out_when_work_comes_from_elsewhere_brings_no_job() {
        let (answer, held) = mpsc::channel::<()>();
        let held = Mutex::new(held);
        let coordinator = TestCoordinator::start(move |seen| match seen.path.ends_with("/claims") {
            true => {
                let _ = held.lock().unwrap().recv();
                Some((200, CLAIMED.to_owned()))
            }
            false => Some((200, String::from(r#"{"stage":"queued"}"#))),
        });
        let folder = tempfile::tempdir().unwrap();
        let settings = settings(folder.path(), &coordinator.url);
        block_on(async {
            let mut routed =
                RoutedSource::new(&settings, &engines(), folder.path(), &HealthReporter::default()).unwrap();
            routed.fleet_session.request_job([], Some(CLAIM_WAIT));
            let requests = |count: usize| {
                let coordinator = coordinator.clone();
                async move {
                    while coordinator.seen().len() < count {
                        tokio::task::yield_now().await;
                    }
                }
            };
            requests(1).await;
            routed.rest();
            drop(answer);
            // It is given back without a word to the loop, which would ask nobody for its job any more.
            tokio::select! {
                event = routed.fleet_session.next() => panic!("{event:?}"),
                () = requests(2) => {}
            }
        });
        let paths: Vec<String> = coordinator.seen().into_iter().map(|seen| seen.path).collect();
        assert_eq!(paths, ["/v1/claims", "/v1/leases/lease-9/release"]);
    }
}
