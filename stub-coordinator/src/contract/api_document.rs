//! The API as a document, as it is checked in.

/// OpenAPI 3.1.
pub(crate) const API_DOCUMENT: &str = include_str!("../../../docs/coordinator-api.json");
