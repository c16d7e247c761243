//! The formats in which engines tell events, one JSON object a line. What is no JSON object, and an event that is not
//! known, tells nothing.

mod claude;
mod codex;
mod gemini;
mod opencode;

use serde::de::DeserializeOwned;
use serde::{Deserialize, Deserializer};
use serde_json::Value;

use super::engine_event::EngineEvent;

/// A format is named after the engine that has it first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub(crate) enum EventFormat {
    /// `claude --output-format stream-json`, and what is made after it (`amp --stream-json`).
    Claude,
    /// `codex exec --json`
    Codex,
    /// `gemini -o stream-json`
    Gemini,
    /// `opencode run --format json`
    Opencode,
}

impl TryFrom<String> for EventFormat {
    type Error = String;

    fn try_from(name: String) -> Result<EventFormat, String> {
        match name.as_str() {
            "claude" => Ok(EventFormat::Claude),
            "codex" => Ok(EventFormat::Codex),
            "gemini" => Ok(EventFormat::Gemini),
            "opencode" => Ok(EventFormat::Opencode),
            _ => Err(format!(
                "`events` is `{name}`; write \"claude\", \"codex\", \"gemini\" or \"opencode\", or leave it out"
            )),
        }
    }
}

impl EventFormat {
    /// The events of one line; none: it is no event of this format.
    pub(crate) fn read(self, line: &[u8]) -> Option<Vec<EngineEvent>> {
        let line = line.trim_ascii();
        if !line.starts_with(b"{") {
            return None;
        }
        match self {
            EventFormat::Claude => parse(line).map(claude::events),
            EventFormat::Codex => parse(line).map(codex::events),
            EventFormat::Gemini => parse(line).map(gemini::events),
            EventFormat::Opencode => parse(line).map(opencode::events),
        }
    }
}

fn parse<T: DeserializeOwned>(line: &[u8]) -> Option<T> {
    // Output is cut and mixed in ways that break a character.
    serde_json::from_str(&String::from_utf8_lossy(line)).ok()
}

/// A member that an event can do without: one of another form than expected is as none, and the event counts.
#[derive(Debug)]
struct OptionalMember<T>(Option<T>);

impl<T> Default for OptionalMember<T> {
    fn default() -> OptionalMember<T> {
        OptionalMember(None)
    }
}

impl<'de, T: DeserializeOwned> Deserialize<'de> for OptionalMember<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<OptionalMember<T>, D::Error> {
        let value = Value::deserialize(deserializer)?;
        Ok(OptionalMember(serde_json::from_value(value).ok()))
    }
}

/// A text that stands there as itself, or in some structure around it.
fn plain_text(value: &Value) -> String {
    match value {
        Value::Null => String::new(),
        Value::String(text) => text.clone(),
        Value::Array(parts) => {
            let texts = parts.iter().filter_map(|part| part.get("text")?.as_str());
            texts.collect::<Vec<_>>().join("\n")
        }
        other => other.to_string(),
    }
}

#[cfg(test)]
mod tests;
