//! What goes over the wire under a fault, and what a fault may know to make it.

use std::sync::Arc;

use axum::body::Body;
use axum::http::HeaderValue;
use serde_json::Value;

use super::faulty_stream::ConnectionAction;
use super::sample_answers;
use crate::clock::Clock;
use crate::contract::operation::Operation;
use crate::contract::policy_statement::PolicyStatement;
use crate::contract::timestamp::UtcTimestamp;
use crate::wire_answer::WireAnswer;

/// What goes over the wire in the end.
pub(crate) struct FaultyAnswer {
    /// The answer; where the connection is to end without a whole one, what it would have been.
    pub(crate) answer: WireAnswer,
    /// The body to send instead of the answer's own.
    pub(crate) body: Option<Body>,
    pub(crate) act: ConnectionAction,
    pub(crate) policy: ToldPolicy,
}

/// What an answer says of policy and version.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum ToldPolicy {
    /// What the stub says.
    Honest,
    /// This, or nothing.
    Instead(Option<PolicyStatement>),
}

impl ToldPolicy {
    /// The header, where the honest one is this.
    pub(crate) fn header(&self, honest: Option<HeaderValue>) -> Option<HeaderValue> {
        match self {
            ToldPolicy::Honest => honest,
            ToldPolicy::Instead(policy) => HeaderValue::try_from(policy.as_ref()?.header()).ok(),
        }
    }
}

impl FaultyAnswer {
    /// An answer that the connection carries as it is.
    pub(crate) fn whole(answer: WireAnswer) -> FaultyAnswer {
        FaultyAnswer::ended(answer, ConnectionAction::Honest)
    }

    /// An answer of which the connection makes something else.
    pub(crate) fn ended(answer: WireAnswer, act: ConnectionAction) -> FaultyAnswer {
        FaultyAnswer {
            answer,
            body: None,
            act,
            policy: ToldPolicy::Honest,
        }
    }

    /// An answer whose body is sent in another way.
    pub(super) fn with_body(answer: WireAnswer, body: Body) -> FaultyAnswer {
        FaultyAnswer {
            body: Some(body),
            ..FaultyAnswer::whole(answer)
        }
    }
}

/// What the corruption needs to know.
pub(crate) struct FaultContext<'a> {
    pub(crate) operation: Operation,
    pub(crate) now: UtcTimestamp,
    pub(crate) clock: Arc<Clock>,
    /// The job of that name as JSON, where it is held.
    pub(crate) job_named: &'a dyn Fn(&str) -> Option<Value>,
    /// A queued job other than the one of that name.
    pub(crate) other_job: &'a dyn Fn(Option<&str>) -> Option<Value>,
}

impl FaultContext<'_> {
    /// The honest body, or a plausible one where there is none to corrupt.
    pub(super) fn body_to_corrupt(&self, honest: &WireAnswer) -> (u16, Value) {
        match honest.value() {
            Some(body) if honest.status < 300 => (honest.status, body),
            _ => sample_answers::answer(self.operation, self.now),
        }
    }
}
