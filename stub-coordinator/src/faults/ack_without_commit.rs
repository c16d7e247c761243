//! `ack_without_commit`: says that the operation was carried out, and changes nothing.

use serde_json::json;

use super::fault_behavior::FaultBehavior;
use super::self_check_case::SelfCheckCase;
use crate::contract::execution_mode::ExecutionMode;
use crate::contract::operation::Operation;

pub(super) struct AckWithoutCommitFault;

impl FaultBehavior for AckWithoutCommitFault {
    fn goes_with(&self, operation: Operation) -> bool {
        operation.mutates()
    }

    fn semantic(&self) -> Option<ExecutionMode> {
        Some(ExecutionMode::WithoutCommit)
    }

    fn cases(name: &str) -> Vec<SelfCheckCase> {
        vec![SelfCheckCase::on("claim", json!(name))]
    }
}
