//! `claim_withdrawn`: a claim is given a job that was withdrawn, where there is one for it (against C-12).

use serde_json::json;

use super::fault_behavior::FaultBehavior;
use super::self_check_case::{ProbeStep, SelfCheckCase};
use crate::contract::execution_mode::{ExecutionMode, SemanticFault};
use crate::contract::operation::Operation;

pub(super) struct ClaimWithdrawnFault;

impl FaultBehavior for ClaimWithdrawnFault {
    fn goes_with(&self, operation: Operation) -> bool {
        operation == Operation::Claim
    }

    fn semantic(&self) -> Option<ExecutionMode> {
        Some(ExecutionMode::Dishonest(SemanticFault::ClaimWithdrawn))
    }

    fn cases(name: &str) -> Vec<SelfCheckCase> {
        vec![SelfCheckCase {
            first: &[ProbeStep::Withdraw],
            ..SelfCheckCase::on("claim", json!(name))
        }]
    }
}
