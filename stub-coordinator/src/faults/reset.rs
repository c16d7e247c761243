//! `reset`: the connection ends with RST, without a byte of answer.

use super::fault_behavior::FaultBehavior;
use super::faulty_answer::{FaultContext, FaultyAnswer};
use super::faulty_stream::ConnectionAction;
use crate::wire_answer::WireAnswer;

pub(super) struct ResetFault;

impl FaultBehavior for ResetFault {
    fn corrupt(&self, answer: WireAnswer, _context: &FaultContext<'_>) -> FaultyAnswer {
        FaultyAnswer::ended(answer, ConnectionAction::Reset)
    }
}
