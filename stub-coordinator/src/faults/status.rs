//! `status`: an error status in the coordinator's own dialect.

use axum::http::header;
use schemars::SchemaGenerator;
use serde_json::{Map, Value, json};

use super::fault_behavior::{FaultBehavior, TableFault};
use super::fault_syntax::{SPAN_PATTERN, span, table_schema, text};
use super::faulty_answer::{FaultContext, FaultyAnswer};
use super::self_check_case::SelfCheckCase;
use crate::contract::problem::Problem;
use crate::contract::signed_duration::SignedDuration;
use crate::wire_answer::WireAnswer;

/// An error status with its problem code.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StatusFault {
    /// The status, 200 to 599.
    pub status: u16,
    /// The problem's code; the usual one of the status where left out.
    pub code: Option<String>,
    /// What `Retry-After` says, in whole seconds, rounded up.
    pub retry_after: Option<SignedDuration>,
}

impl TableFault for StatusFault {
    const NAME: &'static str = "status";
    const OTHER_KEYS: &'static [&'static str] = &["code", "retry_after"];

    fn read(value: Value, rest: &mut Map<String, Value>) -> Result<StatusFault, String> {
        let status = value
            .as_u64()
            .and_then(|status| u16::try_from(status).ok())
            .filter(|status| (200..=599).contains(status))
            .ok_or("`status` must be a whole number from 200 to 599")?;
        let code = rest.remove("code").map(|code| text("code", code)).transpose()?;
        let retry_after = rest
            .remove("retry_after")
            .map(|time| span("retry_after", time))
            .transpose()?;
        Ok(StatusFault {
            status,
            code,
            retry_after,
        })
    }

    fn written(&self) -> Value {
        let mut table = json!({"status": self.status});
        if let Some(code) = &self.code {
            table["code"] = json!(code);
        }
        if let Some(time) = &self.retry_after {
            table["retry_after"] = json!(time);
        }
        table
    }

    fn schema(_generator: &mut SchemaGenerator) -> Value {
        let status = json!({"type": "integer", "minimum": 200, "maximum": 599});
        let time = json!({"type": "string", "pattern": SPAN_PATTERN});
        table_schema(
            &json!({"status": status, "code": {"type": "string"}, "retry_after": time}),
            Self::NAME,
        )
    }

    fn cases() -> Vec<SelfCheckCase> {
        vec![SelfCheckCase::anywhere(
            json!({"status": 503, "retry_after": "1s"}),
        )]
    }
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
}

fn is_code(code: &str) -> bool {
    code.starts_with(|first: char| first.is_ascii_lowercase())
        && code
            .bytes()
            .all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_')
}
