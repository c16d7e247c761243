//! `empty`: a well-formed answer that says there is nothing.

use serde_json::json;

use super::fault_behavior::FaultBehavior;
use super::faulty_answer::{FaultContext, FaultyAnswer};
use crate::contract::operation::Operation;
use crate::wire_answer::WireAnswer;

pub(super) struct EmptyFault;

impl FaultBehavior for EmptyFault {
    fn goes_with(&self, operation: Operation) -> bool {
        matches!(
            operation,
            Operation::Claim | Operation::ShadowClaim | Operation::JobList
        )
    }

    fn corrupt(&self, _answer: WireAnswer, context: &FaultContext<'_>) -> FaultyAnswer {
        FaultyAnswer::whole(match context.operation {
            Operation::JobList => WireAnswer::json(200, &json!({"jobs": []})),
            _ => WireAnswer::empty(204),
        })
    }
}
