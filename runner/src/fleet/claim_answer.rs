//! What one claim was answered: a grant, which is read, or a failure, which is classified. Pure.

use super::fleet_event::GrantedJob;
use crate::boot_clock::BootInstant;
use crate::fleet::call_failure::{CallFailure, FailureKind};
use crate::fleet::client::{LeaseProof, NO_TIME};
use crate::fleet::lease_time::LeaseTime;
use crate::fleet::wire::ClaimAnswer;
use crate::ids::{JobId, LeaseId};

/// What a failed claim means for the next one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum ClaimRetry {
    /// Nobody knows whether it took effect, so the same claim is sent again.
    SameKey,
    /// The coordinator has decided on this key; the next claim is a new one.
    NewKey,
    RefusedCredential,
}

pub(super) fn classify(failure: &CallFailure) -> ClaimRetry {
    match failure {
        failure if failure.is_credential_refused() => ClaimRetry::RefusedCredential,
        CallFailure::Definite(_) => ClaimRetry::NewKey,
        CallFailure::Indefinite { .. } => ClaimRetry::SameKey,
    }
}

/// A grant whose job can't be run.
pub(super) struct UnusableGrant {
    /// The lease, to give it back; none if the answer names none.
    pub(super) proof: Option<LeaseProof>,
    pub(super) problem: CallFailure,
}

pub(super) fn read(answer: ClaimAnswer, first_sent: BootInstant) -> Result<Box<GrantedJob>, UnusableGrant> {
    let wrong = |proof, what: &str| UnusableGrant {
        proof,
        problem: CallFailure::indefinite(FailureKind::WrongShape, what),
    };
    let lease = LeaseId::new(&answer.lease.id).map_err(|_| wrong(None, "the lease's id is none"))?;
    let proof = LeaseProof {
        lease,
        fencing_token: answer.lease.fencing_token,
    };
    let named = JobId::new(&answer.job.id)
        .ok()
        .filter(|_| answer.lease.job_id == answer.job.id);
    let Some(id) = named else {
        let what = "the job's id is none, or the lease is on another job";
        return Err(wrong(Some(proof), what));
    };
    let Some(ttl) = answer.lease.ttl() else {
        return Err(wrong(Some(proof), NO_TIME));
    };
    match LeaseTime::granted(ttl, first_sent) {
        Ok(time) => Ok(Box::new(GrantedJob {
            job: answer.job,
            id,
            proof,
            time,
        })),
        Err(error) => Err(wrong(Some(proof), &error.to_string())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fleet::call_failure::CoordinatorRefusal;

    #[test]
    fn what_a_failure_means_for_the_key() {
        let refusal = |status| {
            CallFailure::Definite(CoordinatorRefusal {
                status,
                code: String::from("x"),
                detail: String::new(),
                retry_after: None,
            })
        };
        assert_eq!(classify(&refusal(401)), ClaimRetry::RefusedCredential);
        assert_eq!(classify(&refusal(403)), ClaimRetry::RefusedCredential);
        assert_eq!(classify(&refusal(409)), ClaimRetry::NewKey);
        assert_eq!(classify(&refusal(422)), ClaimRetry::NewKey);
        for kind in [
            FailureKind::Timeout,
            FailureKind::Status(500),
            FailureKind::NotJson,
            FailureKind::Status(404),
        ] {
            assert_eq!(
                classify(&CallFailure::indefinite(kind, "")),
                ClaimRetry::SameKey,
                "{kind}"
            );
        }
        assert_eq!(
            classify(&CallFailure::indefinite(FailureKind::Status(403), "")),
            ClaimRetry::RefusedCredential
        );
    }
}
