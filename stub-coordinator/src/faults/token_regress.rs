//! `token_regress`: a claim is given a lease whose fencing token does not rise (against C-2).

use serde_json::json;

use super::fault_behavior::FaultBehavior;
use super::self_check_case::{ProbeStep, SelfCheckCase};
use crate::contract::execution_mode::{ExecutionMode, SemanticFault};
use crate::contract::operation::Operation;

pub(super) struct TokenRegressFault;

impl FaultBehavior for TokenRegressFault {
    fn goes_with(&self, operation: Operation) -> bool {
        operation == Operation::Claim
    }

    fn semantic(&self) -> Option<ExecutionMode> {
        Some(ExecutionMode::Dishonest(SemanticFault::TokenRegress))
    }

    fn cases(name: &str) -> Vec<SelfCheckCase> {
        // The second job is free; the first was granted and given back.
        vec![SelfCheckCase {
            first: &[ProbeStep::Claim, ProbeStep::Release],
            ..SelfCheckCase::on("claim", json!(name))
        }]
    }
}
