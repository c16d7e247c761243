//! The run loop's handle on the routed mode: it has one claimer, one renewer for each lease, and one stream of events.
//!
//! The loop decides and moves files; what it asks for here is sent to the tasks, and each answer is a [`FleetEvent`].

use std::collections::BTreeMap;
use std::time::Duration;

use tokio::sync::mpsc;

use super::background_thread::FleetThread;
use super::delivery_outcome::DeliveryOutcome;
use super::fleet_event::{EVENTS_MAX, FleetEvent, GrantedJob};
use super::job_claimer::JobClaimer;
use super::lease_machine::{LeaseEvent, LeaseRequest, LeaseTerms};
use super::lease_renewer::LeaseRenewer;
use super::outbox_delivery::OutboxDelivery;
use super::outbox_sender;
use crate::boot_clock::BootInstant;
use crate::fleet::client::{ClientError, CoordinatorClient, LeaseProof, StageReport, fresh_key};
use crate::fleet::health_reporter::HealthReporter;
use crate::fleet::wire;
use crate::ids::{Capability, JobId, LeaseId};
use crate::job_reason::JobReason;
use crate::queue::OutboxEntry;
use crate::settings::Settings;
use crate::stage::Stage;

/// How long a final report is tried while the process goes on. It is as long as an outage that ends a `--drain`.
const CLOSE_TIME_MAX: Duration = Duration::from_secs(60);

/// The run loop's handle on the routed mode. One lives from the first routed iteration to the end of the run.
pub(crate) struct FleetSession {
    /// Makes the calls about leases that start from now on. `resume_claims` replaces it when the settings changed.
    client: CoordinatorClient,
    /// All tasks below run on it, so that a loop that waits for a disk delays no renewal.
    thread: FleetThread,
    /// Asks for jobs; none between `stop_claims` and `resume_claims`, and after the shutdown began.
    claimer: Option<JobClaimer>,
    /// One for each lease that this run holds: from `start_renewing` until the lease is closed.
    renewers: BTreeMap<JobId, LeaseRenewer>,
    /// How many leases are closed and have no `LeaseClosed` yet. `close` counts up, `next` counts down.
    unsettled: usize,
    /// What each lease from now on is renewed by; a lease keeps the terms that it began with.
    terms: LeaseTerms,
    /// Each task gets a copy; this one keeps the stream open while no task runs.
    sender: mpsc::Sender<FleetEvent>,
    /// What the tasks tell the loop, at most `EVENTS_MAX` of them.
    events: mpsc::Receiver<FleetEvent>,
    /// Where the token comes from, for messages; never the token.
    credential: String,
}

impl FleetSession {
    /// # Errors
    /// No client can be made of the settings, or the system gives no thread.
    pub(crate) fn open(settings: &Settings, health: &HealthReporter) -> Result<FleetSession, ClientError> {
        let client = CoordinatorClient::new(settings)?.reporting_to(health);
        let thread = FleetThread::start().map_err(ClientError::Thread)?;
        let timeout = settings.fleet.timeout.value;
        let (sender, events) = mpsc::channel(EVENTS_MAX);
        let claimer = JobClaimer::start(&thread.tasks, client.clone(), timeout, seed(), sender.clone());
        Ok(FleetSession {
            thread,
            claimer: Some(claimer),
            terms: LeaseTerms {
                timeout,
                grace: settings.grace,
                close_time_max: CLOSE_TIME_MAX,
            },
            renewers: BTreeMap::new(),
            unsettled: 0,
            credential: settings.fleet.credential(),
            client,
            sender,
            events,
        })
    }

    /// The next event; may be dropped while it waits.
    pub(crate) async fn next(&mut self) -> FleetEvent {
        loop {
            match self.events.recv().await {
                Some(settled @ FleetEvent::LeaseClosed { .. }) => {
                    self.unsettled = self.unsettled.saturating_sub(1);
                    return settled;
                }
                Some(FleetEvent::CredentialRefused { problem }) => {
                    let problem = format!("the coordinator refuses {}: {problem}", self.credential);
                    return FleetEvent::CredentialRefused { problem };
                }
                Some(event) => return event,
                // This session holds a sender itself, so the stream never ends.
                None => std::future::pending().await,
            }
        }
    }

    /// Asks for one job; `Claimed` or `Nothing` answers.
    pub(crate) fn request_job(&self, caps: impl IntoIterator<Item = Capability>, wait: Option<Duration>) {
        if let Some(claimer) = &self.claimer {
            claimer.request_job(caps.into_iter().collect(), wait);
        }
    }

    /// Ends the claims. A claim that is out is awaited in the background, and the job that it brings is given back.
    /// `held`: how long the coordinator may hold that claim.
    pub(crate) fn stop_claims(&mut self, held: Duration) {
        if let Some(claimer) = self.claimer.take() {
            self.thread.tasks.spawn(claimer.stop(held + self.terms.timeout));
        }
    }

    /// Claims again, with the client of a session that was opened since. The leases keep the client that they began
    /// with.
    pub(crate) fn resume_claims(&mut self, fresh: FleetSession) {
        self.claimer = Some(JobClaimer::start(
            &self.thread.tasks,
            fresh.client.clone(),
            fresh.terms.timeout,
            seed(),
            self.sender.clone(),
        ));
        self.client = fresh.client.clone();
        self.terms = fresh.terms.clone();
        self.credential = fresh.credential.clone();
    }

