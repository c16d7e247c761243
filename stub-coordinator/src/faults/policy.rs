//! `policy`: the honest answer, which tells another policy or version of the coordinator, or none (against C-33).

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::fault_behavior::{FaultBehavior, HandlerPlan, TableFault};
use super::faulty_answer::{FaultContext, FaultyAnswer, ToldPolicy};
use super::self_check_case::SelfCheckCase;
use crate::contract::operation::Operation;
use crate::contract::policy_statement::PolicyStatement;
use crate::wire_answer::WireAnswer;

/// Another policy.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(transparent)]
pub struct PolicyFault {
    /// `NAME` or `NAME@VERSION`; an empty text for an answer that tells none.
    pub policy: String,
}

impl PolicyFault {
    fn told(&self) -> Result<Option<PolicyStatement>, String> {
        let policy = Some(self.policy.as_str()).filter(|policy| !policy.is_empty());
        let read = policy.map(PolicyStatement::parse).transpose();
        read.map_err(|error| error.to_string())
    }
}

impl TableFault for PolicyFault {
    const FORM: &'static str = "NAME@VERSION, or an empty text";
}

impl FaultBehavior for PolicyFault {
    fn check(&self) -> Result<(), String> {
        self.told().map(drop)
    }

    fn plan(&self, _operation: Operation) -> HandlerPlan {
        HandlerPlan::HONEST
    }

    fn corrupt(&self, answer: WireAnswer, _context: &FaultContext<'_>) -> FaultyAnswer {
        FaultyAnswer {
            policy: ToldPolicy::Instead(self.told().unwrap_or_default()),
            ..FaultyAnswer::whole(answer)
        }
    }

    fn cases(_name: &str) -> Vec<SelfCheckCase> {
        vec![SelfCheckCase::anywhere(json!({"policy": "other@2"}))]
    }
}
