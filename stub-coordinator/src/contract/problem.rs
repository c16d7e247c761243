//! Problem details (RFC 9457): every refusal of the contract with its status, code and words.

use serde::ser::SerializeMap;
use serde::{Serialize, Serializer};

/// A refusal as it goes over the wire.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Problem {
    pub(crate) status: u16,
    pub(crate) code: Box<str>,
    detail: Box<str>,
    field: Option<Box<str>>,
    pub(crate) allow: Option<&'static str>,
}

impl Serialize for Problem {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let title = KNOWN
            .iter()
            .find(|(known, ..)| **known == *self.code)
            .map_or("Refused", |(_, _, title)| title);
        let mut fields = serializer.serialize_map(None)?;
        fields.serialize_entry("type", &format!("urn:fleet-coordinator:problem:{}", self.code))?;
        fields.serialize_entry("title", title)?;
        fields.serialize_entry("status", &self.status)?;
        fields.serialize_entry("code", &self.code)?;
        if !self.detail.is_empty() {
            fields.serialize_entry("detail", &self.detail)?;
        }
        if let Some(field) = &self.field {
            fields.serialize_entry("field", field)?;
        }
        fields.end()
    }
}

/// Codes of the contract with the status and title of each. The first status is the usual one.
const KNOWN: [(&str, u16, &str); 31] = [
    ("malformed_json", 400, "The body is not JSON"),
    ("bad_request", 400, "The request is not understood"),
    ("unauthenticated", 401, "A known token is needed"),
    ("invalid_enrol_token", 401, "The enrolment token is not good"),
    ("foreign_host", 403, "Not a name of this server"),
    ("foreign_origin", 403, "Not for pages of other origins"),
    ("insufficient_scope", 403, "The token lacks the scope"),
    ("not_found", 404, "No such path"),
    ("unknown_job", 404, "No such job"),
    ("unknown_lease", 404, "No such lease"),
    ("unknown_factory", 404, "No such factory"),
    ("method_not_allowed", 405, "The path has no such method"),
    ("job_exists", 409, "The job exists"),
    ("factory_exists", 409, "The factory exists"),
    ("lease_lost", 409, "The lease is not yours any more"),
    ("illegal_transition", 409, "The job cannot go there"),
    ("stale_fencing_token", 409, "A higher fencing token was granted"),
    ("already_claimed", 409, "Another factory holds the job"),
    ("leased", 409, "Somebody works on the job"),
    ("final", 409, "The job has ended"),
    ("superseded", 409, "The answer to this key is no longer true"),
    ("body_too_large", 413, "The body is too large"),
    ("unsupported_media_type", 415, "The body is of another type"),
    ("invalid_field", 422, "A field has the wrong shape"),
    ("invalid_id", 422, "Not an id"),
    ("unknown_field", 422, "A field nobody knows"),
    (
        "idempotency_mismatch",
        422,
        "The key was used for another request",
    ),
    ("rate_limited", 429, "Too many requests"),
    ("internal", 500, "The coordinator failed"),
    ("unavailable", 503, "Not available now"),
    ("insufficient_storage", 507, "No room for more"),
];

impl Problem {
    /// A problem of the contract.
    pub(crate) fn new(code: &str, detail: impl Into<String>) -> Problem {
        let status = Problem::status_of(code).unwrap_or(500);
        Problem::with_status(status, code, detail)
    }

    /// A problem under a status that its code does not usually have.
    pub(crate) fn with_status(status: u16, code: &str, detail: impl Into<String>) -> Problem {
        Problem {
            status,
            code: Box::from(code),
            detail: detail.into().into_boxed_str(),
            field: None,
            allow: None,
        }
    }

    pub(crate) fn on(mut self, field: &str) -> Problem {
        self.field = Some(Box::from(field));
        self
    }

    pub(crate) fn allowing(mut self, methods: &'static str) -> Problem {
        self.allow = Some(methods);
        self
    }

    /// The usual status of a code.
    pub(crate) fn status_of(code: &str) -> Option<u16> {
        KNOWN
            .iter()
            .find(|(known, ..)| *known == code)
            .map(|(_, status, _)| *status)
    }

    /// The usual code of a status.
    pub(crate) fn code_of(status: u16) -> &'static str {
        match status {
            409 => "lease_lost",
            422 => "invalid_field",
            501 => "not_implemented",
            _ => KNOWN.iter().rev().find(|(_, known, _)| *known == status).map_or(
                if status < 500 { "bad_request" } else { "internal" },
                |(code, ..)| match *code {
                    "invalid_enrol_token" => "unauthenticated",
                    "unknown_factory" => "not_found",
                    code => code,
                },
            ),
        }
    }

    /// Every code that a rule may name.
    pub(crate) fn codes() -> impl Iterator<Item = &'static str> {
        KNOWN.iter().map(|(code, ..)| *code).chain(["not_implemented"])
    }
}
