//! Shapes in which a stub's state and evidence are handed to a reader in this process.

use serde::Serialize;

use crate::coordinator::job::JobRecord;
use crate::journal::counters::StubCounters;
use crate::journal::exchange::Exchange;
use crate::rules::RuleStatus;
use crate::shared_stub::SharedStub;

/// A job as the coordinator holds it, for a reader of evidence.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct JobState {
    /// Its name.
    pub id: String,
    /// Where it stands.
    pub stage: String,
    /// Leases on it that ran out.
    pub attempts: u32,
    /// The highest fencing token granted on it; 0 before the first lease.
    pub fencing_token: u64,
    /// Its live lease.
    pub lease: Option<LeaseState>,
    /// What was said by who put it aside.
    pub quarantines: Vec<QuarantineState>,
}

/// A live lease.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct LeaseState {
    /// Its name.
    pub id: String,
    /// Who holds it.
    pub factory: String,
    /// Its fencing token.
    pub fencing_token: u64,
    /// When it ends.
    pub expires_at: String,
}

/// A quarantine on record.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct QuarantineState {
    /// Who sent it.
    pub factory: String,
    /// Why, as a code.
    pub reason: String,
    /// The same for people.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub detail: Option<String>,
    /// Whether the sender held the live lease.
    pub current: bool,
}

/// All evidence of a stub that was stopped.
#[derive(Debug, Clone)]
pub struct StubReport {
    /// What was counted.
    pub counters: StubCounters,
    /// The exchanges that are still known.
    pub journal: Vec<Exchange>,
    /// Exchanges that fell out of the journal.
    pub forgotten: u64,
    /// Requests that were none of the contract.
    pub unexpected: Vec<Exchange>,
    /// What the stub holds against itself.
    pub violations: Vec<String>,
    /// The rules that are armed, with their hits.
    pub rules: Vec<RuleStatus>,
    /// Digest of real state.
    pub digest: String,
}

impl SharedStub {
    /// The jobs in order of submission, what is due applied first.
    pub(crate) fn jobs(&self) -> Vec<JobState> {
        let mut coordinator = self.coordinator();
        coordinator.settle(self.clock.now());
        let state = coordinator.state();
        let shown = |job: &JobRecord| JobState {
            id: job.id().to_string(),
            stage: job.stage.name().to_owned(),
            attempts: job.attempts,
            fencing_token: job.fencing_token,
            lease: state.live_lease_of(job).map(|lease| LeaseState {
                id: lease.number.id().to_string(),
                factory: lease.factory.to_string(),
                fencing_token: lease.fencing_token,
                expires_at: lease.expires_at.to_string(),
            }),
            quarantines: job
                .quarantines
                .iter()
                .map(|record| QuarantineState {
                    factory: record.factory.to_string(),
                    reason: record.reason.clone(),
                    detail: record.detail.clone(),
                    current: record.current,
                })
                .collect(),
        };
        state.jobs_after(0).map(shown).collect()
    }
}
