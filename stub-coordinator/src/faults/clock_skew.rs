//! `clock_skew`: every instant of the answer is off by so much.

use axum::body::Bytes;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::fault_behavior::{FaultBehavior, HandlerPlan, TableFault};
use super::faulty_answer::{FaultContext, FaultyAnswer};
use super::self_check_case::SelfCheckCase;
use crate::contract::operation::Operation;
use crate::contract::signed_duration::SignedDuration;
use crate::contract::timestamp::UtcTimestamp;
use crate::wire_answer::WireAnswer;

/// A coordinator whose clock is off.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(transparent)]
pub struct ClockSkewFault {
    /// By how much its times are late; negative where they are early.
    pub by: SignedDuration,
}

impl TableFault for ClockSkewFault {
    const FORM: &'static str = "a length of time, such as \"250ms\" or \"-1m30s\"";
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

    fn cases(_name: &str) -> Vec<SelfCheckCase> {
        vec![SelfCheckCase::anywhere(json!({"clock_skew": "10s"}))]
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
