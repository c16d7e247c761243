//! How single values are written in a dialect: units of time, instants, words.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::{Number, Value, json};

use crate::contract::timestamp::UtcTimestamp;

/// The unit of a length of time, which the API counts in milliseconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
pub(super) enum TimeUnit {
    #[serde(rename = "ms")]
    Milliseconds,
    #[serde(rename = "s")]
    Seconds,
    #[serde(rename = "min")]
    Minutes,
}

/// How an instant is written, which the API writes as RFC 3339 with milliseconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
pub(super) enum InstantForm {
    #[serde(rename = "rfc3339-ms")]
    Rfc3339Milliseconds,
    #[serde(rename = "rfc3339")]
    Rfc3339Seconds,
    #[serde(rename = "epoch-s")]
    EpochSeconds,
    #[serde(rename = "epoch-ms")]
    EpochMilliseconds,
}

/// Whether a text that stood in a path, a query or a header is a text in the body, too.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum TextReading {
    #[default]
    Text,
    Number,
    Boolean,
}

/// How the values of one member are written.
#[derive(Debug, Clone, PartialEq, Eq, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct ValueConversion {
    pub(super) unit: Option<TimeUnit>,
    pub(super) time: Option<InstantForm>,
    /// The API's words and those of the dialect.
    pub(super) values: BTreeMap<String, String>,
    #[serde(rename = "type")]
    pub(super) reading: TextReading,
}

impl TimeUnit {
    fn millis(self) -> u32 {
        match self {
            TimeUnit::Milliseconds => 1,
            TimeUnit::Seconds => 1_000,
            TimeUnit::Minutes => 60_000,
        }
    }
}

impl ValueConversion {
    /// A word of the dialect that stands for two of the API can't be read back.
    pub(super) fn check(&self) -> Result<(), String> {
        let mut seen = BTreeMap::new();
        for (ours, theirs) in &self.values {
            if let Some(other) = seen.insert(theirs, ours) {
                return Err(format!("`{theirs}` stands for `{other}` and for `{ours}`"));
            }
        }
        Ok(())
    }

    /// A value of the API as the dialect writes it.
    pub(super) fn to_dialect(&self, value: Value) -> Value {
        match (&value, self.unit, self.time) {
            (Value::Number(millis), Some(unit), _) => divided(millis, unit).unwrap_or(value),
            (Value::String(text), _, Some(form)) => instant_in(form, text).unwrap_or(value),
            (Value::String(text), ..) => self.values.get(text).map_or(value.clone(), |word| json!(word)),
            _ => value,
        }
    }

    /// A value of the dialect as the API writes it.
    pub(super) fn to_api(&self, value: Value) -> Value {
        match (&value, self.unit, self.time) {
            (Value::Number(count), Some(unit), _) => multiplied(count, unit).unwrap_or(value),
            (_, _, Some(_)) => instant_of(&value).unwrap_or(value),
            (Value::String(text), ..) => {
                let ours = self.values.iter().find(|(_, theirs)| *theirs == text);
                ours.map_or(value.clone(), |(word, _)| json!(word))
            }
            _ => value,
        }
    }

    /// A text of a path, a query or a header as it stands in a body.
    pub(super) fn read_text(&self, text: &str) -> Value {
        let is_number = self.unit.is_some()
            || self.reading == TextReading::Number
            || matches!(
                self.time,
                Some(InstantForm::EpochSeconds | InstantForm::EpochMilliseconds)
            );
        let read = match (is_number, self.reading) {
            (true, _) => serde_json::from_str::<Number>(text).ok().map(Value::Number),
            (false, TextReading::Boolean) => text.parse::<bool>().ok().map(Value::Bool),
            (false, _) => None,
        };
        read.unwrap_or_else(|| json!(text))
    }
}

/// A value as it stands in a path, a query or a header.
pub(super) fn text_of(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}

fn divided(millis: &Number, unit: TimeUnit) -> Option<Value> {
    let by = unit.millis();
    match millis.as_i64() {
        Some(whole) if whole % i64::from(by) == 0 => Some(json!(whole / i64::from(by))),
        _ => Some(json!(millis.as_f64()? / f64::from(by))),
    }
}

fn multiplied(count: &Number, unit: TimeUnit) -> Option<Value> {
    let by = unit.millis();
    if let Some(whole) = count.as_i64() {
        return whole.checked_mul(i64::from(by)).map(Value::from);
    }
    let millis = (count.as_f64()? * f64::from(by)).round();
    // What is no length of time stays what it is, and is refused as that.
    let text = format!("{millis:.0}");
    text.parse::<i64>().ok().map(Value::from)
}

fn instant_in(form: InstantForm, text: &str) -> Option<Value> {
    let instant = UtcTimestamp::parse(text)?;
    Some(match form {
        InstantForm::Rfc3339Milliseconds => json!(instant),
        InstantForm::Rfc3339Seconds => {
            let text = json!(instant).as_str()?.to_owned();
            let (seconds, _) = text.split_once('.')?;
            json!(format!("{seconds}Z"))
        }
        InstantForm::EpochSeconds => json!(instant.millis().div_euclid(1_000)),
        InstantForm::EpochMilliseconds => json!(instant.millis()),
    })
}

/// An instant in any of the forms; a number is told by its size: seconds are fewer than 10^11 for 3,000 years.
fn instant_of(value: &Value) -> Option<Value> {
    let instant = match value {
        Value::String(text) => UtcTimestamp::parse(text)?,
        Value::Number(count) => {
            let count = count.as_i64()?;
            let millis = if count.abs() < 100_000_000_000 {
                count.checked_mul(1_000)?
            } else {
                count
            };
            UtcTimestamp::from_millis(millis)
        }
        _ => return None,
    };
    Some(json!(instant))
}
