//! `empty`: a well-formed answer that says there is nothing.

use serde_json::json;

use super::fault_behavior::{FaultBehavior, HandlerPlan, WordFault};
use super::faulty_answer::{FaultContext, FaultyAnswer};
use super::self_check_case::SelfCheckCase;
use crate::contract::operation::Operation;
use crate::wire_answer::WireAnswer;

pub(super) struct EmptyFault;

impl WordFault for EmptyFault {
    const NAME: &'static str = "empty";

    fn cases() -> Vec<SelfCheckCase> {
        vec![SelfCheckCase::anywhere(json!(Self::NAME))]
    }
}

impl FaultBehavior for EmptyFault {
    fn goes_with(&self, operation: Operation) -> bool {
        matches!(
            operation,
            Operation::Claim | Operation::ShadowClaim | Operation::JobList
        )
    }

    fn plan(&self, _operation: Operation) -> HandlerPlan {
        HandlerPlan::Skip
    }

    fn spoil(&self, _answer: WireAnswer, context: &FaultContext<'_>) -> FaultyAnswer {
        FaultyAnswer::whole(match context.operation {
            Operation::JobList => WireAnswer::json(200, &json!({"jobs": []})),
            _ => WireAnswer::empty(204),
        })
    }
}
