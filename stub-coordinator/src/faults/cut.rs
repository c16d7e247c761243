//! `cut`: the connection is closed after so many bytes of the answer.

use schemars::SchemaGenerator;
use serde_json::{Map, Value, json};

use super::fault_behavior::{FaultBehavior, HandlerPlan, TableFault};
use super::fault_syntax::table_schema;
use super::faulty_answer::{FaultContext, FaultyAnswer};
use super::faulty_stream::ConnectionAction;
use super::self_check_case::SelfCheckCase;
use crate::contract::operation::Operation;
use crate::wire_answer::WireAnswer;

/// An answer that is cut off.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CutFault {
    /// How many bytes of it are sent, the head included.
    pub bytes: u64,
}

impl TableFault for CutFault {
    const NAME: &'static str = "cut";

    fn read(value: Value, _rest: &mut Map<String, Value>) -> Result<CutFault, String> {
        let bytes = value.as_u64().ok_or("`cut` must be a whole number of bytes")?;
        Ok(CutFault { bytes })
    }

    fn written(&self) -> Value {
        json!({"cut": self.bytes})
    }

    fn schema(_generator: &mut SchemaGenerator) -> Value {
        table_schema(&json!({"cut": {"type": "integer", "minimum": 0}}), Self::NAME)
    }

    fn cases() -> Vec<SelfCheckCase> {
        vec![SelfCheckCase::anywhere(json!({"cut": 20}))]
    }
}

impl FaultBehavior for CutFault {
    fn plan(&self, operation: Operation) -> HandlerPlan {
        HandlerPlan::without_effect(operation)
    }

    fn corrupt(&self, answer: WireAnswer, _context: &FaultContext<'_>) -> FaultyAnswer {
        FaultyAnswer::ended(answer, ConnectionAction::Cut(self.bytes))
    }
}
