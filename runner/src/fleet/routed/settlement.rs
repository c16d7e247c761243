//! What an answer to the last word on a lease means: pure.

use crate::fleet::failure::Failure;

/// How a lease ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Settlement {
    /// The final stage was taken, or the lease given back, or the quarantine recorded.
    Delivered,
    /// Refused by the coordinator; nothing more can be done.
    Refused(String),
    /// Not answered in time: what is on the disk is sent again later, a lease ends by itself.
    Undelivered(String),
}

impl Settlement {
    /// Whether the coordinator has decided, so that nothing need be sent again.
    pub(crate) fn is_answered(&self) -> bool {
        match self {
            Settlement::Delivered | Settlement::Refused(_) => true,
            Settlement::Undelivered(_) => false,
        }
    }
}

/// A refused credential is no word on the lease: with another token the same request may be taken.
pub(crate) fn settlement(sent: Result<(), Failure>) -> Settlement {
    match sent {
        Ok(()) => Settlement::Delivered,
        Err(failure @ Failure::Definite(_)) if !failure.is_of_credential() => {
            Settlement::Refused(failure.to_string())
        }
        Err(failure) => Settlement::Undelivered(failure.to_string()),
    }
}

/// The coordinator's own word that the lease is gone: `lease_lost`, or that it knows neither lease nor job.
pub(crate) fn says_lost(failure: &Failure) -> bool {
    match failure {
        Failure::Definite(refusal) => refusal.code == "lease_lost" || refusal.status == 404,
        Failure::Indefinite { .. } => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fleet::failure::{FailureKind, Refusal};

    fn refusal(status: u16, code: &str) -> Failure {
        Failure::Definite(Refusal {
            status,
            code: code.to_owned(),
            detail: String::new(),
            retry_after: None,
        })
    }

    #[test]
    fn only_the_coordinators_own_word_loses_a_lease() {
        assert!(says_lost(&refusal(409, "lease_lost")) && says_lost(&refusal(404, "unknown_lease")));
        assert!(!says_lost(&refusal(409, "illegal_transition")));
        assert!(!says_lost(&refusal(403, "insufficient_scope")));
        for status in [404, 409] {
            assert!(!says_lost(&Failure::indefinite(FailureKind::Status(status), "")));
        }
    }

    #[test]
    fn what_another_credential_could_deliver_is_kept() {
        assert!(settlement(Ok(())).is_answered());
        assert!(settlement(Err(refusal(409, "lease_lost"))).is_answered());
        for status in [401, 403] {
            assert!(!settlement(Err(refusal(status, "insufficient_scope"))).is_answered());
        }
        assert!(!settlement(Err(Failure::indefinite(FailureKind::Timeout, ""))).is_answered());
    }
}
