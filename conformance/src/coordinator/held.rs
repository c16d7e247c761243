//! Whether what a check demands holds, and what it reads of an answer for that.

use serde_json::Value;

use super::client::{Answer, ClientError};

/// Why a check did not hold.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Trouble {
    /// The coordinator is wrong.
    Wrong(String),
    /// It can't be told.
    Unclear(String),
}

pub type Held = Result<(), Trouble>;

/// A granted lease.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Lease {
    pub id: String,
    pub job: String,
    pub token: u64,
    pub ttl_ms: u64,
}

/// Fails with this message unless the condition holds.
pub fn demand(condition: bool, message: impl FnOnce() -> String) -> Held {
    if condition {
        Ok(())
    } else {
        Err(Trouble::Wrong(message()))
    }
}

/// The lease that a claim was answered with.
pub fn lease(answer: &Answer) -> Result<Lease, Trouble> {
    let text = |value: &Value| value.as_str().map(ToOwned::to_owned);
    let (lease, job) = (&answer.body["lease"], &answer.body["job"]);
    let read = || {
        Some(Lease {
            id: text(&lease["id"])?,
            job: text(&job["id"])?,
            token: lease["fencingToken"].as_u64()?,
            ttl_ms: lease["ttlMs"].as_u64()?,
        })
    };
    read().ok_or_else(|| Trouble::Wrong(format!("the answer to a claim lacks a field: {}", answer.body)))
}

/// Whether the token opens the door: where it does not, nothing can be told of what is behind.
pub(super) fn let_in(answer: &Answer) -> Held {
    match answer.status {
        401 | 403 => Err(Trouble::Unclear(format!(
            "the token is refused with {} {}; give one of the scopes shadow, work and submit by --token-file, or use \
             --observe with one of the scope shadow",
            answer.status, answer.body
        ))),
        _ => Ok(()),
    }
}

pub(super) fn unanswered(error: ClientError) -> Trouble {
    Trouble::Wrong(crate::suite::chain(&error))
}
