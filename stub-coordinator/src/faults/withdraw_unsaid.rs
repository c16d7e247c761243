//! `withdraw_unsaid`: a withdrawal is refused as `leased`, and carried out all the same (against C-12).

use serde_json::json;

use super::fault_behavior::FaultBehavior;
use super::self_check_case::SelfCheckCase;
use crate::contract::execution_mode::{ExecutionMode, SemanticFault};
use crate::contract::operation::Operation;

pub(super) struct WithdrawUnsaidFault;

impl FaultBehavior for WithdrawUnsaidFault {
    fn goes_with(&self, operation: Operation) -> bool {
        operation == Operation::JobWithdraw
    }

    fn semantic(&self) -> Option<ExecutionMode> {
        Some(ExecutionMode::Dishonest(SemanticFault::WithdrawUnsaid))
    }

    fn cases(name: &str) -> Vec<SelfCheckCase> {
        vec![SelfCheckCase::on("job.withdraw", json!(name))]
    }
}
