//! `hang`: no answer, ever. Disarming the rule closes the connection.

use serde_json::json;

use super::fault_behavior::{FaultBehavior, FaultWait, HandlerPlan, WordFault};
use super::faulty_answer::{FaultContext, FaultyAnswer};
use super::faulty_stream::ConnectionAction;
use super::self_check_case::SelfCheckCase;
use crate::contract::operation::Operation;
use crate::wire_answer::WireAnswer;

pub(super) struct HangFault;

impl WordFault for HangFault {
    const NAME: &'static str = "hang";

    fn cases() -> Vec<SelfCheckCase> {
        vec![SelfCheckCase::anywhere(json!(Self::NAME))]
    }
}

impl FaultBehavior for HangFault {
    fn plan(&self, _operation: Operation) -> HandlerPlan {
        HandlerPlan::Skip
    }

    fn wait(&self, _draw: f64) -> FaultWait<'_> {
        FaultWait::Disarming
    }

    fn spoil(&self, answer: WireAnswer, _context: &FaultContext<'_>) -> FaultyAnswer {
        FaultyAnswer::ended(answer, ConnectionAction::Close)
    }
}
