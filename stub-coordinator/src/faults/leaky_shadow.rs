//! `leaky_shadow`: a shadow report changes the real job.

use serde_json::json;

use super::fault_behavior::FaultBehavior;
use super::self_check_case::SelfCheckCase;
use crate::contract::execution_mode::{ExecutionMode, SemanticFault};
use crate::contract::operation::Operation;

pub(super) struct LeakyShadowFault;

impl FaultBehavior for LeakyShadowFault {
    fn goes_with(&self, operation: Operation) -> bool {
        operation == Operation::ShadowReport
    }

    fn semantic(&self) -> Option<ExecutionMode> {
        Some(ExecutionMode::Dishonest(SemanticFault::LeakyShadow))
    }

    fn cases(name: &str) -> Vec<SelfCheckCase> {
        vec![SelfCheckCase::on("shadow.report", json!(name))]
    }
}
