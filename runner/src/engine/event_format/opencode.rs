//! `opencode run --format json`. There is no event for the end of the run: the last step that ends with the reason `stop`
//! is the success. A step that ends in another way, for instance after a permission that nobody could give, is none.

use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp};
use serde::Deserialize;
use serde_json::Value;

use super::OptionalMember;
use crate::engine::engine_event::{EngineEvent, ProblemCause, WorkEnd, input_summary, microusd, tokens};
use crate::token_usage::TokenUsage;

#[derive(Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub(super) enum OpencodeEvent {
    StepStart,
    Text {
        part: TextPart,
    },
    ToolUse {
        part: ToolPart,
    },
    StepFinish {
        part: StepPart,
    },
    Error {
        error: OpencodeError,
        /// Milliseconds since 1970.
        timestamp: Option<i64>,
    },
    #[serde(other)]
    Other,
}

#[derive(Deserialize)]
pub(super) struct TextPart {
    #[serde(default)]
    text: String,
}

#[derive(Deserialize)]
pub(super) struct ToolPart {
    tool: String,
    #[serde(default)]
    state: ToolState,
}

#[derive(Deserialize, Default)]
#[serde(default)]
pub(super) struct ToolState {
    status: String,
    input: Value,
    error: Option<String>,
}

#[derive(Deserialize)]
pub(super) struct StepPart {
    #[serde(default)]
    reason: String,
    #[serde(default)]
    tokens: OptionalMember<StepTokens>,
    #[serde(default)]
    cost: OptionalMember<f64>,
}

#[derive(Debug, Deserialize, Default)]
#[serde(default)]
pub(super) struct StepTokens {
    input: u64,
    output: u64,
    reasoning: u64,
    cache: CachedTokens,
}

#[derive(Debug, Deserialize, Default)]
#[serde(default)]
pub(super) struct CachedTokens {
    read: u64,
    write: u64,
}

#[derive(Deserialize)]
pub(super) struct OpencodeError {
    #[serde(default)]
    name: String,
    #[serde(default)]
    data: ErrorData,
}

#[derive(Deserialize, Default)]
#[serde(default, rename_all = "camelCase")]
pub(super) struct ErrorData {
    message: String,
    status_code: OptionalMember<u16>,
    response_headers: OptionalMember<BTreeMap<String, String>>,
}

pub(super) fn events(event: OpencodeEvent) -> Vec<EngineEvent> {
    match event {
        OpencodeEvent::StepStart => vec![EngineEvent::Began],
        OpencodeEvent::Text { part } => vec![EngineEvent::Text {
            text: part.text,
            is_part: false,
        }],
        OpencodeEvent::ToolUse { part } => {
            let (name, input) = (part.tool, input_summary(&part.state.input));
            let is_error = part.state.status == "error";
            let failed = is_error.then(|| EngineEvent::ToolFailed(part.state.error.unwrap_or_default()));
            [EngineEvent::ToolCall { name, input }]
                .into_iter()
                .chain(failed)
                .collect()
        }
        OpencodeEvent::StepFinish { part } => {
            let end = part.end().map(EngineEvent::Ended);
            part.used().into_iter().chain(end).collect()
        }
        OpencodeEvent::Error { error, timestamp } => error.events(timestamp),
        OpencodeEvent::Other => Vec::new(),
    }
}

impl StepPart {
    fn end(&self) -> Option<WorkEnd> {
        let failure = |cause, message: &str| {
            let message = message.to_owned();
            Some(WorkEnd::Failure { cause, message })
        };
        match self.reason.as_str() {
            "stop" => Some(WorkEnd::SuccessIfAnswered),
            "content-filter" => failure(ProblemCause::Refusal, "its answer was held back"),
            "length" => failure(ProblemCause::Error, "its answer was cut off: it is too long"),
            _ => None,
        }
    }

    fn used(&self) -> Option<EngineEvent> {
        let used = self.tokens.0.as_ref()?;
        let output = used.output.saturating_add(used.reasoning);
        Some(EngineEvent::UsedMore(TokenUsage {
            cost_microusd: self.cost.0.and_then(microusd),
            ..tokens(used.input, [used.cache.read, used.cache.write], output)
        }))
    }
}

impl OpencodeError {
    fn events(self, told_ms: Option<i64>) -> Vec<EngineEvent> {
        let cause = match (self.data.status_code.0, self.name.as_str()) {
            (Some(401), _) | (_, "ProviderAuthError") => ProblemCause::Login,
            (Some(429), _) => ProblemCause::Limit,
            (_, "ContentFilterError") => ProblemCause::Refusal,
            _ => ProblemCause::Error,
        };
        let limit_end = self.data.limit_end(told_ms).map(EngineEvent::LimitEnd);
        let message = match self.data.message.is_empty() {
            true => self.name,
            false => self.data.message,
        };
        let end = EngineEvent::Ended(WorkEnd::Failure { cause, message });
        limit_end.into_iter().chain([end]).collect()
    }
}

impl ErrorData {
    /// `retry-after` counts seconds from the answer.
    fn limit_end(&self, told_ms: Option<i64>) -> Option<Timestamp> {
        let seconds = self
            .response_headers
            .0
            .as_ref()?
            .get("retry-after")?
            .parse()
            .ok()?;
        let told = Timestamp::from_millisecond(told_ms?).ok()?;
        told.checked_add(SignedDuration::from_secs(seconds)).ok()
    }
}
