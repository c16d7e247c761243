//! The names of members on both sides, and how the values of each are written.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use super::mapping_file::{MemberCase, MemberEntry};
use super::value_conversion::ValueConversion;

/// One name of the dialect for each of the API, and the other way round.
#[derive(Debug, Default)]
pub(super) struct MemberNames {
    to_dialect: BTreeMap<String, String>,
    to_api: BTreeMap<String, String>,
    /// By the API's names.
    conversions: BTreeMap<String, ValueConversion>,
    plain: ValueConversion,
}

impl MemberNames {
    /// `known`: the names of the API. Others are data of users, and stay as they are.
    pub(super) fn new(
        known: &BTreeSet<String>,
        case: MemberCase,
        entries: BTreeMap<String, MemberEntry>,
    ) -> Result<MemberNames, String> {
        let mut names = MemberNames::default();
        for name in entries.keys() {
            if !known.contains(name) {
                return Err(format!("[members]: the API has no member `{name}`"));
            }
        }
        for name in known {
            let theirs = match entries.get(name).and_then(|entry| entry.name.clone()) {
                Some(theirs) => theirs,
                None if case == MemberCase::Snake => snake(name),
                None => name.clone(),
            };
            if let Some(other) = names.to_api.insert(theirs.clone(), name.clone()) {
                return Err(format!(
                    "[members]: `{theirs}` stands for `{other}` and for `{name}`"
                ));
            }
            names.to_dialect.insert(name.clone(), theirs);
        }
        for (name, entry) in entries {
            entry
                .conversion
                .check()
                .map_err(|error| format!("[members.{name}]: {error}"))?;
            names.conversions.insert(name, entry.conversion);
        }
        Ok(names)
    }

    pub(super) fn in_dialect(&self, name: &str) -> String {
        self.to_dialect.get(name).map_or(name, String::as_str).to_owned()
    }

    pub(super) fn in_api(&self, name: &str) -> String {
        self.to_api.get(name).map_or(name, String::as_str).to_owned()
    }

    /// How the values of the API's member are written.
    pub(super) fn conversion(&self, member: Option<&str>) -> &ValueConversion {
        member
            .and_then(|name| self.conversions.get(name))
            .unwrap_or(&self.plain)
    }
}

fn snake(camel: &str) -> String {
    let mut text = String::with_capacity(camel.len() + 4);
    for letter in camel.chars() {
        if letter.is_ascii_uppercase() {
            text.push('_');
        }
        text.push(letter.to_ascii_lowercase());
    }
    text
}

/// Every name of a member that an OpenAPI document has.
pub(super) fn members_of(document: &Value) -> BTreeSet<String> {
    let mut names = BTreeSet::new();
    let mut open = vec![document];
    while let Some(value) = open.pop() {
        if let Some(Value::Object(properties)) = value.get("properties") {
            names.extend(properties.keys().cloned());
        }
        match value {
            Value::Object(members) => open.extend(members.values()),
            Value::Array(elements) => open.extend(elements),
            _ => {}
        }
    }
    names
}
