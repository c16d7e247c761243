//! Dialects of the shadow log: a line in the runner's own form, read into the contract's fields.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

/// What a line is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum LogLineFormat {
    /// One JSON object.
    #[default]
    Json,
    /// `key=value key="two words"`, separated by blanks.
    KeyValue,
    /// Columns separated by tabs.
    Tab,
}

/// Where the shadow log lies and what its lines look like.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct LogFormat {
    /// Its path below the queue folder.
    pub path: String,
    /// What a line is.
    pub form: LogLineFormat,
    /// Of `tab`: the contract's name of each column, in order; `-` for one that has none.
    pub columns: Vec<String>,
    /// The runner's names of the contract's fields: `localJob = "local"`.
    pub fields: BTreeMap<String, String>,
    /// The runner's words for the contract's values, by field: `verdict = { AGREE = "same" }`.
    pub values: BTreeMap<String, BTreeMap<String, String>>,
    /// What stands for none; by default nothing at all. In `json`, `null` does too.
    pub none: String,
}

impl Default for LogFormat {
    fn default() -> LogFormat {
        LogFormat {
            path: ".state/fleet-shadow.log".into(),
            form: LogLineFormat::default(),
            columns: Vec::new(),
            fields: BTreeMap::new(),
            values: BTreeMap::new(),
            none: String::new(),
        }
    }
}

/// Fields whose values are numbers where a form knows text only.
const NUMBERS: [&str; 2] = ["rank", "status"];

impl LogFormat {
    /// The line as an object in the contract's words, or `None` where it is none in this form.
    pub fn read(&self, line: &str) -> Option<Map<String, Value>> {
        let own = match self.form {
            LogLineFormat::Json => serde_json::from_str::<Value>(line).ok()?.as_object().cloned()?,
            LogLineFormat::KeyValue => pairs(line)?,
            LogLineFormat::Tab => self.columns_of(line)?,
        };
        Some(
            own.into_iter()
                .map(|(key, value)| self.translated(key, value))
                .collect(),
        )
    }

    fn columns_of(&self, line: &str) -> Option<Map<String, Value>> {
        let cells: Vec<&str> = line.split('\t').collect();
        let named = self.columns.iter().zip(&cells);
        let named = named.filter(|(column, _)| *column != "-");
        let object = named.map(|(column, cell)| (column.clone(), Value::from(*cell)));
        (cells.len() == self.columns.len()).then(|| object.collect())
    }

    fn translated(&self, key: String, value: Value) -> (String, Value) {
        let known = self.fields.iter().find(|(_, own)| **own == key);
        let key = known.map_or(key, |(contract, _)| contract.clone());
        let Value::String(text) = value else {
            return (key, value);
        };
        // JSON has a word of its own for none, so an empty string there is a string.
        let has_none = self.form != LogLineFormat::Json || !self.none.is_empty();
        if has_none && text == self.none {
            return (key, Value::Null);
        }
        let words = self.values.get(&key);
        let word = words.and_then(|words| words.iter().find(|(_, own)| **own == text));
        let text = word.map_or(text, |(contract, _)| contract.clone());
        let number = NUMBERS.contains(&key.as_str()) && self.form != LogLineFormat::Json;
        match text.parse::<u64>() {
            Ok(number_read) if number => (key, number_read.into()),
            _ => (key, text.into()),
        }
    }
}

/// `key=value` pairs; a value in double quotes is read as a JSON string.
fn pairs(line: &str) -> Option<Map<String, Value>> {
    let mut object = Map::new();
    let mut rest = line.trim();
    while !rest.is_empty() {
        let (key, after) = rest.split_once('=')?;
        if key.is_empty() || key.contains(char::is_whitespace) {
            return None;
        }
        let (value, after) = match after.starts_with('"') {
            true => quoted(after)?,
            false => {
                let end = after.find(char::is_whitespace).unwrap_or(after.len());
                (after[..end].to_owned(), &after[end..])
            }
        };
        object.insert(key.to_owned(), value.into());
        rest = after.trim_start();
    }
    (!object.is_empty()).then_some(object)
}

/// The JSON string at the start of `text`, and what follows it.
fn quoted(text: &str) -> Option<(String, &str)> {
    let mut strings = serde_json::Deserializer::from_str(text).into_iter::<String>();
    let value = strings.next()?.ok()?;
    Some((value, &text[strings.byte_offset()..]))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn form(form: LogLineFormat) -> LogFormat {
        LogFormat {
            form,
            columns: ["ts", "-", "localJob", "coordJob", "verdict", "rank"]
                .map(ToOwned::to_owned)
                .to_vec(),
            fields: BTreeMap::from([("localJob".into(), "local".into())]),
            values: BTreeMap::from([(
                "verdict".into(),
                BTreeMap::from([("DIVERGE".into(), "differs".into())]),
            )]),
            none: "-".into(),
            ..LogFormat::default()
        }
    }

    fn read(form: &LogFormat, line: &str) -> Option<Value> {
        form.read(line).map(Value::Object)
    }

    #[test]
    fn the_same_line_reads_the_same_in_every_form() {
        let expected =
            json!({"ts": "t", "localJob": "a b", "coordJob": null, "verdict": "DIVERGE", "rank": 2});
        let json = r#"{"ts":"t","local":"a b","coordJob":null,"verdict":"differs","rank":2}"#;
        assert_eq!(read(&form(LogLineFormat::Json), json), Some(expected.clone()));
        let pairs = r#"ts=t local="a b" coordJob=- verdict=differs rank=2"#;
        assert_eq!(
            read(&form(LogLineFormat::KeyValue), pairs),
            Some(expected.clone())
        );
        let columns = "t\t4711\ta b\t-\tdiffers\t2";
        assert_eq!(read(&form(LogLineFormat::Tab), columns), Some(expected));
    }

    #[test]
    fn a_line_that_is_not_of_the_form_is_no_object() {
        assert_eq!(read(&form(LogLineFormat::Json), "[1]"), None);
        for line in ["", "torn", "a=1 torn", "a=\"open", "=1"] {
            assert_eq!(read(&form(LogLineFormat::KeyValue), line), None, "{line:?}");
        }
        assert_eq!(read(&form(LogLineFormat::Tab), "t\tx"), None);
    }
}
