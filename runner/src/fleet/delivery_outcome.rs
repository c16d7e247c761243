//! What an answer to the last request about a lease means: pure.

use crate::fleet::call_failure::CallFailure;

/// How a lease ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum DeliveryOutcome {
    /// The final stage was taken, or the lease given back, or the quarantine recorded.
    Delivered,
    /// The coordinator refused it; nothing more can be done.
    Refused(String),
    /// It was not answered in time: what is on the disk is sent again later, and a lease ends by itself.
    Undelivered(String),
}

impl DeliveryOutcome {
    /// Whether the coordinator has decided, so that nothing need be sent again.
    pub(crate) fn is_answered(&self) -> bool {
        match self {
            DeliveryOutcome::Delivered | DeliveryOutcome::Refused(_) => true,
            DeliveryOutcome::Undelivered(_) => false,
        }
    }
}

/// A refused credential does not settle the lease: with another token the same request may be taken.
pub(crate) fn delivery_outcome(sent: Result<(), CallFailure>) -> DeliveryOutcome {
    match sent {
        Ok(()) => DeliveryOutcome::Delivered,
        Err(failure @ CallFailure::Definite(_)) if !failure.is_credential_refused() => {
            DeliveryOutcome::Refused(failure.to_string())
        }
        Err(failure) => DeliveryOutcome::Undelivered(failure.to_string()),
    }
}

/// Whether the coordinator itself says that the lease is gone: by `lease_lost`, or because it knows neither lease nor
/// job.
pub(crate) fn is_lease_lost(failure: &CallFailure) -> bool {
    match failure {
        CallFailure::Definite(refusal) => refusal.code == "lease_lost" || refusal.status == 404,
        CallFailure::Indefinite { .. } => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fleet::call_failure::{CoordinatorRefusal, FailureKind};

    fn refusal(status: u16, code: &str) -> CallFailure {
        CallFailure::Definite(CoordinatorRefusal {
            status,
            code: code.to_owned(),
            detail: String::new(),
            retry_after: None,
        })
    }

    #[test]
    fn only_the_coordinators_own_word_loses_a_lease() {
        assert!(is_lease_lost(&refusal(409, "lease_lost")) && is_lease_lost(&refusal(404, "unknown_lease")));
        assert!(!is_lease_lost(&refusal(409, "illegal_transition")));
        assert!(!is_lease_lost(&refusal(403, "insufficient_scope")));
        for status in [404, 409] {
            assert!(!is_lease_lost(&CallFailure::indefinite(
                FailureKind::Status(status),
                ""
            )));
        }
    }

    #[test]
    fn what_another_credential_could_deliver_is_kept() {
        assert!(delivery_outcome(Ok(())).is_answered());
        assert!(delivery_outcome(Err(refusal(409, "lease_lost"))).is_answered());
        for status in [401, 403] {
            assert!(!delivery_outcome(Err(refusal(status, "insufficient_scope"))).is_answered());
        }
        assert!(!delivery_outcome(Err(CallFailure::indefinite(FailureKind::Timeout, ""))).is_answered());
    }
}
