//! `garbage`: bytes that are no HTTP, then the end of the connection.

use super::fault_behavior::FaultBehavior;
use super::faulty_answer::{FaultContext, FaultyAnswer};
use super::faulty_stream::ConnectionAction;
use crate::wire_answer::WireAnswer;

pub(super) struct GarbageFault;

impl FaultBehavior for GarbageFault {
    fn corrupt(&self, answer: WireAnswer, _context: &FaultContext<'_>) -> FaultyAnswer {
        FaultyAnswer::ended(answer, ConnectionAction::Garbage)
    }
}
