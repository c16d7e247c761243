//! Lines as the programs print them; docs/engines.md says in which version.

use std::io::Cursor;

use super::*;
use crate::engine::engine_event::ProblemCause;
use crate::engine::event_summary::EventSummary;
use crate::token_usage::TokenUsage;

fn summary(format: EventFormat, output: &str) -> EventSummary {
    EventSummary::read(format, Cursor::new(output.as_bytes())).unwrap()
}

/// The cause and the message of a failure; none of a success.
fn end(format: EventFormat, output: &str) -> Option<(ProblemCause, String)> {
    let words = summary(format, output).last_words()?;
    Some((words.cause, words.message))
}

fn failure(cause: ProblemCause, message: &str) -> Option<(ProblemCause, String)> {
    Some((cause, message.to_owned()))
}

const CLAUDE_SUCCESS: &str = r#"{"type":"system","subtype":"init","tools":["Bash"]}
{"type":"assistant","message":{"content":[{"type":"text","text":"All is done."}]},"parent_tool_use_id":null}
{"type":"result","subtype":"success","is_error":false,"result":"All is done.","stop_reason":"end_turn","total_cost_usd":0.00079,"usage":{"input_tokens":120,"cache_creation_input_tokens":0,"cache_read_input_tokens":30,"output_tokens":7},"modelUsage":{}}
"#;

fn claude_failure(error: &str, status: &str, stop: &str, message: &str) -> String {
    format!(
        r#"{{"type":"assistant","message":{{"content":[{{"type":"text","text":"{message}"}}]}},"parent_tool_use_id":null,"error":"{error}"}}
{{"type":"result","subtype":"success","is_error":true,"api_error_status":{status},"result":"{message}","stop_reason":"{stop}"}}
"#
    )
}

#[test]
fn claude_tells_how_its_run_ended() {
    use EventFormat::Claude;
    assert_eq!(end(Claude, CLAUDE_SUCCESS), None);
    let cases = [
        ("server_error", "500", "stop_sequence", ProblemCause::Error),
        ("rate_limit", "429", "stop_sequence", ProblemCause::Limit),
        (
            "authentication_failed",
            "401",
            "stop_sequence",
            ProblemCause::Login,
        ),
        (
            "authentication_failed",
            "null",
            "stop_sequence",
            ProblemCause::Login,
        ),
        ("billing_error", "null", "stop_sequence", ProblemCause::Limit),
        ("invalid_request", "null", "refusal", ProblemCause::Refusal),
    ];
    for (error, status, stop, cause) in cases {
        let output = claude_failure(error, status, stop, "its words");
        assert_eq!(end(Claude, &output), failure(cause, "its words"), "{error}");
    }
    let max_turns = r#"{"type":"result","subtype":"error_max_turns","is_error":true,"usage":null}"#;
    assert_eq!(
        end(Claude, max_turns),
        failure(ProblemCause::Error, "error_max_turns")
    );
    // An error that it got over is no cause of what comes later.
    let mended = claude_failure("rate_limit", "429", "stop_sequence", "wait") + CLAUDE_SUCCESS;
    assert_eq!(end(Claude, &mended), None);
    let later = mended + &claude_failure("server_error", "500", "stop_sequence", "broken");
    assert_eq!(end(Claude, &later), failure(ProblemCause::Error, "broken"));
}

