//! A job as it was handed in, the stages it goes through, and the record the coordinator keeps of it.

use std::collections::BTreeSet;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::digest::Digest;
use super::lease::PastLease;
use crate::contract::ids::{Capability, FactoryId, JobId, LeaseId, LockName};
use crate::contract::stage::Stage;
use crate::contract::timestamp::UtcTimestamp;

/// What was handed in; it never changes.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub(crate) struct JobSpec {
    pub(crate) id: JobId,
    pub(crate) engine: String,
    pub(crate) cwd: Option<String>,
    pub(crate) yolo: bool,
    pub(crate) lock: Option<LockName>,
    pub(crate) timeout_ms: Option<u64>,
    pub(crate) idle_timeout_ms: Option<u64>,
    pub(crate) priority: i32,
    pub(crate) caps: Vec<Capability>,
    pub(crate) verify: Option<String>,
    pub(crate) review: bool,
    pub(crate) ship: Option<String>,
    pub(crate) retries: u32,
    pub(crate) body: String,
}

impl JobSpec {
    /// All that a factory needs to be given this job: its `caps` and the capability for its engine (C-3).
    pub(crate) fn needs(&self) -> BTreeSet<Capability> {
        let engine = Capability::parse(&format!("engine:{}", self.engine)).ok();
        self.caps.iter().cloned().chain(engine).collect()
    }
}

/// What somebody said who put the job aside (C-10).
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub(crate) struct QuarantineRecord {
    pub(crate) factory: FactoryId,
    pub(crate) lease: Option<LeaseId>,
    pub(crate) fencing_token: Option<u64>,
    /// A code of the runner contract.
    pub(crate) reason: String,
    /// The same for people.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) detail: Option<String>,
    pub(crate) at: UtcTimestamp,
    /// Whether the sender held the live lease.
    pub(crate) current: bool,
}

impl QuarantineRecord {
    /// What it takes in memory, near enough.
    pub(super) fn bytes(&self) -> usize {
        size_of::<QuarantineRecord>() + self.reason.len() + self.detail.as_ref().map_or(0, String::len)
    }
}

/// A job with all that happened to it.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct JobRecord {
    pub(crate) spec: Arc<JobSpec>,
    /// Hash of `spec`, taken once: the immutable part need not be hashed at every change. It is not saved, but taken
    /// again when a saved job is put back.
    #[serde(skip)]
    pub(crate) spec_digest: Digest,
    /// Place in submission order.
    pub(crate) sequence: u64,
    pub(crate) submitted_at: UtcTimestamp,
    pub(crate) stage: Stage,
    /// Leases that ran out.
    pub(crate) attempts: u32,
    /// The highest fencing token granted; 0 before the first lease.
    pub(crate) fencing_token: u64,
    pub(crate) last_lease: Option<PastLease>,
    pub(crate) quarantines: Vec<QuarantineRecord>,
}

impl JobRecord {
    pub(crate) fn id(&self) -> &JobId {
        &self.spec.id
    }

    /// What it takes in memory, near enough: its texts, its records, and what is kept around them.
    pub(super) fn bytes(&self) -> usize {
        let spec = &self.spec;
        let texts = [&spec.cwd, &spec.verify, &spec.ship];
        let optional: usize = texts.into_iter().flatten().map(String::len).sum();
        let caps: usize = spec
            .caps
            .iter()
            .map(|cap| size_of::<Capability>() + cap.as_str().len())
            .sum();
        let records: usize = self.quarantines.iter().map(QuarantineRecord::bytes).sum();
        let fixed = size_of::<JobRecord>() + size_of::<JobSpec>();
        // The id stands in the table, in the order and in the spec.
        fixed + 3 * spec.id.as_str().len() + spec.engine.len() + spec.body.len() + optional + caps + records
    }

    pub(crate) fn digest(&self) -> Digest {
        Digest::of(&(
            "job",
            self.spec_digest.value(),
            self.sequence,
            self.submitted_at,
            self.stage,
            self.attempts,
            self.fencing_token,
            &self.last_lease,
            &self.quarantines,
        ))
    }
}
