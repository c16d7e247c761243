//! `redirect`: a redirect to some other place.

use axum::http::header;
use schemars::SchemaGenerator;
use serde_json::{Map, Value, json};

use super::fault_behavior::{FaultBehavior, TableFault};
use super::fault_syntax::{table_schema, text};
use super::faulty_answer::{FaultContext, FaultyAnswer};
use super::self_check_case::SelfCheckCase;
use crate::wire_answer::WireAnswer;

/// A redirect, with the status 307.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RedirectFault {
    /// The URL in `Location`.
    pub location: String,
}

impl TableFault for RedirectFault {
    const NAME: &'static str = "redirect";

    fn read(value: Value, _rest: &mut Map<String, Value>) -> Result<RedirectFault, String> {
        let location = text(Self::NAME, value)?;
        Ok(RedirectFault { location })
    }

    fn written(&self) -> Value {
        json!({"redirect": self.location})
    }

    fn schema(_generator: &mut SchemaGenerator) -> Value {
        table_schema(&json!({"redirect": {"type": "string"}}), Self::NAME)
    }

    fn cases() -> Vec<SelfCheckCase> {
        vec![SelfCheckCase::anywhere(
            json!({"redirect": "http://127.0.0.1:9/"}),
        )]
    }
}

impl FaultBehavior for RedirectFault {
    fn check(&self) -> Result<(), String> {
        let fits = self.location.bytes().all(|byte| byte.is_ascii_graphic());
        match fits && !self.location.is_empty() {
            true => Ok(()),
            false => Err("`redirect` must be a URL".to_owned()),
        }
    }

    fn corrupt(&self, _answer: WireAnswer, _context: &FaultContext<'_>) -> FaultyAnswer {
        let location = self.location.clone();
        FaultyAnswer::whole(WireAnswer::empty(307).with(header::LOCATION, location))
    }
}
