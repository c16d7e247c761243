//! What the answers mean to the runner, read from JSON that may hold anything.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::LeaseProof;
use crate::fleet::call_failure::{CallFailure, FailureKind, shown};
use crate::fleet::wire::{self, SHADOW};
use crate::ids::LeaseId;

/// So many jobs of the coordinator's list are kept.
const RANKED_MAX: usize = 8;

/// What a dry run was answered, and by whom.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct DryRunAnswer {
    pub(crate) offer: ShadowOffer,
    /// As the coordinator tells it; it may be anything.
    pub(crate) policy: Option<String>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum ShadowOffer {
    Nothing,
    Job {
        /// As it came: it may be anything.
        id: String,
        /// That job and what would have come next, as far as the coordinator told.
        ranked: Vec<OfferedJob>,
    },
    /// A lease that nobody asked for.
    Lease(Box<UnrequestedLease>),
}

/// A job of the coordinator's list, with what it told of it. Text is escaped and cut.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct OfferedJob {
    pub(crate) id: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) priority: Option<i64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) submitted_at: Option<String>,
}

impl OfferedJob {
    fn of(job: &wire::NamedJob) -> OfferedJob {
        OfferedJob {
            id: shown(&job.id),
            priority: job.priority.as_i64(),
            submitted_at: job.submitted_at.as_str().map(shown),
        }
    }
}

/// A lease that a dry run must not have granted, as far as it can be read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct UnrequestedLease {
    pub(crate) proof: Option<LeaseProof>,
    /// Escaped and cut.
    pub(crate) shown_id: String,
    pub(crate) job: Option<String>,
}

/// How a shadow report was taken.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum ShadowReportOutcome {
    Noted {
        accepted: bool,
        stage: String,
        /// What the API does not have there, by its names.
        unknown: Vec<String>,
    },
    UnknownJob,
}

/// A real claim's outcome.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum FleetClaim {
    Nothing,
    Job(Box<wire::ClaimAnswer>),
}

pub(super) fn shaped<T: serde::de::DeserializeOwned>(value: Value) -> Result<T, CallFailure> {
    serde_json::from_value(value)
        .map_err(|error| CallFailure::indefinite(FailureKind::WrongShape, &error.to_string()))
}

/// A lease is looked for before anything else: whatever the rest looks like, it must be given back.
pub(super) fn offer(value: Value) -> Result<ShadowOffer, CallFailure> {
    let lease = [value.get("lease"), value.pointer("/job/lease")]
        .into_iter()
        .flatten()
        .find(|lease| !lease.is_null());
    if let Some(lease) = lease {
        let text = |pointer: &str| value.pointer(pointer).and_then(Value::as_str);
        let id = lease.get("id").and_then(Value::as_str);
        let token = lease.get("fencingToken").and_then(Value::as_u64);
        let proof = id.and_then(|id| LeaseId::new(id).ok()).zip(token);
        return Ok(ShadowOffer::Lease(Box::new(UnrequestedLease {
            proof: proof.map(|(lease, fencing_token)| LeaseProof { lease, fencing_token }),
            shown_id: shown(id.unwrap_or("(no id)")),
            job: text("/job/id").map(shown),
        })));
    }
    let read: wire::ShadowClaimAnswer = shaped(value)?;
    match read.dry_run {
        true => {
            let next: Vec<wire::NamedJob> = serde_json::from_value(read.next).unwrap_or_default();
            let ranked = [&read.job].into_iter().chain(&next).take(RANKED_MAX);
            Ok(ShadowOffer::Job {
                ranked: ranked.map(OfferedJob::of).collect(),
                id: read.job.id,
            })
        }
        false => Err(CallFailure::indefinite(
            FailureKind::WrongShape,
            "dryRun is not true",
        )),
    }
}

/// What the answer to a shadow report has beyond the API. An instruction can have any name and any place, so whatever
/// stands there counts as one: it is noted, never followed (clause S-8).
pub(super) fn unknown_members(answer: &Value) -> Vec<String> {
    const NAMED_MAX: usize = 8;
    let odd = |(name, value): &(&String, &Value)| match name.as_str() {
        "accepted" | "stage" => false,
        "shadow" => **value != SHADOW,
        "realStage" => !value.is_string(),
        // What is not there, or is not so, asks for nothing.
        _ => !value.is_null() && **value != false,
    };
    let members = answer.as_object().into_iter().flatten().filter(odd);
    members.take(NAMED_MAX).map(|(name, _)| shown(name)).collect()
}
