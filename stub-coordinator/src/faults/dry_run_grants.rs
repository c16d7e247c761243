//! `dry_run_grants`: a dry run really claims.

use serde_json::json;

use super::fault_behavior::{FaultBehavior, WordFault};
use super::self_check_case::SelfCheckCase;
use crate::contract::execution_mode::{ExecutionMode, SemanticFault};
use crate::contract::operation::Operation;

pub(super) struct DryRunGrantsFault;

impl WordFault for DryRunGrantsFault {
    const NAME: &'static str = "dry_run_grants";

    fn cases() -> Vec<SelfCheckCase> {
        vec![SelfCheckCase::on("shadow.claim", json!(Self::NAME))]
    }
}

impl FaultBehavior for DryRunGrantsFault {
    fn goes_with(&self, operation: Operation) -> bool {
        operation == Operation::ShadowClaim
    }

    fn semantic(&self) -> Option<ExecutionMode> {
        Some(ExecutionMode::Dishonest(SemanticFault::DryRunGrants))
    }
}
