//! `double_grant`: a claim is given a job that is leased already (against C-1).

use serde_json::json;

use super::fault_behavior::FaultBehavior;
use super::self_check_case::{ProbeStep, SelfCheckCase};
use crate::contract::execution_mode::{ExecutionMode, SemanticFault};
use crate::contract::operation::Operation;

pub(super) struct DoubleGrantFault;

impl FaultBehavior for DoubleGrantFault {
    fn goes_with(&self, operation: Operation) -> bool {
        operation == Operation::Claim
    }

    fn semantic(&self) -> Option<ExecutionMode> {
        Some(ExecutionMode::Dishonest(SemanticFault::DoubleGrant))
    }

    fn cases(name: &str) -> Vec<SelfCheckCase> {
        // The second job is free; the first was granted.
        vec![SelfCheckCase {
            first: &[ProbeStep::Claim],
            ..SelfCheckCase::on("claim", json!(name))
        }]
    }
}
