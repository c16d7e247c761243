//! `hang`: no answer, ever. Disarming the rule closes the connection.

use super::fault_behavior::{FaultBehavior, FaultWait};
use super::faulty_answer::{FaultContext, FaultyAnswer};
use super::faulty_stream::ConnectionAction;
use crate::wire_answer::WireAnswer;

pub(super) struct HangFault;

impl FaultBehavior for HangFault {
    fn wait(&self, _draw: f64) -> FaultWait<'_> {
        FaultWait::Disarming
    }

    fn corrupt(&self, answer: WireAnswer, _context: &FaultContext<'_>) -> FaultyAnswer {
        FaultyAnswer::ended(answer, ConnectionAction::Close)
    }
}
