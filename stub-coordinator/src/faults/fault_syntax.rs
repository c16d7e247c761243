//! How a fault is written: one word, or a table with one leading key. Read and written here, with hints for what is
//! mistyped, and described for editors that complete and check.

use std::fmt;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};
use serde_json::{Map, Value, json};

use super::fault_behavior::TableFault;
use super::{FAULTS, Fault};
use crate::contract::name_hint::{hint, with_hint};

impl<'de> Deserialize<'de> for Fault {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let fault = match Value::deserialize(deserializer)? {
            Value::String(word) => word_fault(&word),
            Value::Object(table) => table_fault(table),
            _ => Err("a fault is a word such as \"hang\", or a table such as { status = 503 }".to_owned()),
        };
        fault.map_err(de::Error::custom)
    }
}

fn word_fault(word: &str) -> Result<Fault, String> {
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

fn table_fault(table: Map<String, Value>) -> Result<Fault, String> {
    let mut leading = FAULTS.iter().filter(|entry| table.contains_key(entry.name));
    let leading = leading.find_map(|entry| Some((entry.name, entry.read?)));
    let Some((name, read)) = leading else {
        let first = table.keys().next().cloned().unwrap_or_default();
        return Err(format!(
            "no fault is led by the key `{first}`{}",
            hint(&first, Fault::keys())
        ));
    };
    read(name, table)
}

/// Reads a table that this name leads.
pub(super) fn read<T: TableFault>(name: &str, mut table: Map<String, Value>) -> Result<T, String> {
    let value = match T::HAS_OTHER_KEYS {
        true => Value::Object(table),
        false => {
            let value = table.remove(name).unwrap_or_default();
            if let Some(other) = table.keys().next() {
                return Err(format!("`{other}` does not go with `{name}`"));
            }
            value
        }
    };
    serde_json::from_value(value)
        .map_err(|error| format!("`{name}` takes {}: {}", T::FORM, with_hint(&error.to_string())))
}

/// What [`read`] reads, or the name alone, where that says enough.
pub(super) fn written<T: TableFault>(name: &str, fault: &T) -> Value {
    match T::HAS_OTHER_KEYS {
        _ if T::from_word().as_ref() == Some(fault) => json!(name),
        true => json!(fault),
        false => json!({name: fault}),
    }
}

/// The schema of what [`read`] reads.
pub(super) fn table_schema<T: TableFault>(name: &str, generator: &mut SchemaGenerator) -> Value {
    let schema = generator.subschema_for::<T>();
    match T::HAS_OTHER_KEYS {
        true => json!(schema),
        false => {
            json!({"type": "object", "properties": {name: schema}, "required": [name], "additionalProperties": false})
        }
    }
}

/// Reads a whole number between two bounds.
pub(super) fn whole<'de, const LEAST: u16, const MOST: u16, N: From<u16>, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<N, D::Error> {
    let number = u64::deserialize(deserializer)?;
    u16::try_from(number)
        .ok()
        .filter(|number| (LEAST..=MOST).contains(number))
        .map(N::from)
        .ok_or_else(|| de::Error::custom(format_args!("{number} is not from {LEAST} to {MOST}")))
}

impl JsonSchema for Fault {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Fault".into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let words: Vec<_> = Fault::words().collect();
        let tables = FAULTS
            .iter()
            .filter_map(|entry| Some(entry.schema?(entry.name, generator)));
        let one_of = std::iter::once(json!({"enum": words})).chain(tables);
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
