//! `status`: an error status in the coordinator's own dialect.

use axum::http::header;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::fault_behavior::{FaultBehavior, TableFault};
use super::fault_syntax::whole;
use super::faulty_answer::{FaultContext, FaultyAnswer};
use super::self_check_case::SelfCheckCase;
use crate::contract::problem::Problem;
use crate::contract::signed_duration::SignedDuration;
use crate::wire_answer::WireAnswer;

/// An error status with its problem code.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct StatusFault {
    /// The status, 200 to 599.
    #[serde(deserialize_with = "whole::<200, 599, _, _>")]
    #[schemars(range(min = 200, max = 599))]
    pub status: u16,
    /// The problem's code; the usual one of the status where left out.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub code: Option<String>,
    /// What `Retry-After` says, in whole seconds, rounded up.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub retry_after: Option<SignedDuration>,
}

impl TableFault for StatusFault {
    const FORM: &'static str =
        "a whole number from 200 to 599, and beside it `code` and `retry_after` where they are wanted";
    const HAS_OTHER_KEYS: bool = true;
}

impl FaultBehavior for StatusFault {
    fn check(&self) -> Result<(), String> {
        if self.code.as_ref().is_some_and(|code| !is_code(code)) {
            return Err("a problem code is lower-case letters, digits and `_`".to_owned());
        }
        match self.retry_after.is_some_and(|time| time.millis() < 0) {
            true => Err("`retry_after` lies in the past".to_owned()),
            false => Ok(()),
        }
    }

    fn corrupt(&self, _answer: WireAnswer, _context: &FaultContext<'_>) -> FaultyAnswer {
        let status = self.status;
        let answer = if status >= 400 {
            let code = self.code.as_deref().unwrap_or_else(|| Problem::code_of(status));
            WireAnswer::problem(&Problem::with_status(
                status,
                code,
                "the stub was told to answer so",
            ))
        } else {
            WireAnswer::empty(status)
        };
        FaultyAnswer::whole(match self.retry_after {
            Some(time) => {
                let seconds = time.millis().max(0).unsigned_abs().div_ceil(1_000);
                answer.with(header::RETRY_AFTER, seconds.to_string())
            }
            None => answer,
        })
    }

    fn cases(_name: &str) -> Vec<SelfCheckCase> {
        vec![SelfCheckCase::anywhere(
            json!({"status": 503, "retry_after": "1s"}),
        )]
    }
}

fn is_code(code: &str) -> bool {
    code.starts_with(|first: char| first.is_ascii_lowercase())
        && code
            .bytes()
            .all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_')
}
