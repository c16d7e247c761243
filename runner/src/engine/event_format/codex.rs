//! `codex exec --json`. A turn ends with `turn.completed` or `turn.failed`; an `error` beside them may be one that codex
//! gets over. A model that refuses leaves a turn without a word, so an answer is asked for.

use serde::Deserialize;
use serde_json::Value;

use super::OptionalMember;
use crate::engine::engine_event::{EngineEvent, ProblemCause, WorkEnd, input_summary, tokens};

#[derive(Deserialize)]
#[serde(tag = "type")]
pub(super) enum CodexEvent {
    #[serde(rename = "turn.started")]
    TurnStarted,
    #[serde(rename = "item.started")]
    ItemStarted { item: CodexItem },
    #[serde(rename = "item.completed")]
    ItemCompleted { item: CodexItem },
    #[serde(rename = "turn.completed")]
    TurnCompleted {
        #[serde(default)]
        usage: OptionalMember<CodexUsage>,
    },
    #[serde(rename = "turn.failed")]
    TurnFailed { error: CodexError },
    #[serde(rename = "error")]
    Error(CodexError),
    #[serde(other)]
    Other,
}

#[derive(Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub(super) enum CodexItem {
    AgentMessage {
        text: String,
    },
    CommandExecution {
        command: String,
        #[serde(default)]
        aggregated_output: String,
        exit_code: Option<i64>,
    },
    McpToolCall {
        #[serde(default)]
        server: String,
        #[serde(default)]
        tool: String,
        #[serde(default)]
        arguments: Value,
    },
    FileChange {
        #[serde(default)]
        changes: Vec<ChangedFile>,
    },
    WebSearch {
        #[serde(default)]
        query: String,
    },
    Error(CodexError),
    #[serde(other)]
    Other,
}

#[derive(Deserialize)]
pub(super) struct ChangedFile {
    path: String,
}

#[derive(Deserialize, Default)]
pub(super) struct CodexError {
    #[serde(default)]
    message: String,
}

#[derive(Debug, Deserialize, Default)]
#[serde(default)]
pub(super) struct CodexUsage {
    input_tokens: u64,
    output_tokens: u64,
}

pub(super) fn events(event: CodexEvent) -> Vec<EngineEvent> {
    match event {
        CodexEvent::TurnStarted => vec![EngineEvent::Began],
        CodexEvent::ItemStarted { item } => started(item).into_iter().collect(),
        CodexEvent::ItemCompleted { item } => completed(item).into_iter().collect(),
        CodexEvent::TurnCompleted { usage } => {
            let used = usage
                .0
                .map(|used| tokens(used.input_tokens, [0; 2], used.output_tokens));
            let used = used.map(EngineEvent::UsedMore);
            let end = EngineEvent::Ended(WorkEnd::SuccessIfAnswered);
            used.into_iter().chain([end]).collect()
        }
        CodexEvent::TurnFailed { error } => vec![EngineEvent::Ended(WorkEnd::Failure {
            cause: ProblemCause::Error,
            message: error.message,
        })],
        CodexEvent::Error(error) => vec![EngineEvent::Notice(error.message)],
        CodexEvent::Other => Vec::new(),
    }
}

/// What takes its time is shown when it begins.
fn started(item: CodexItem) -> Option<EngineEvent> {
    match item {
        CodexItem::CommandExecution { command, .. } => Some(tool_call("shell", command)),
        CodexItem::McpToolCall {
            server,
            tool,
            arguments,
        } => Some(tool_call(&format!("{server}.{tool}"), input_summary(&arguments))),
        _ => None,
    }
}

fn completed(item: CodexItem) -> Option<EngineEvent> {
    match item {
        CodexItem::AgentMessage { text } => Some(EngineEvent::Text { text, is_part: false }),
        CodexItem::CommandExecution {
            aggregated_output,
            exit_code: Some(code),
            ..
        } if code != 0 => Some(EngineEvent::ToolFailed(format!(
            "exit {code}: {aggregated_output}"
        ))),
        CodexItem::FileChange { changes } => {
            let paths: Vec<String> = changes.into_iter().map(|change| change.path).collect();
            Some(tool_call("edit", paths.join(", ")))
        }
        CodexItem::WebSearch { query } => Some(tool_call("search", query)),
        CodexItem::Error(error) => Some(EngineEvent::Notice(error.message)),
        CodexItem::CommandExecution { .. } | CodexItem::McpToolCall { .. } | CodexItem::Other => None,
    }
}

fn tool_call(name: &str, input: String) -> EngineEvent {
    let name = name.to_owned();
    EngineEvent::ToolCall { name, input }
}
