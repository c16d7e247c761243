//! The values of a message, put back into its path, its query, its headers and its body.

use axum::http::{HeaderMap, HeaderName, HeaderValue};
use percent_encoding::utf8_percent_encode;
use serde_json::Value;

use super::message_place::{MessageArea, MessageLeaf, PlaceStep, put};
use super::path_template::RESERVED;
use super::value_conversion::text_of;

/// The leaves of a message by where they go.
pub(super) struct MessageParts {
    pub(super) body: Option<Value>,
    path: Vec<(String, String)>,
    query: Vec<(String, String)>,
    headers: Vec<(String, String)>,
}

impl MessageParts {
    pub(super) fn of(leaves: Vec<MessageLeaf>) -> MessageParts {
        let mut parts = MessageParts {
            body: None,
            path: Vec::new(),
            query: Vec::new(),
            headers: Vec::new(),
        };
        for leaf in leaves {
            let list = match leaf.place.area {
                MessageArea::Body => {
                    put(
                        parts.body.get_or_insert(Value::Null),
                        &leaf.place.steps,
                        leaf.value,
                    );
                    continue;
                }
                MessageArea::Path => &mut parts.path,
                MessageArea::Query => &mut parts.query,
                MessageArea::Header => &mut parts.headers,
            };
            if let Some(PlaceStep::Member(name)) = leaf.place.steps.first() {
                list.push((name.clone(), text_of(&leaf.value)));
            }
        }
        parts
    }

    pub(super) fn path_value(&self, name: &str) -> Option<String> {
        let found = self.path.iter().find(|(there, _)| there == name);
        found.map(|(_, value)| value.clone())
    }

    pub(super) fn query(&self) -> String {
        let pairs: Vec<_> = self
            .query
            .iter()
            .map(|(name, value)| {
                let name = utf8_percent_encode(name, RESERVED);
                format!("{name}={}", utf8_percent_encode(value, RESERVED))
            })
            .collect();
        pairs.join("&")
    }

    pub(super) fn put_headers(&self, headers: &mut HeaderMap) {
        for (name, value) in &self.headers {
            if let (Ok(name), Ok(value)) = (HeaderName::try_from(name), HeaderValue::try_from(value)) {
                headers.insert(name, value);
            }
        }
    }
}
