//! How a fault is written: one word, or a table with one leading key. Read and written here, with hints for what is
//! mistyped, and described for editors that complete and check.

use std::fmt;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::de::{self, MapAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::{Map, Value, json};

use super::{FAULTS, Fault};
use crate::contract::name_hint::nearest;
use crate::contract::signed_duration::SignedDuration;

/// What a length of time looks like.
pub(super) const SPAN_PATTERN: &str = "^[+-]?([0-9]+(ms|s|m|h))+$";

impl<'de> Deserialize<'de> for Fault {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(FaultVisitor)
    }
}

struct FaultVisitor;

impl<'de> Visitor<'de> for FaultVisitor {
    type Value = Fault;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("a fault: a word such as \"hang\", or a table such as { status = 503 }")
    }

    fn visit_str<E: de::Error>(self, word: &str) -> Result<Fault, E> {
        word_fault(word).map_err(E::custom)
    }

    fn visit_map<A: MapAccess<'de>>(self, mut access: A) -> Result<Fault, A::Error> {
        let mut table = Map::new();
        while let Some((key, value)) = access.next_entry::<String, Value>()? {
            table.insert(key, value);
        }
        table_fault(table).map_err(de::Error::custom)
    }
}

pub(super) fn word_fault(word: &str) -> Result<Fault, String> {
    let entry = FAULTS.iter().find(|entry| entry.name == word);
    match entry.map(|entry| (entry.word)()) {
        Some(Some(fault)) => Ok(fault),
        Some(None) => Err(format!(
            "the fault `{word}` needs a value; write it as a table: {{ {word} = ... }}"
        )),
        None => {
            let known = FAULTS.iter().map(|entry| entry.name);
            Err(format!("no fault is called `{word}`{}", hint(word, known)))
        }
    }
}

pub(super) fn table_fault(mut table: Map<String, Value>) -> Result<Fault, String> {
    let mut leading = FAULTS.iter().filter(|entry| table.contains_key(entry.name));
    let leading = leading.find_map(|entry| Some((entry.name, entry.read?)));
    let Some((name, read)) = leading else {
        let first = table.keys().next().cloned().unwrap_or_default();
        return Err(format!(
            "no fault is led by the key `{first}`{}",
            hint(&first, Fault::keys())
        ));
    };
    let value = table.remove(name).unwrap_or_default();
    let fault = read(value, &mut table)?;
    let longer = FAULTS.iter().filter(|entry| !entry.other_keys.is_empty());
    let known: Vec<_> = longer
        .flat_map(|entry| [&[entry.name], entry.other_keys].concat())
        .collect();
    no_other_keys(&table, name, &known)?;
    Ok(fault)
}

pub(super) fn text(name: &str, value: Value) -> Result<String, String> {
    match value {
        Value::String(text) => Ok(text),
        _ => Err(format!("`{name}` must be a string")),
    }
}

pub(super) fn span(name: &str, value: Value) -> Result<SignedDuration, String> {
    value
        .as_str()
        .and_then(SignedDuration::parse)
        .ok_or_else(|| format!("`{name}` must be a length of time such as \"250ms\" or \"1m30s\""))
}

/// An error where keys are left that nothing is known of.
pub(super) fn no_other_keys(table: &Map<String, Value>, leading: &str, known: &[&str]) -> Result<(), String> {
    match table.keys().next() {
        Some(key) => Err(format!(
            "`{key}` does not go with `{leading}`{}",
            hint(key, known.iter().copied())
        )),
        None => Ok(()),
    }
}

pub(super) fn hint<'a>(typed: &str, known: impl IntoIterator<Item = &'a str>) -> String {
    nearest(typed, known).map_or(String::new(), |near| format!("; did you mean `{near}`?"))
}

/// The schema of a table with these keys, of which this one leads.
pub(super) fn table_schema(properties: &Value, leading: &str) -> Value {
    json!({"type": "object", "properties": properties, "required": [leading], "additionalProperties": false})
}

impl JsonSchema for Fault {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Fault".into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let words: Vec<_> = Fault::words().collect();
        let tables = FAULTS.iter().filter_map(|entry| entry.schema);
        let one_of = std::iter::once(json!({"enum": words})).chain(tables.map(|schema| schema(generator)));
        json_schema!({
            "description": "What goes wrong: a word, or a table with one leading key.",
            "oneOf": one_of.collect::<Vec<_>>()
        })
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.to_value() {
            Value::String(word) => formatter.write_str(&word),
            table => write!(formatter, "{table}"),
        }
    }
}

impl Serialize for Fault {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.to_value().serialize(serializer)
    }
}
