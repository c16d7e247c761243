//! `dry_run_grants`: a dry run really claims.

use serde_json::json;

use super::fault_behavior::FaultBehavior;
use super::self_check_case::SelfCheckCase;
use crate::contract::execution_mode::{ExecutionMode, SemanticFault};
use crate::contract::operation::Operation;

pub(super) struct DryRunGrantsFault;

impl FaultBehavior for DryRunGrantsFault {
    fn goes_with(&self, operation: Operation) -> bool {
        operation == Operation::ShadowClaim
    }

    fn semantic(&self) -> Option<ExecutionMode> {
        Some(ExecutionMode::Dishonest(SemanticFault::DryRunGrants))
    }

    fn cases(name: &str) -> Vec<SelfCheckCase> {
        vec![SelfCheckCase::on("shadow.claim", json!(name))]
    }
}
