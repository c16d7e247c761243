//! `stale_read`: a read shows the state of the time when the rule was armed.

use serde_json::json;

use super::fault_behavior::{ArmEffect, FaultBehavior};
use super::self_check_case::{ProbeStep, SelfCheckCase};
use crate::contract::execution_mode::{ExecutionMode, SemanticFault};
use crate::contract::operation::Operation;

pub(super) struct StaleReadFault;

impl FaultBehavior for StaleReadFault {
    fn goes_with(&self, operation: Operation) -> bool {
        matches!(operation, Operation::JobList | Operation::JobGet)
    }

    fn semantic(&self) -> Option<ExecutionMode> {
        Some(ExecutionMode::Dishonest(SemanticFault::StaleRead))
    }
    fn arm_effect(&self) -> Option<ArmEffect<'_>> {
        Some(ArmEffect::KeepPastState)
    }

    fn cases(name: &str) -> Vec<SelfCheckCase> {
        vec![SelfCheckCase {
            then: &[ProbeStep::Claim],
            ..SelfCheckCase::on("job.get", json!(name))
        }]
    }
}
