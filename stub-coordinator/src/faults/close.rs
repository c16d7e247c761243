//! `close`: the connection ends with FIN, without a byte of answer.

use serde_json::json;

use super::fault_behavior::{FaultBehavior, HandlerPlan, WordFault};
use super::faulty_answer::{FaultContext, FaultyAnswer};
use super::faulty_stream::ConnectionAction;
use super::self_check_case::SelfCheckCase;
use crate::contract::operation::Operation;
use crate::wire_answer::WireAnswer;

pub(super) struct CloseFault;

impl WordFault for CloseFault {
    const NAME: &'static str = "close";

    fn cases() -> Vec<SelfCheckCase> {
        vec![SelfCheckCase::anywhere(json!(Self::NAME))]
    }
}

impl FaultBehavior for CloseFault {
    fn plan(&self, _operation: Operation) -> HandlerPlan {
        HandlerPlan::Skip
    }

    fn spoil(&self, answer: WireAnswer, _context: &FaultContext<'_>) -> FaultyAnswer {
        FaultyAnswer::ended(answer, ConnectionAction::Close)
    }
}
