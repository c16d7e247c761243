//! `gemini -o stream-json`. Its `result` tells how the run ended. A success without an answer has been seen where a quota
//! was used up, so an answer is asked for.

use serde::Deserialize;
use serde_json::Value;

use super::{OptionalMember, plain_text};
use crate::engine::engine_event::{EngineEvent, ProblemCause, WorkEnd, input_summary, tokens};

/// How the program words that the model, or what watches it, would not answer.
const REFUSAL: &str = "response was blocked";

#[derive(Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub(super) enum GeminiEvent {
    Message {
        role: String,
        #[serde(default)]
        content: Value,
        #[serde(default)]
        delta: bool,
    },
    ToolUse {
        tool_name: String,
        #[serde(default)]
        parameters: Value,
    },
    ToolResult {
        status: Option<String>,
        #[serde(default)]
        output: Value,
        #[serde(default)]
        error: OptionalMember<GeminiError>,
    },
    Error(GeminiError),
    Result {
        status: Option<String>,
        #[serde(default)]
        error: OptionalMember<GeminiError>,
        #[serde(default)]
        stats: OptionalMember<GeminiStats>,
    },
    #[serde(other)]
    Other,
}

#[derive(Debug, Deserialize)]
pub(super) struct GeminiError {
    #[serde(default)]
    message: String,
}

#[derive(Debug, Deserialize, Default)]
#[serde(default)]
pub(super) struct GeminiStats {
    input_tokens: u64,
    output_tokens: u64,
}

pub(super) fn events(event: GeminiEvent) -> Vec<EngineEvent> {
    match event {
        GeminiEvent::Message { role, content, delta } if role == "assistant" => {
            let text = plain_text(&content);
            vec![EngineEvent::Text { text, is_part: delta }]
        }
        GeminiEvent::ToolUse {
            tool_name,
            parameters,
        } => vec![EngineEvent::ToolCall {
            name: tool_name,
            input: input_summary(&parameters),
        }],
        GeminiEvent::ToolResult {
            status,
            output,
            error,
        } if status.as_deref() == Some("error") => {
            let output = plain_text(&output);
            let told = error.0.map(|error| error.message).filter(|told| !told.is_empty());
            vec![EngineEvent::ToolFailed(told.unwrap_or(output))]
        }
        GeminiEvent::Error(error) => {
            let is_refusal = error.message.contains(REFUSAL);
            let cause = is_refusal.then_some(EngineEvent::Cause(ProblemCause::Refusal));
            [EngineEvent::Notice(error.message)]
                .into_iter()
                .chain(cause)
                .collect()
        }
        GeminiEvent::Result { status, error, stats } => {
            let used = stats
                .0
                .map(|used| tokens(used.input_tokens, [0; 2], used.output_tokens));
            let used = used.map(EngineEvent::UsedInAll);
            let end = match status.as_deref() {
                Some("success") => WorkEnd::SuccessIfAnswered,
                _ => WorkEnd::Failure {
                    cause: ProblemCause::Error,
                    message: error.0.map(|error| error.message).unwrap_or_default(),
                },
            };
            used.into_iter().chain([EngineEvent::Ended(end)]).collect()
        }
        GeminiEvent::Message { .. } | GeminiEvent::ToolResult { .. } | GeminiEvent::Other => Vec::new(),
    }
}
