//! `clock_skew`: every instant of the answer is off by so much.

use axum::body::Bytes;
use schemars::SchemaGenerator;
use serde_json::{Map, Value, json};

use super::fault_behavior::{FaultBehavior, HandlerPlan, TableFault};
use super::fault_syntax::{SPAN_PATTERN, span, table_schema};
use super::faulty_answer::{FaultContext, FaultyAnswer};
use super::self_check_case::SelfCheckCase;
use crate::contract::operation::Operation;
use crate::contract::signed_duration::SignedDuration;
use crate::contract::timestamp::UtcTimestamp;
use crate::wire_answer::WireAnswer;

/// A coordinator whose clock is off.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ClockSkewFault {
    /// By how much its times are late; negative where they are early.
    pub by: SignedDuration,
}

impl TableFault for ClockSkewFault {
    const NAME: &'static str = "clock_skew";

    fn read(value: Value, _rest: &mut Map<String, Value>) -> Result<ClockSkewFault, String> {
        let by = span(Self::NAME, value)?;
        Ok(ClockSkewFault { by })
    }

    fn written(&self) -> Value {
        json!({"clock_skew": self.by})
    }

    fn schema(_generator: &mut SchemaGenerator) -> Value {
        let time = json!({"type": "string", "pattern": SPAN_PATTERN});
        table_schema(&json!({"clock_skew": time}), Self::NAME)
    }

    fn cases() -> Vec<SelfCheckCase> {
        vec![SelfCheckCase::anywhere(json!({"clock_skew": "10s"}))]
    }
}

impl FaultBehavior for ClockSkewFault {
    fn goes_with(&self, operation: Operation) -> bool {
        operation != Operation::Openapi
    }

    fn plan(&self, _operation: Operation) -> HandlerPlan {
        HandlerPlan::HONEST
    }

    fn corrupt(&self, answer: WireAnswer, _context: &FaultContext<'_>) -> FaultyAnswer {
        let Some(mut body) = answer.value() else {
            return FaultyAnswer::whole(answer);
        };
        skew(&mut body, self.by);
        FaultyAnswer::whole(WireAnswer {
            body: Bytes::from(body.to_string()),
            ..answer
        })
    }
}

fn skew(value: &mut Value, span: SignedDuration) {
    match value {
        Value::String(text) => {
            if let Some(moment) = UtcTimestamp::parse(text) {
                *text = UtcTimestamp::from_millis(moment.millis().saturating_add(span.millis())).to_string();
            }
        }
        Value::Array(items) => items.iter_mut().for_each(|item| skew(item, span)),
        Value::Object(fields) => fields.values_mut().for_each(|field| skew(field, span)),
        _ => {}
    }
}
