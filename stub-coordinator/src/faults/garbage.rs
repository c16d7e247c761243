//! `garbage`: bytes that are no HTTP, then the end of the connection.

use super::fault_behavior::{FaultBehavior, WordFault};
use super::faulty_answer::{FaultContext, FaultyAnswer};
use super::faulty_stream::ConnectionAction;
use crate::wire_answer::WireAnswer;

pub(super) struct GarbageFault;

impl WordFault for GarbageFault {
    const NAME: &'static str = "garbage";
}

impl FaultBehavior for GarbageFault {
    fn corrupt(&self, answer: WireAnswer, _context: &FaultContext<'_>) -> FaultyAnswer {
        FaultyAnswer::ended(answer, ConnectionAction::Garbage)
    }
}
