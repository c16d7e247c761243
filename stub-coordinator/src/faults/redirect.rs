//! `redirect`: a redirect to some other place.

use axum::http::header;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::fault_behavior::{FaultBehavior, TableFault};
use super::faulty_answer::{FaultContext, FaultyAnswer};
use super::self_check_case::SelfCheckCase;
use crate::wire_answer::WireAnswer;

/// A redirect, with the status 307.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(transparent)]
pub struct RedirectFault {
    /// The URL in `Location`.
    pub location: String,
}

impl TableFault for RedirectFault {
    const FORM: &'static str = "a URL";
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

    fn cases(_name: &str) -> Vec<SelfCheckCase> {
        vec![SelfCheckCase::anywhere(
            json!({"redirect": "http://127.0.0.1:9/"}),
        )]
    }
}
