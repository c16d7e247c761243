//! `withdraw_leased`: a job that somebody works on is withdrawn, and its lease ends (against C-12).

use serde_json::json;

use super::fault_behavior::FaultBehavior;
use super::self_check_case::{ProbeStep, SelfCheckCase};
use crate::contract::execution_mode::{ExecutionMode, SemanticFault};
use crate::contract::operation::Operation;

pub(super) struct WithdrawLeasedFault;

impl FaultBehavior for WithdrawLeasedFault {
    fn goes_with(&self, operation: Operation) -> bool {
        operation == Operation::JobWithdraw
    }

    fn semantic(&self) -> Option<ExecutionMode> {
        Some(ExecutionMode::Dishonest(SemanticFault::WithdrawLeased))
    }

    fn cases(name: &str) -> Vec<SelfCheckCase> {
        vec![SelfCheckCase {
            first: &[ProbeStep::Claim],
            ..SelfCheckCase::on("job.withdraw", json!(name))
        }]
    }
}
