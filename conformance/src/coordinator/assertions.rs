//! Whether what a check demands holds, and what it reads of an answer for that.

use serde_json::Value;

use super::http_client::{ClientError, CoordinatorAnswer};

/// Why a check did not hold.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ProbeError {
    /// The coordinator is wrong.
    Violation(String),
    /// Nothing follows from what was seen.
    Inconclusive(String),
}

pub type ProbeResult = Result<(), ProbeError>;

/// A granted lease.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GrantedLease {
    pub id: String,
    pub job: String,
    pub token: u64,
    pub ttl_ms: u64,
}

/// Fails with this message unless the condition holds.
pub fn ensure(condition: bool, message: impl FnOnce() -> String) -> ProbeResult {
    if condition {
        Ok(())
    } else {
        Err(ProbeError::Violation(message()))
    }
}

impl CoordinatorAnswer {
    /// Fails unless it has this status.
    pub(super) fn must_be(&self, status: u16, what: &str) -> ProbeResult {
        ensure(self.status == status, || {
            format!("{what} was answered {} {}, not {status}", self.status, self.body)
        })
    }

    /// Fails unless it is a refusal with this code.
    pub(super) fn must_refuse(&self, status: u16, code: &str, what: &str) -> ProbeResult {
        self.must_be(status, what)?;
        let given = &self.body["code"];
        ensure(given == code, || {
            format!("the code of {what} is {given}, not {code}")
        })
    }

    pub(super) fn must_be_lost(&self, what: &str) -> ProbeResult {
        self.must_refuse(409, "lease_lost", &format!("{what} under a lease that ended"))
    }
}

/// The lease that a claim was answered with.
pub fn lease(answer: &CoordinatorAnswer) -> Result<GrantedLease, ProbeError> {
    let text = |value: &Value| value.as_str().map(ToOwned::to_owned);
    let (lease, job) = (&answer.body["lease"], &answer.body["job"]);
    let read = || {
        Some(GrantedLease {
            id: text(&lease["id"])?,
            job: text(&job["id"])?,
            token: lease["fencingToken"].as_u64()?,
            ttl_ms: lease["ttlMs"].as_u64()?,
        })
    };
    read()
        .ok_or_else(|| ProbeError::Violation(format!("the answer to a claim lacks a field: {}", answer.body)))
}

/// Whether the token is accepted: where it is not, nothing can be said of the operations.
pub(super) fn ensure_authorized(answer: &CoordinatorAnswer) -> ProbeResult {
    match answer.status {
        401 | 403 => Err(ProbeError::Inconclusive(format!(
            "the token is refused with {} {}; give one of the scopes shadow, work and submit by --token-file, or use \
             --observe with one of the scope shadow",
            answer.status, answer.body
        ))),
        _ => Ok(()),
    }
}

pub(super) fn no_answer_error(error: ClientError) -> ProbeError {
    ProbeError::Violation(crate::printable_text::error_chain(&error))
}