#[test]
fn claude_tells_when_a_limit_ends() {
    let limit = claude_failure(
        "rate_limit",
        "429",
        "stop_sequence",
        "You've hit your limit · resets 2:30pm (UTC)",
    );
    let event = |status: &str| {
        let info = format!(r#"{{"status":"{status}","resetsAt":1796049007,"rateLimitType":"five_hour"}}"#);
        format!(r#"{{"type":"rate_limit_event","rate_limit_info":{info}}}"#) + "\n" + &limit
    };
    let told = |output: &str| {
        summary(EventFormat::Claude, output)
            .last_words()
            .unwrap()
            .limit_end
    };
    assert_eq!(told(&event("rejected")).unwrap().as_second(), 1_796_049_007);
    assert_eq!(told(&event("allowed_warning")), None);
}

#[test]
fn codex_tells_how_its_run_ended() {
    use EventFormat::Codex;
    let answer =
        r#"{"type":"item.completed","item":{"id":"item_1","type":"agent_message","text":"All is done."}}"#;
    let completed = r#"{"type":"turn.completed","usage":{"input_tokens":120,"cached_input_tokens":30,"output_tokens":7}}"#;
    let failed = r#"{"type":"turn.failed","error":{"message":"unexpected status 401 Unauthorized"}}"#;
    let error = r#"{"type":"error","message":"Reconnecting... 1/5"}"#;
    let started = r#"{"type":"turn.started"}"#;
    let run = |lines: &[&str]| end(Codex, &lines.join("\n"));
    assert_eq!(run(&[started, error, answer, completed]), None);
    let silent = failure(ProblemCause::Refusal, "it ended without an answer");
    assert_eq!(run(&[started, completed]), silent);
    let refused = failure(ProblemCause::Error, "unexpected status 401 Unauthorized");
    assert_eq!(run(&[started, answer, failed]), refused);
    let unfinished = failure(ProblemCause::Error, "its output ends without an event of success");
    assert_eq!(run(&[started, answer]), unfinished);
    assert_eq!(run(&[started, answer, completed, started]), unfinished);
}

#[test]
fn gemini_tells_how_its_run_ended() {
    use EventFormat::Gemini;
    let answer = r#"{"type":"message","role":"assistant","content":"All is done.","delta":true}"#;
    let asked = r#"{"type":"message","role":"user","content":"Do it."}"#;
    let success =
        r#"{"type":"result","status":"success","stats":{"input_tokens":240,"output_tokens":14,"cached":60}}"#;
    let blocked = r#"{"type":"error","severity":"error","message":"The model response was blocked due to safety settings."}"#;
    let error = r#"{"type":"result","status":"error","stats":{}}"#;
    let quota = r#"{"type":"result","status":"error","error":{"type":"unknown","message":"You have exhausted your daily quota on this model."}}"#;
    let run = |lines: &[&str]| end(Gemini, &lines.join("\n"));
    assert_eq!(run(&[asked, answer, success]), None);
    let silent = failure(ProblemCause::Refusal, "it ended without an answer");
    assert_eq!(run(&[asked, success]), silent);
    let words = "The model response was blocked due to safety settings.";
    assert_eq!(
        run(&[asked, blocked, error]),
        failure(ProblemCause::Refusal, words)
    );
    let words = "You have exhausted your daily quota on this model.";
    assert_eq!(run(&[quota]), failure(ProblemCause::Error, words));
}

#[test]
fn opencode_tells_how_its_run_ended() {
    use EventFormat::Opencode;
    let start = r#"{"type":"step_start","part":{"type":"step-start"}}"#;
    let answer = r#"{"type":"text","part":{"type":"text","text":"All is done."}}"#;
    let finish = |reason: &str| {
        format!(
            r#"{{"type":"step_finish","part":{{"reason":"{reason}","tokens":{{"input":120,"output":7,"reasoning":0,"cache":{{"write":0,"read":30}}}},"cost":0.000465}}}}"#
        )
    };
    let error = |name: &str, data: &str| {
        format!(r#"{{"type":"error","timestamp":1796042066874,"error":{{"name":"{name}","data":{data}}}}}"#)
    };
    let run = |lines: &[&str]| end(Opencode, &lines.join("\n"));
    assert_eq!(
        run(&[start, &finish("tool-calls"), start, answer, &finish("stop")]),
        None
    );
    let unfinished = failure(ProblemCause::Error, "its output ends without an event of success");
    assert_eq!(run(&[start, answer, &finish("tool-calls")]), unfinished);
    let silent = failure(ProblemCause::Refusal, "it ended without an answer");
    assert_eq!(run(&[start, &finish("stop")]), silent);
    let cases = [
        (
            "APIError",
            r#"{"message":"broken","statusCode":500}"#,
            ProblemCause::Error,
        ),
        (
            "APIError",
            r#"{"message":"broken","statusCode":401}"#,
            ProblemCause::Login,
        ),
        (
            "APIError",
            r#"{"message":"broken","statusCode":429}"#,
            ProblemCause::Limit,
        ),
        (
            "ContentFilterError",
            r#"{"message":"broken"}"#,
            ProblemCause::Refusal,
        ),
    ];
    for (name, data, cause) in cases {
        let output = [start, answer, &error(name, data)];
        assert_eq!(run(&output), failure(cause, "broken"), "{data}");
    }
    let waits = error(
        "APIError",
        r#"{"message":"m","statusCode":429,"responseHeaders":{"retry-after":"60"}}"#,
    );
    let limit_end = summary(Opencode, &waits).last_words().unwrap().limit_end;
    assert_eq!(limit_end.unwrap().as_millisecond(), 1_796_042_126_874);
}

#[test]
fn tokens_and_cost_are_those_of_the_whole_run() {
    let step = r#"{"type":"step_finish","part":{"reason":"stop","tokens":{"input":120,"output":7,"reasoning":2,"cache":{"write":1,"read":30}},"cost":0.000465}}"#;
    let used = |input_tokens, output_tokens, cost_microusd| {
        Some(TokenUsage {
            input_tokens,
            output_tokens,
            cost_microusd,
        })
    };
    let two_steps = format!("{step}\n{step}\n");
    assert_eq!(
        summary(EventFormat::Opencode, &two_steps).usage,
        used(302, 18, Some(930))
    );
    assert_eq!(
        summary(EventFormat::Claude, CLAUDE_SUCCESS).usage,
        used(150, 7, Some(790))
    );
    let by_model = r#"{"type":"result","subtype":"success","usage":{"input_tokens":1},"modelUsage":{"a":{"inputTokens":5,"outputTokens":1},"b":{"inputTokens":6,"outputTokens":2}}}"#;
    assert_eq!(summary(EventFormat::Claude, by_model).usage, used(11, 3, None));
    assert_eq!(summary(EventFormat::Claude, "{}").usage, None);
}

#[test]
fn what_is_no_event_says_nothing_and_a_torn_one_is_none() {
    let noise = "(node:1) Warning: x\n{\"type\":\"unknown\",\"x\":[1]}\n{not json}\n[1]\n\u{0}\n";
    let torn = CLAUDE_SUCCESS.trim_end().trim_end_matches('}');
    let unfinished = failure(ProblemCause::Error, "its output ends without an event of success");
    assert_eq!(end(EventFormat::Claude, torn), unfinished);
    let output = format!("{noise}{CLAUDE_SUCCESS}{noise}");
    assert_eq!(end(EventFormat::Claude, &output), None);
    // Without its newline it is whole all the same.
    assert_eq!(end(EventFormat::Claude, CLAUDE_SUCCESS.trim_end()), None);
    assert_eq!(
        summary(EventFormat::Claude, "Not logged in\n\n").text_instead(),
        Some("Not logged in")
    );
    assert_eq!(summary(EventFormat::Claude, &output).text_instead(), None);
}
