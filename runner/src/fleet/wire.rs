//! What goes over the wire, as the coordinator's API has it. Nobody outside `fleet` reads an answer's bytes.
//!
//! It is written from the API document and not shared with any coordinator, so that a mistake here can't hide on the
//! other side as well. Unknown fields of an answer are ignored, ids in it are strings until they have been checked.

use std::time::Duration;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::job_reason::ReasonCode;
use crate::stage::Stage;

/// The marker of a request that must change nothing.
pub(crate) const SHADOW: u8 = 1;

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(test, derive(Deserialize))]
pub(crate) struct ClaimRequest {
    pub(crate) factory_id: String,
    pub(crate) caps: Vec<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) wait_ms: Option<u64>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(test, derive(Deserialize))]
pub(crate) struct LeaseHolder {
    pub(crate) factory_id: String,
    pub(crate) fencing_token: u64,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(test, derive(Deserialize))]
pub(crate) struct ReportRequest {
    pub(crate) factory_id: String,
    pub(crate) lease_id: String,
    pub(crate) fencing_token: u64,
    pub(crate) stage: String,
    pub(crate) at: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) reason: Option<ReasonCode>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) detail: Option<String>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(test, derive(Deserialize))]
pub(crate) struct QuarantineRequest {
    pub(crate) factory_id: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) lease_id: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) fencing_token: Option<u64>,
    pub(crate) reason: ReasonCode,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) detail: Option<String>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(test, derive(Deserialize))]
pub(crate) struct ShadowClaimRequest {
    pub(crate) factory_id: String,
    pub(crate) caps: Vec<String>,
    pub(crate) shadow: u8,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(test, derive(Deserialize))]
pub(crate) struct ShadowReportRequest {
    pub(crate) factory_id: String,
    pub(crate) job_id: String,
    pub(crate) stage: String,
    pub(crate) at: String,
    pub(crate) shadow: u8,
}

/// A job as the coordinator hands it out, as untrusted as any file; and as it is handed in.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct WireJob {
    pub(crate) id: String,
    pub(crate) engine: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) cwd: Option<String>,
    #[serde(default)]
    pub(crate) yolo: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) lock: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) timeout_ms: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) idle_timeout_ms: Option<u64>,
    #[serde(default)]
    pub(crate) priority: i64,
    #[serde(default)]
    pub(crate) caps: Vec<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) verify: Option<String>,
    #[serde(default)]
    pub(crate) review: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) ship: Option<String>,
    #[serde(default)]
    pub(crate) retries: u32,
    pub(crate) body: String,
}

/// A lease. `expiresAt` is not read: what counts is this host's own clock and `ttlMs` (clause T-3).
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(test, derive(Serialize))]
pub(crate) struct WireLease {
    pub(crate) id: String,
    pub(crate) job_id: String,
    pub(crate) fencing_token: u64,
    /// Read as whatever stands there, because a lease can be given back without it.
    #[serde(default)]
    pub(crate) ttl_ms: Value,
}

impl WireLease {
    /// None if what stands there is no time: `ttlMs` is a whole number of milliseconds.
    pub(crate) fn ttl(&self) -> Option<Duration> {
        self.ttl_ms.as_u64().map(Duration::from_millis)
    }
}

#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub(crate) struct ClaimAnswer {
    pub(crate) job: WireJob,
    pub(crate) lease: WireLease,
}

#[derive(Debug, Deserialize)]
pub(crate) struct RenewAnswer {
    pub(crate) lease: WireLease,
}

/// The answer to `job.get`: what was handed in, and where it stands.
#[derive(Debug, Deserialize)]
pub(crate) struct JobAnswer {
    #[serde(flatten)]
    pub(crate) job: WireJob,
    pub(crate) stage: String,
}

/// The answer to `job.submit`.
#[derive(Debug, Deserialize)]
pub(crate) struct SubmitAnswer {
    pub(crate) id: String,
}

/// The answer to a report, a release, a quarantine and a withdrawal.
#[derive(Debug, Deserialize)]
pub(crate) struct StageAnswer {
    pub(crate) stage: String,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct ShadowClaimAnswer {
    pub(crate) dry_run: bool,
    pub(crate) job: NamedJob,
    /// What would have come next, in the coordinator's order, as far as it tells.
    #[serde(default)]
    pub(crate) next: Value,
}

/// All that a comparison needs of a job. What only explains one may be anything.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct NamedJob {
    pub(crate) id: String,
    #[serde(default)]
    pub(crate) priority: Value,
    #[serde(default)]
    pub(crate) submitted_at: Value,
}

#[derive(Debug, Deserialize)]
pub(crate) struct ShadowReportAnswer {
    pub(crate) accepted: bool,
    pub(crate) stage: String,
}

#[derive(Debug, Deserialize)]
pub(crate) struct HealthAnswer {
    pub(crate) status: String,
    /// Of the token that was shown; a coordinator need not tell.
    pub(crate) scopes: Option<Vec<String>>,
}

/// The part of problem+json (RFC 9457) that is decided by or shown.
#[derive(Debug, Deserialize)]
pub(crate) struct ProblemDetails {
    pub(crate) code: String,
    #[serde(default)]
    pub(crate) title: String,
    pub(crate) detail: Option<String>,
}

/// The coordinator's word for a stage, read back.
pub(crate) fn stage_of_wire_name(name: &str) -> Option<Stage> {
    Stage::ALL.into_iter().find(|stage| stage.wire_name() == name)
}

/// An instant as the API wants it: UTC, exactly three decimals.
pub(crate) fn instant(at: Timestamp) -> String {
    format!("{at:.3}")
}

#[cfg(test)]
mod tests;
