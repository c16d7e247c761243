//! `agree`: the honest answer. It keeps the rules behind it from firing.

use serde_json::json;

use super::fault_behavior::{FaultBehavior, HandlerPlan};
use super::self_check_case::SelfCheckCase;
use crate::contract::operation::Operation;

pub(super) struct AgreeFault;

impl FaultBehavior for AgreeFault {
    fn has_after(&self) -> bool {
        false
    }

    fn plan(&self, _operation: Operation) -> HandlerPlan {
        HandlerPlan::HONEST
    }

    fn cases(name: &str) -> Vec<SelfCheckCase> {
        // A rule behind one that always fires could never fire itself.
        vec![SelfCheckCase {
            times: Some(1),
            behind: Some(json!({"status": 503})),
            ..SelfCheckCase::on("shadow.claim", json!(name))
        }]
    }
}
