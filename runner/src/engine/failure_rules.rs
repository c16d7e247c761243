//! Whether an engine that ended with exit code 0 has failed all the same: pure, on the end of what it printed.
//!
//! Engines report an error of their own in their last line. Only that line is looked at: what stands before it may be
//! the work itself, which can be about errors.

use serde::Deserialize;
use serde_json::Value;

use crate::terminal::strip_ansi;

/// As many characters of the engine's message tell a person what happened.
const SHOWN_MAX: usize = 160;

/// How a line is recognised.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(try_from = "String")]
pub(super) enum OutputRule {
    /// The last line begins like this.
    Line(String),
    /// The last line that is a JSON object has at least these members.
    Object(serde_json::Map<String, Value>),
}

impl TryFrom<String> for OutputRule {
    type Error = String;

    fn try_from(text: String) -> Result<OutputRule, String> {
        match text.trim_start().starts_with('{') {
            true => match serde_json::from_str(&text) {
                Ok(Value::Object(members)) if !members.is_empty() => Ok(OutputRule::Object(members)),
                _ => Err(format!(
                    "`{text}` begins like a JSON object and is none: write the members that the line has, such as {{\"type\": \"error\"}}"
                )),
            },
            false if text.trim().is_empty() => {
                Err("a rule is empty, and would match any output: write how the line begins".to_owned())
            }
            false => Ok(OutputRule::Line(text)),
        }
    }
}

impl OutputRule {
    fn find(&self, last: &LastLine) -> Option<String> {
        match self {
            OutputRule::Line(start) => last.line.starts_with(start.as_str()).then(|| last.line.clone()),
            OutputRule::Object(expected) => {
                let object = last.object.as_ref()?;
                let has = expected
                    .iter()
                    .all(|(key, value)| object.get(key).is_some_and(|found| contains(found, value)));
                has.then(|| message(object))
            }
        }
    }
}

/// The rules of one adapter.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(default)]
pub(super) struct FailureRules {
    /// Each of them is a failure.
    pub(super) failure: Vec<OutputRule>,
    /// If there are any, one of them has to hold.
    pub(super) success: Vec<OutputRule>,
    /// To print nothing is a failure.
    pub(super) needs_output: bool,
}

impl FailureRules {
    pub(super) fn are_any(&self) -> bool {
        self.needs_output || !self.failure.is_empty() || !self.success.is_empty()
    }

    /// The engine's own error, in its own words as far as it has any.
    pub(super) fn failure_message(&self, tail: &str) -> Option<String> {
        let last = LastLine::of(tail);
        if self.needs_output && last.line.is_empty() {
            return Some("it printed nothing".to_owned());
        }
        if let Some(found) = self.failure.iter().find_map(|rule| rule.find(&last)) {
            return Some(one_line(&found));
        }
        let succeeded = self.success.is_empty() || self.success.iter().any(|rule| rule.find(&last).is_some());
        (!succeeded).then(|| "its output does not end as that of a success does".to_owned())
    }
}

/// The last line that says something, without escape sequences.
pub(super) fn last_line(text: &str) -> String {
    let mut lines = text.lines().rev().map(strip_ansi);
    lines.find(|line| !line.is_empty()).unwrap_or_default()
}

/// What the rules look at.
struct LastLine {
    /// The line without escape sequences; empty if nothing was printed.
    line: String,
    object: Option<serde_json::Map<String, Value>>,
}

impl LastLine {
    fn of(tail: &str) -> LastLine {
        let lines = || tail.lines().rev().map(strip_ansi).filter(|line| !line.is_empty());
        LastLine {
            line: last_line(tail),
            object: lines().find_map(|line| serde_json::from_str(&line).ok()),
        }
    }
}

/// Whether all of `expected` is found, however much else there is.
fn contains(found: &Value, expected: &Value) -> bool {
    match (found, expected) {
        (Value::Object(found), Value::Object(expected)) => expected
            .iter()
            .all(|(key, value)| found.get(key).is_some_and(|found| contains(found, value))),
        _ => found == expected,
    }
}

/// The message for people in an object that reports an error, wherever engines put it.
fn message(object: &serde_json::Map<String, Value>) -> String {
    let places = [
        "/error/message",
        "/error/data/message",
        "/message",
        "/result",
        "/errors/0",
        "/error",
        "/subtype",
    ];
    let whole = Value::Object(object.clone());
    let message = places
        .iter()
        .find_map(|place| whole.pointer(place)?.as_str().filter(|text| !text.is_empty()));
    message.map_or_else(|| whole.to_string(), str::to_owned)
}

/// As much of a text as tells a person what happened.
pub(super) fn one_line(text: &str) -> String {
    let one_line = text.split_whitespace().collect::<Vec<_>>().join(" ");
    match one_line.char_indices().nth(SHOWN_MAX) {
        Some((end, _)) => format!("{}…", &one_line[..end]),
        None => one_line,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rules(failure: &[&str], success: &[&str], needs_output: bool) -> FailureRules {
        let read = |texts: &[&str]| {
            texts
                .iter()
                .map(|text| OutputRule::try_from((*text).to_owned()).unwrap())
                .collect()
        };
        FailureRules {
            failure: read(failure),
            success: read(success),
            needs_output,
        }
    }

    #[test]
    fn the_last_line_decides_and_what_stands_before_it_does_not() {
        let rules = rules(&["ERROR: "], &[], false);
        let message_of = |tail| rules.failure_message(tail);
        assert_eq!(
            message_of("work\nERROR: no model\n\n").as_deref(),
            Some("ERROR: no model")
        );
        assert_eq!(
            message_of("\x1b[31m\x1b[1mERROR: \x1b[0mred").as_deref(),
            Some("ERROR: red")
        );
        assert_eq!(message_of("ERROR: mended\nall is well"), None);
        assert_eq!(message_of("no ERROR: here"), None);
        assert_eq!(message_of(""), None);
    }

    #[test]
    fn an_object_is_known_by_its_members_and_tells_its_message() {
        let rules = rules(
            &[
                r#"{"type": "turn.failed"}"#,
                r#"{"type": "result", "is_error": true}"#,
            ],
            &[],
            false,
        );
        let cases = [
            (
                r#"{"type":"turn.failed","error":{"message":"no quota"}}"#,
                Some("no quota"),
            ),
            (
                "{\"type\":\"result\",\"subtype\":\"error_max_turns\",\"is_error\":true}\nwarning: bye",
                Some("error_max_turns"),
            ),
            (
                r#"{"type":"result","is_error":false,"result":"turn.failed"}"#,
                None,
            ),
            ("{\"type\":\"turn.failed\"}\n{\"type\":\"turn.completed\"}", None),
        ];
        for (tail, expected) in cases {
            assert_eq!(rules.failure_message(tail).as_deref(), expected, "{tail}");
        }
    }

    #[test]
    fn silence_and_the_missing_sign_of_success_are_failures_where_the_adapter_says_so() {
        let silent = rules(&[], &[], true);
        assert!(silent.failure_message(" \n\x1b[0m\n").is_some() && silent.failure_message("done").is_none());
        let signed = rules(&[], &[r#"{"type": "turn.completed"}"#], false);
        assert!(signed.failure_message("").is_some());
        assert!(
            signed
                .failure_message(r#"{"type":"turn.completed","usage":{}}"#)
                .is_none()
        );
    }

    #[test]
    fn a_rule_that_would_match_anything_or_nothing_is_refused() {
        for text in ["", "  ", "{}", "{\"type\": ", "{type: 1}"] {
            assert!(OutputRule::try_from((*text).to_owned()).is_err(), "{text}");
        }
    }
}
