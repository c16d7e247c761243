//! `cut`: the connection is closed after so many bytes of the answer.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::fault_behavior::{FaultBehavior, HandlerPlan, TableFault};
use super::faulty_answer::{FaultContext, FaultyAnswer};
use super::faulty_stream::ConnectionAction;
use super::self_check_case::SelfCheckCase;
use crate::contract::operation::Operation;
use crate::wire_answer::WireAnswer;

/// An answer that is cut off.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(transparent)]
pub struct CutFault {
    /// How many bytes of it are sent, the head included.
    pub bytes: u64,
}

impl TableFault for CutFault {
    const FORM: &'static str = "a whole number of bytes";
}

impl FaultBehavior for CutFault {
    fn plan(&self, operation: Operation) -> HandlerPlan {
        HandlerPlan::without_effect(operation)
    }

    fn corrupt(&self, answer: WireAnswer, _context: &FaultContext<'_>) -> FaultyAnswer {
        FaultyAnswer::ended(answer, ConnectionAction::Cut(self.bytes))
    }

    fn cases(_name: &str) -> Vec<SelfCheckCase> {
        vec![SelfCheckCase::anywhere(json!({"cut": 20}))]
    }
}