    /// What renews the lease of this job, if this run holds one.
    pub(crate) fn renewer(&self, job: &JobId) -> Option<&LeaseRenewer> {
        self.renewers.get(job)
    }

    /// Renews the lease from now on.
    pub(crate) fn start_renewing(&mut self, granted: &GrantedJob) {
        let renewer = LeaseRenewer::start(
            &self.thread.tasks,
            granted,
            self.client.clone(),
            self.terms.clone(),
            self.sender.clone(),
        );
        self.renewers.insert(granted.id.clone(), renewer);
    }

    /// Reports a stage that is not final.
    pub(crate) fn report(&self, job: &JobId, stage: Stage) {
        if let Some(renewer) = self.renewers.get(job) {
            renewer.order(LeaseEvent::Report(stage_report(stage, None)));
        }
    }

    /// Asks for a fresh renewal before `ship`; answered by `Confirmed` or `LeaseLost`.
    pub(crate) fn confirm(&self, job: &JobId) {
        if let Some(renewer) = self.renewers.get(job) {
            renewer.order(LeaseEvent::Confirm);
        }
    }

    /// Reports the final stage of a job; `LeaseClosed` answers.
    pub(crate) fn finish(&mut self, job: &JobId, stage: Stage, reason: JobReason) {
        self.close(job, LeaseRequest::Report(stage_report(stage, Some(reason))));
    }

    /// Does the same for an end whose report, or quarantine, is in the outbox.
    pub(crate) fn finish_from_outbox(&mut self, job: &JobId, entry: &OutboxEntry) {
        match outbox_sender::lease_request(entry) {
            Some(request) => self.close(job, request),
            None => self.release(job),
        }
    }

    /// Sends what an earlier process, or an earlier try, could not deliver: in order. `LeaseClosed` answers each.
    pub(crate) fn deliver(&mut self, entries: &[&OutboxEntry]) {
        let outbox_items = entries
            .iter()
            .filter_map(|entry| outbox_sender::outbox_item(entry));
        let outbox_items: Vec<_> = outbox_items.collect();
        self.unsettled += outbox_items.len();
        let delivery = OutboxDelivery::new(outbox_items, self.terms.close_time_max, seed());
        let deliver = outbox_sender::deliver(self.client.clone(), delivery, self.sender.clone());
        self.thread.tasks.spawn(deliver);
    }

    /// Gives the job to other factories; `LeaseClosed` answers.
    pub(crate) fn release(&mut self, job: &JobId) {
        self.close(job, LeaseRequest::Release(fresh_key("release")));
    }

    /// Gives back the lease that an earlier process had on a job, if the coordinator still knows it. `LeaseClosed`
    /// answers.
    pub(crate) fn release_orphan(&mut self, job: &JobId, proof: LeaseProof) {
        self.unsettled += 1;
        let release = outbox_sender::release(self.client.clone(), job.clone(), proof, self.sender.clone());
        self.thread.tasks.spawn(release);
    }

    /// Whether the end of every lease that was closed is settled.
    pub(crate) fn is_settled(&self) -> bool {
        self.unsettled == 0
    }

    /// Releases the leases that are left and waits for all requests, at most `limit`. A lease that is not settled by
    /// then runs out at the coordinator. Returns what was settled.
    pub(crate) async fn shutdown(mut self, limit: Duration) -> Vec<(LeaseId, DeliveryOutcome)> {
        let held: Vec<JobId> = self.renewers.keys().cloned().collect();
        for job in &held {
            self.release(job);
        }
        let ends = tokio::time::Instant::now() + limit;
        let claimer = self.claimer.take();
        let stop = async {
            if let Some(claimer) = claimer {
                claimer.stop(limit).await;
            }
        };
        let mut settled = Vec::new();
        let _ = tokio::time::timeout_at(ends, async { tokio::join!(stop, self.settle(&mut settled)) }).await;
        // A job may have been on its way when the claimer was stopped.
        let _ = tokio::time::timeout_at(ends, self.return_unstarted(&mut settled)).await;
        settled
    }

    async fn settle(&mut self, settled: &mut Vec<(LeaseId, DeliveryOutcome)>) {
        while self.unsettled > 0 {
            match self.next().await {
                FleetEvent::LeaseClosed { lease, outcome, .. } => settled.push((lease, outcome)),
                event => self.release_unstarted(event),
            }
        }
    }

    async fn return_unstarted(&mut self, settled: &mut Vec<(LeaseId, DeliveryOutcome)>) {
        while let Ok(event) = self.events.try_recv() {
            self.release_unstarted(event);
        }
        self.settle(settled).await;
    }

    /// Gives back a job that came too late to be started.
    fn release_unstarted(&mut self, event: FleetEvent) {
        if let FleetEvent::Claimed(granted) = event {
            self.start_renewing(&granted);
            self.release(&granted.id);
        }
    }

    fn close(&mut self, job: &JobId, request: LeaseRequest) {
        if let Some(renewer) = self.renewers.remove(job) {
            self.unsettled += 1;
            renewer.order(LeaseEvent::Close(request));
        }
    }
}

fn stage_report(stage: Stage, reason: Option<JobReason>) -> StageReport {
    StageReport {
        stage,
        at: wire::instant(jiff::Timestamp::now()),
        reason,
        key: fresh_key("report"),
    }
}

/// Factories that were started together, or lost the coordinator together, differ in the process id and in the time.
fn seed() -> u64 {
    u64::from(std::process::id()) ^ BootInstant::now().nanos()
}

#[cfg(test)]
mod tests;
