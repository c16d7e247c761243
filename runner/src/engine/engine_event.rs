//! What an engine tells in its machine-readable output, the same for all formats.

use jiff::Timestamp;
use serde_json::Value;

use crate::token_usage::TokenUsage;

/// One event. Which of them a format has, and where, is its own affair.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum EngineEvent {
    /// Work begins, or goes on: how the work before it ended decides nothing.
    Began,
    /// What the engine says. `is_part`: the next one goes on with it.
    Text {
        text: String,
        is_part: bool,
    },
    ToolCall {
        name: String,
        input: String,
    },
    /// A tool failed; this is what it said.
    ToolFailed(String),
    /// Something that the engine tells beside its work.
    Notice(String),
    /// Why the work fails, if the next end of it is a failure.
    Cause(ProblemCause),
    /// When the engine may be used again, if it is used up.
    LimitEnd(Timestamp),
    /// Used since the last such event.
    UsedMore(TokenUsage),
    /// Used since the start.
    UsedInAll(TokenUsage),
    Ended(WorkEnd),
}

/// How the work ended, as the engine tells it.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum WorkEnd {
    Success,
    /// A success if the engine has said anything at all.
    SuccessIfAnswered,
    Failure {
        cause: ProblemCause,
        message: String,
    },
}

/// Why an engine fails.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) enum ProblemCause {
    /// Anything else.
    #[default]
    Error,
    /// The model will not do it.
    Refusal,
    /// The engine is used up.
    Limit,
    /// The engine is not logged in.
    Login,
}

/// `cached`: what went in and was, or becomes, cached, where the engine counts that apart.
pub(super) fn tokens(input: u64, cached: [u64; 2], output: u64) -> TokenUsage {
    TokenUsage {
        input_tokens: cached.into_iter().fold(input, u64::saturating_add),
        output_tokens: output,
        cost_microusd: None,
    }
}

/// A price that an engine tells in dollars. What is no price is none.
pub(super) fn microusd(dollars: f64) -> Option<u64> {
    const MOST_DOLLARS: f64 = 1e9;
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "it lies between 0 and 10^15"
    )]
    (0.0..=MOST_DOLLARS)
        .contains(&dollars)
        .then(|| (dollars * 1e6).round() as u64)
}

/// What a tool is called with, on one line: the member that says most to people, or all of them.
pub(super) fn input_summary(input: &Value) -> String {
    let telling = [
        "command",
        "cmd",
        "file_path",
        "filePath",
        "path",
        "pattern",
        "query",
        "url",
        "description",
        "prompt",
    ];
    let found = telling.iter().find_map(|key| input.get(key)?.as_str());
    match (found, input) {
        (Some(text), _) => text.to_owned(),
        (None, Value::String(text)) => text.clone(),
        (None, Value::Null) => String::new(),
        (None, other) => other.to_string(),
    }
}
