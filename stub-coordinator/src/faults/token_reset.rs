//! `token_reset`: the fencing tokens of a withdrawn id begin again when it is submitted again (against C-13).

use serde_json::json;

use super::fault_behavior::FaultBehavior;
use super::self_check_case::{ProbeStep, SelfCheckCase};
use crate::contract::execution_mode::{ExecutionMode, SemanticFault};
use crate::contract::operation::Operation;

pub(super) struct TokenResetFault;

impl FaultBehavior for TokenResetFault {
    fn goes_with(&self, operation: Operation) -> bool {
        operation == Operation::JobSubmit
    }

    fn semantic(&self) -> Option<ExecutionMode> {
        Some(ExecutionMode::Dishonest(SemanticFault::TokenReset))
    }

    fn cases(name: &str) -> Vec<SelfCheckCase> {
        vec![SelfCheckCase {
            first: &[ProbeStep::Claim, ProbeStep::Release, ProbeStep::Withdraw],
            ..SelfCheckCase::on("job.submit", json!(name))
        }]
    }
}
