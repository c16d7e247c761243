//! What came of one claim: a grant to be read, or a failure to be judged. Pure.

use super::Granted;
use crate::clock::BootInstant;
use crate::fleet::client::{LeaseProof, NO_TIME};
use crate::fleet::failure::{Failure, FailureKind};
use crate::fleet::lease::LeaseTime;
use crate::fleet::wire::ClaimAnswer;
use crate::ids::{JobId, LeaseId};

/// What a failed claim means for the next one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Verdict {
    /// Not known whether it took effect: the same again.
    SameKey,
    /// The coordinator has decided on this key; the next claim is a new one.
    NewKey,
    Credential,
}

pub(super) fn judge(failure: &Failure) -> Verdict {
    match failure {
        failure if failure.is_of_credential() => Verdict::Credential,
        Failure::Definite(_) => Verdict::NewKey,
        Failure::Indefinite { .. } => Verdict::SameKey,
    }
}

/// A grant that nothing can be run of.
pub(super) struct Unusable {
    /// To be given back.
    pub(super) proof: Option<LeaseProof>,
    pub(super) problem: Failure,
}

pub(super) fn read(answer: ClaimAnswer, first_sent: BootInstant) -> Result<Box<Granted>, Unusable> {
    let wrong = |proof, what: &str| Unusable {
        proof,
        problem: Failure::indefinite(FailureKind::WrongShape, what),
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
        Ok(time) => Ok(Box::new(Granted {
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
    use crate::fleet::failure::Refusal;

    #[test]
    fn what_a_failure_means_for_the_key() {
        let refusal = |status| {
            Failure::Definite(Refusal {
                status,
                code: String::from("x"),
                detail: String::new(),
                retry_after: None,
            })
        };
        assert_eq!(judge(&refusal(401)), Verdict::Credential);
        assert_eq!(judge(&refusal(403)), Verdict::Credential);
        assert_eq!(judge(&refusal(409)), Verdict::NewKey);
        assert_eq!(judge(&refusal(422)), Verdict::NewKey);
        for kind in [
            FailureKind::Timeout,
            FailureKind::Status(500),
            FailureKind::NotJson,
            FailureKind::Status(404),
        ] {
            assert_eq!(judge(&Failure::indefinite(kind, "")), Verdict::SameKey, "{kind}");
        }
        assert_eq!(
            judge(&Failure::indefinite(FailureKind::Status(403), "")),
            Verdict::Credential
        );
    }
}
