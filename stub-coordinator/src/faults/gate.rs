//! `gate`: the honest answer, once somebody releases the gate.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::fault_behavior::{ArmEffect, FaultBehavior, FaultWait, HandlerPlan, TableFault};
use super::self_check_case::SelfCheckCase;
use crate::contract::ids::is_id;
use crate::contract::operation::Operation;

/// A place where requests wait until somebody releases them by name. What tests use instead of delays.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(transparent)]
pub struct GateFault {
    /// The gate's name, which is an id; rules may share a gate.
    pub name: String,
}

impl TableFault for GateFault {
    const FORM: &'static str = "the name of a gate";
}

impl FaultBehavior for GateFault {
    fn check(&self) -> Result<(), String> {
        match is_id(&self.name) {
            true => Ok(()),
            false => Err(format!("a gate's name is an id, {:?} is none", self.name)),
        }
    }

    fn plan(&self, _operation: Operation) -> HandlerPlan {
        HandlerPlan::HONEST
    }

    fn wait(&self, _draw: f64) -> FaultWait<'_> {
        FaultWait::Gate(&self.name)
    }

    fn arm_effect(&self) -> Option<ArmEffect<'_>> {
        Some(ArmEffect::CloseGate(&self.name))
    }

    fn cases(_name: &str) -> Vec<SelfCheckCase> {
        vec![SelfCheckCase::anywhere(json!({"gate": "self-check"}))]
    }
}
