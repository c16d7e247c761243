//! `reset`: the connection ends with RST, without a byte of answer.

use serde_json::json;

use super::fault_behavior::{FaultBehavior, HandlerPlan, WordFault};
use super::faulty_answer::{FaultContext, FaultyAnswer};
use super::faulty_stream::ConnectionAction;
use super::self_check_case::SelfCheckCase;
use crate::contract::operation::Operation;
use crate::wire_answer::WireAnswer;

pub(super) struct ResetFault;

impl WordFault for ResetFault {
    const NAME: &'static str = "reset";

    fn cases() -> Vec<SelfCheckCase> {
        vec![SelfCheckCase::anywhere(json!(Self::NAME))]
    }
}

impl FaultBehavior for ResetFault {
    fn plan(&self, _operation: Operation) -> HandlerPlan {
        HandlerPlan::Skip
    }

    fn spoil(&self, answer: WireAnswer, _context: &FaultContext<'_>) -> FaultyAnswer {
        FaultyAnswer::ended(answer, ConnectionAction::Reset)
    }
}
