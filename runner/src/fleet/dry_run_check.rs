//! Whether the coordinator answers a dry run, for those who want to know before a run compares anything.

use serde::Serialize;

use super::call_failure::CallFailure;
use super::client::{CoordinatorClient, ShadowOffer, fresh_key};
use super::token_scopes;

/// What a dry run was answered with.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum DryRunSupport {
    Answered,
    /// The coordinator has no such operation.
    DryRunUnsupported,
    /// It granted a lease, which was given back.
    DryRunNotHonoured,
    /// The coordinator refuses the token for it.
    ScopeMissing,
}

/// Makes one dry run. It changes nothing at a coordinator that keeps the contract.
///
/// # Errors
/// It brought no answer that tells anything.
pub(crate) async fn check(client: &CoordinatorClient) -> Result<DryRunSupport, CallFailure> {
    match client.shadow_claim(&[]).await.map(|answer| answer.offer) {
        Ok(ShadowOffer::Nothing | ShadowOffer::Job { .. }) => Ok(DryRunSupport::Answered),
        Ok(ShadowOffer::Lease(stray)) => {
            if let Some(proof) = &stray.proof {
                client.release(proof, &fresh_key("release")).await?;
            }
            Ok(DryRunSupport::DryRunNotHonoured)
        }
        Err(failure) if failure.is_unsupported() => Ok(DryRunSupport::DryRunUnsupported),
        Err(failure) if failure.status() == Some(403) => Ok(DryRunSupport::ScopeMissing),
        Err(failure) => Err(failure),
    }
}

impl DryRunSupport {
    /// What a person has to know of it, if anything.
    pub(crate) fn problem(self) -> Option<&'static str> {
        match self {
            DryRunSupport::Answered => None,
            DryRunSupport::ScopeMissing => Some(token_scopes::NO_COMPARISON),
            DryRunSupport::DryRunUnsupported => Some(
                "it has no dry run (dry-run-unsupported): nothing can be compared, and jobs go on as before",
            ),
            DryRunSupport::DryRunNotHonoured => Some(
                "it answers a dry run with a lease (dry-run-not-honoured), which was given back: nothing can be compared",
            ),
        }
    }
}
