//! `close`: the connection ends with FIN, without a byte of answer.

use super::fault_behavior::FaultBehavior;
use super::faulty_answer::{FaultContext, FaultyAnswer};
use super::faulty_stream::ConnectionAction;
use crate::wire_answer::WireAnswer;

pub(super) struct CloseFault;

impl FaultBehavior for CloseFault {
    fn corrupt(&self, answer: WireAnswer, _context: &FaultContext<'_>) -> FaultyAnswer {
        FaultyAnswer::ended(answer, ConnectionAction::Close)
    }
}
