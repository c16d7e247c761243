//! `down`: nobody listens, and live connections are dropped, until the rule is disarmed.

use super::fault_behavior::{ArmEffect, FaultBehavior, FaultError};
use super::faulty_answer::{FaultContext, FaultyAnswer};
use super::faulty_stream::ConnectionAction;
use crate::wire_answer::WireAnswer;

pub(super) struct DownFault;

impl FaultBehavior for DownFault {
    fn check_firing(&self, times: Option<u64>, _sticky: bool) -> Result<(), FaultError> {
        match times {
            Some(_) => Err(FaultError::Unsound(
                "`down` lasts until it is disarmed; drop `times`".to_owned(),
            )),
            None => Ok(()),
        }
    }

    fn corrupt(&self, answer: WireAnswer, _context: &FaultContext<'_>) -> FaultyAnswer {
        FaultyAnswer::ended(answer, ConnectionAction::Reset)
    }

    fn arm_effect(&self) -> Option<ArmEffect<'_>> {
        Some(ArmEffect::StopListening)
    }
}
