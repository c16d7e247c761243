//! A mapping as its file writes it. `docs/wire.md` says what each key means.

use std::collections::BTreeMap;

use serde::{Deserialize, Deserializer, de};

use super::value_conversion::{InstantForm, TextReading, TimeUnit, ValueConversion};

/// The whole file.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct MappingFile {
    pub(super) title: Option<String>,
    pub(super) token: TokenTable,
    /// The API's header and the dialect's.
    pub(super) headers: BTreeMap<String, String>,
    pub(super) case: MemberCase,
    pub(super) members: BTreeMap<String, MemberEntry>,
    pub(super) refusals: RefusalTable,
    pub(super) operations: BTreeMap<String, OperationTable>,
}

/// Where the token goes.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct TokenTable {
    pub(super) header: String,
    pub(super) prefix: Option<String>,
}

impl Default for TokenTable {
    fn default() -> TokenTable {
        TokenTable {
            header: "authorization".to_owned(),
            prefix: None,
        }
    }
}

/// How the names of members that have none of their own are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum MemberCase {
    /// As the API does: `factoryId`.
    #[default]
    Camel,
    /// `factory_id`.
    Snake,
}

/// A member's name in the dialect, and how its values are written.
#[derive(Debug, Default)]
pub(super) struct MemberEntry {
    pub(super) name: Option<String>,
    pub(super) conversion: ValueConversion,
}

/// The same as a table of the file.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct MemberTable {
    name: Option<String>,
    unit: Option<TimeUnit>,
    time: Option<InstantForm>,
    #[serde(default)]
    values: BTreeMap<String, String>,
    #[serde(default, rename = "type")]
    reading: TextReading,
}

impl<'de> Deserialize<'de> for MemberEntry {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        match toml::Value::deserialize(deserializer)? {
            toml::Value::String(name) => Ok(MemberEntry {
                name: Some(name),
                conversion: ValueConversion::default(),
            }),
            table => {
                let table: MemberTable = table.try_into().map_err(de::Error::custom)?;
                Ok(MemberEntry {
                    name: table.name,
                    conversion: ValueConversion {
                        unit: table.unit,
                        time: table.time,
                        values: table.values,
                        reading: table.reading,
                    },
                })
            }
        }
    }
}

/// How a refusal is written.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct RefusalTable {
    pub(super) content_type: Option<String>,
    /// Where its code stands, and its detail and its field; a refusal is the API's own where none of them is given.
    pub(super) code: Option<String>,
    pub(super) detail: Option<String>,
    pub(super) field: Option<String>,
    pub(super) codes: BTreeMap<String, RefusalForm>,
}

/// How one refusal is written.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct RefusalForm {
    pub(super) status: Option<u16>,
    pub(super) code: Option<String>,
    /// The whole body as JSON, instead of its parts.
    pub(super) body: Option<String>,
}

/// An operation of the API in the dialect.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct OperationTable {
    pub(super) method: String,
    pub(super) path: String,
    /// Places of the API's request, and those of the dialect's.
    #[serde(default)]
    pub(super) request: BTreeMap<String, String>,
    #[serde(default)]
    pub(super) answer: BTreeMap<String, String>,
    /// The status of its success.
    pub(super) status: Option<u16>,
    /// How it says that there is nothing to do, where the API answers 204.
    pub(super) nothing: Option<WholeAnswer>,
    #[serde(default)]
    pub(super) constants: ConstantTables,
}

/// An answer that is always the same.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct WholeAnswer {
    pub(super) status: u16,
    /// JSON; no body where left out.
    pub(super) body: Option<String>,
}

/// Values that one side tells and the other does not, by their places.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct ConstantTables {
    pub(super) request: BTreeMap<String, toml::Value>,
    pub(super) answer: BTreeMap<String, toml::Value>,
    pub(super) api_request: BTreeMap<String, toml::Value>,
    pub(super) api_answer: BTreeMap<String, toml::Value>,
}
