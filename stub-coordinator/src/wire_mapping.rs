//! Another wire for the same operations: paths, names, units and refusals of a service of one's own. A request of the
//! dialect becomes one of the API before anything else looks at it, and the answer becomes the dialect's as the last
//! thing before it leaves. So rules, faults, counters and the journal speak of operations as ever.
//!
//! `docs/wire.md` is the page for those who write such a file.

mod dialect_message;
mod dialect_refusals;
mod mapping_file;
mod member_names;
mod message_moves;
mod message_parts;
mod message_place;
mod operation_mapping;
mod path_template;
mod round_trip;
mod value_conversion;

use axum::http::HeaderName;
use serde_json::Value;
use thiserror::Error;

use crate::contract::api_document::API_DOCUMENT;
use crate::contract::operation::Operation;
use dialect_refusals::DialectRefusals;
use mapping_file::{MappingFile, TokenTable};
use member_names::{MemberNames, members_of};
use operation_mapping::OperationMapping;

pub(crate) use dialect_message::{DialectRoute, WireRequest};
pub use round_trip::{RoundTripReport, check_wire_mapping};

/// Mappings to begin with, by their names: a whole service, and the lease part of another.
pub const WIRE_EXAMPLES: [(&str, &str); 2] = [
    ("fleet", include_str!("../dialects/fleet.toml")),
    ("managed-work", include_str!("../dialects/managed-work.toml")),
];

/// How a dialect says what the API says, in both directions.
#[derive(Debug)]
pub struct WireMapping {
    title: Option<String>,
    token: TokenPlace,
    /// The API's header, and the dialect's.
    headers: Vec<(HeaderName, HeaderName)>,
    names: MemberNames,
    refusals: DialectRefusals,
    /// Those that the dialect has, in the API's order.
    operations: Vec<OperationMapping>,
}

/// Where the token stands.
#[derive(Debug)]
struct TokenPlace {
    header: HeaderName,
    prefix: String,
}

/// Why a text is no mapping.
#[derive(Debug, Error)]
pub enum WireMappingError {
    /// It is no TOML, or has a key that no mapping has.
    #[error("{0}")]
    Toml(#[from] toml::de::Error),
    /// It can't mean anything, or means two things.
    #[error("{0}")]
    Rule(String),
}

impl WireMapping {
    /// Reads the text of a mapping file.
    pub fn read(text: &str) -> Result<WireMapping, WireMappingError> {
        let file: MappingFile = toml::from_str(text)?;
        WireMapping::new(file).map_err(WireMappingError::Rule)
    }

    fn new(file: MappingFile) -> Result<WireMapping, String> {
        let document: Value =
            serde_json::from_str(API_DOCUMENT).map_err(|error| format!("the API document: {error}"))?;
        let names = MemberNames::new(&members_of(&document), file.case, file.members)?;
        let mut headers = Vec::new();
        for (ours, theirs) in &file.headers {
            headers.push((header(ours)?, header(theirs)?));
        }
        let mut operations = Vec::new();
        for (name, table) in &file.operations {
            let operation = Operation::or_hint(name)?;
            let mapping = OperationMapping::new(operation, table, &document);
            operations.push(mapping.map_err(|error| format!("[operations.\"{name}\"]: {error}"))?);
        }
        if operations.is_empty() {
            return Err("[operations]: a mapping needs one operation at least, such as `claim`".to_owned());
        }
        operations.sort_by_key(|mapping| mapping.operation);
        for (number, mapping) in operations.iter().enumerate() {
            if let Some(other) = operations[..number].iter().find(|other| other.route_is(mapping)) {
                let (one, two) = (other.operation.name(), mapping.operation.name());
                return Err(format!("`{one}` and `{two}` have the same method and path"));
            }
        }
        Ok(WireMapping {
            title: file.title,
            token: TokenPlace::new(&file.token)?,
            headers,
            names,
            refusals: DialectRefusals::new(file.refusals)?,
            operations,
        })
    }

    /// What it calls itself.
    pub fn title(&self) -> Option<&str> {
        self.title.as_deref()
    }

    /// The operations of the API that the dialect does not have.
    pub fn missing_operations(&self) -> Vec<&'static str> {
        Operation::ALL
            .into_iter()
            .filter(|operation| self.operation(*operation).is_none())
            .map(Operation::name)
            .collect()
    }

    fn operation(&self, operation: Operation) -> Option<&OperationMapping> {
        self.operations
            .iter()
            .find(|mapping| mapping.operation == operation)
    }
}

impl TokenPlace {
    fn new(table: &TokenTable) -> Result<TokenPlace, String> {
        let header = header(&table.header)?;
        let usual = if header == "authorization" { "Bearer " } else { "" };
        Ok(TokenPlace {
            header,
            prefix: table.prefix.clone().unwrap_or_else(|| usual.to_owned()),
        })
    }
}

fn header(name: &str) -> Result<HeaderName, String> {
    HeaderName::try_from(name).map_err(|_| format!("`{name}` is no name of a header"))
}

#[cfg(test)]
mod tests;
