//! `leaky_shadow`: a shadow report changes the real job.

use serde_json::json;

use super::fault_behavior::{FaultBehavior, WordFault};
use super::self_check_case::SelfCheckCase;
use crate::contract::execution_mode::{ExecutionMode, SemanticFault};
use crate::contract::operation::Operation;

pub(super) struct LeakyShadowFault;

impl WordFault for LeakyShadowFault {
    const NAME: &'static str = "leaky_shadow";

    fn cases() -> Vec<SelfCheckCase> {
        vec![SelfCheckCase::on("shadow.report", json!(Self::NAME))]
    }
}

impl FaultBehavior for LeakyShadowFault {
    fn goes_with(&self, operation: Operation) -> bool {
        operation == Operation::ShadowReport
    }

    fn semantic(&self) -> Option<ExecutionMode> {
        Some(ExecutionMode::Dishonest(SemanticFault::LeakyShadow))
    }
}
