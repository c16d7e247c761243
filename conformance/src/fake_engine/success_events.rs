//! What a fake engine prints where its scenario does not say: the events by which the engine of that name tells a success
//! (docs/runner-contract.md, "What engines tell").

/// Empty of an engine that tells no events.
pub fn success_events(tool: &str) -> &'static str {
    match tool {
        "claude" => {
            r#"{"type":"system","subtype":"init"}
{"type":"assistant","message":{"content":[{"type":"text","text":"All is done."}]}}
{"type":"result","subtype":"success","is_error":false,"result":"All is done."}
"#
        }
        "codex" => {
            r#"{"type":"thread.started","thread_id":"1"}
{"type":"turn.started"}
{"type":"item.completed","item":{"id":"item_0","type":"agent_message","text":"All is done."}}
{"type":"turn.completed","usage":{"input_tokens":120,"cached_input_tokens":30,"output_tokens":7}}
"#
        }
        "gemini" => {
            r#"{"type":"init","session_id":"1"}
{"type":"message","role":"assistant","content":"All is done.","delta":true}
{"type":"result","status":"success","stats":{"input_tokens":120,"output_tokens":7}}
"#
        }
        "opencode" => {
            r#"{"type":"step_start","part":{"type":"step-start"}}
{"type":"text","part":{"type":"text","text":"All is done."}}
{"type":"step_finish","part":{"type":"step-finish","reason":"stop"}}
"#
        }
        _ => "",
    }
}
