//! `claude -p --output-format stream-json --verbose`. Its last `result` tells how the run ended; what kind of failure it
//! was stands in the message before it (`error`) and in `api_error_status`.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::Deserialize;
use serde_json::Value;

use super::{OptionalMember, plain_text};
use crate::engine::engine_event::{EngineEvent, ProblemCause, WorkEnd, input_summary, microusd, tokens};
use crate::token_usage::TokenUsage;

#[derive(Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub(super) enum ClaudeEvent {
    Assistant {
        message: ClaudeMessage,
        #[serde(default)]
        error: OptionalMember<String>,
        /// Set for what a helper of the engine says.
        parent_tool_use_id: Option<String>,
    },
    User {
        message: ClaudeMessage,
    },
    RateLimitEvent {
        rate_limit_info: RateLimitInfo,
    },
    Result(Box<ClaudeResult>),
    #[serde(other)]
    Other,
}

#[derive(Deserialize)]
pub(super) struct ClaudeMessage {
    /// Blocks, or a text.
    #[serde(default)]
    content: Value,
}

#[derive(Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
enum ContentBlock {
    Text {
        text: String,
    },
    ToolUse {
        name: String,
        #[serde(default)]
        input: Value,
    },
    ToolResult {
        #[serde(default)]
        is_error: Option<bool>,
        #[serde(default)]
        content: Value,
    },
    #[serde(other)]
    Other,
}

#[derive(Deserialize)]
pub(super) struct RateLimitInfo {
    status: Option<String>,
    /// Seconds since 1970.
    #[serde(rename = "resetsAt")]
    resets_at: Option<i64>,
}

#[derive(Deserialize)]
pub(super) struct ClaudeResult {
    #[serde(default)]
    subtype: String,
    #[serde(default)]
    is_error: bool,
    #[serde(default)]
    api_error_status: OptionalMember<u16>,
    #[serde(default)]
    stop_reason: OptionalMember<String>,
    #[serde(default)]
    result: OptionalMember<String>,
    #[serde(default)]
    error: OptionalMember<String>,
    #[serde(default)]
    errors: OptionalMember<Vec<Value>>,
    #[serde(default)]
    total_cost_usd: OptionalMember<f64>,
    #[serde(default)]
    usage: OptionalMember<ClaudeUsage>,
    /// What helpers used is in here alone.
    #[serde(default, rename = "modelUsage")]
    model_usage: OptionalMember<BTreeMap<String, ModelUsage>>,
}

#[derive(Debug, Deserialize, Default)]
#[serde(default)]
struct ClaudeUsage {
    input_tokens: u64,
    cache_creation_input_tokens: u64,
    cache_read_input_tokens: u64,
    output_tokens: u64,
}

#[derive(Debug, Deserialize, Default)]
#[serde(default, rename_all = "camelCase")]
struct ModelUsage {
    input_tokens: u64,
    cache_creation_input_tokens: u64,
    cache_read_input_tokens: u64,
    output_tokens: u64,
}

pub(super) fn events(event: ClaudeEvent) -> Vec<EngineEvent> {
    match event {
        ClaudeEvent::Assistant {
            message,
            error,
            parent_tool_use_id,
        } => {
            let mut events = blocks(message);
            if parent_tool_use_id.is_none() {
                events.push(EngineEvent::Cause(
                    error.0.as_deref().map_or(ProblemCause::Error, cause),
                ));
            }
            events
        }
        ClaudeEvent::User { message } => blocks(message),
        ClaudeEvent::RateLimitEvent { rate_limit_info } => rate_limit_info.limit_end().into_iter().collect(),
        ClaudeEvent::Result(result) => result.events(),
        ClaudeEvent::Other => Vec::new(),
    }
}

fn blocks(message: ClaudeMessage) -> Vec<EngineEvent> {
    let Value::Array(blocks) = message.content else {
        return Vec::new();
    };
    let known = blocks
        .into_iter()
        .filter_map(|block| serde_json::from_value(block).ok());
    let events = known.filter_map(|block| match block {
        ContentBlock::Text { text } => Some(EngineEvent::Text { text, is_part: false }),
        ContentBlock::ToolUse { name, input } => {
            let input = input_summary(&input);
            Some(EngineEvent::ToolCall { name, input })
        }
        ContentBlock::ToolResult {
            is_error: Some(true),
            content,
        } => Some(EngineEvent::ToolFailed(plain_text(&content))),
        ContentBlock::ToolResult { .. } | ContentBlock::Other => None,
    });
    events.collect()
}

fn cause(error: &str) -> ProblemCause {
    match error {
        "authentication_failed" | "oauth_org_not_allowed" => ProblemCause::Login,
        // Without credit no job can be worked on, as with a limit.
        "rate_limit" | "billing_error" => ProblemCause::Limit,
        _ => ProblemCause::Error,
    }
}

impl RateLimitInfo {
    fn limit_end(&self) -> Option<EngineEvent> {
        let at = Timestamp::from_second(self.resets_at?).ok()?;
        (self.status.as_deref() == Some("rejected")).then_some(EngineEvent::LimitEnd(at))
    }
}

impl ClaudeResult {
    fn events(&self) -> Vec<EngineEvent> {
        let used = self.usage().map(EngineEvent::UsedInAll);
        let is_refusal = self.stop_reason.0.as_deref() == Some("refusal");
        let cause = match self.api_error_status.0 {
            _ if is_refusal => ProblemCause::Refusal,
            Some(401) => ProblemCause::Login,
            Some(429) => ProblemCause::Limit,
            _ => ProblemCause::Error,
        };
        let end = match self.subtype == "success" && !self.is_error && !is_refusal {
            true => WorkEnd::Success,
            false => WorkEnd::Failure {
                cause,
                message: self.message(),
            },
        };
        used.into_iter().chain([EngineEvent::Ended(end)]).collect()
    }

    fn message(&self) -> String {
        let first = self
            .errors
            .0
            .iter()
            .flatten()
            .map(plain_text)
            .find(|text| !text.is_empty());
        let own = [self.error.0.clone(), first, self.result.0.clone()];
        let own = own.into_iter().flatten().find(|text| !text.trim().is_empty());
        own.unwrap_or_else(|| self.subtype.clone())
    }

    fn usage(&self) -> Option<TokenUsage> {
        let models = self.model_usage.0.iter().flat_map(BTreeMap::values);
        let by_model = models.map(|used| {
            let cached = [used.cache_creation_input_tokens, used.cache_read_input_tokens];
            tokens(used.input_tokens, cached, used.output_tokens)
        });
        let in_all = self.usage.0.as_ref().map(|used| {
            let cached = [used.cache_creation_input_tokens, used.cache_read_input_tokens];
            tokens(used.input_tokens, cached, used.output_tokens)
        });
        let used = by_model.reduce(TokenUsage::plus).or(in_all)?;
        Some(TokenUsage {
            cost_microusd: self.total_cost_usd.0.and_then(microusd),
            ..used
        })
    }
}
