//! The scopes of a token, and what an operation asks of its caller (C-31).

use serde::{Deserialize, Serialize};

/// What a token may do.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, schemars::JsonSchema,
)]
#[serde(rename_all = "lowercase")]
pub enum Scope {
    /// The shadow operations.
    Shadow,
    /// Claims, leases, reports, quarantine, heartbeats.
    Work,
    /// New jobs.
    Submit,
    /// Everything.
    Admin,
}

impl Scope {
    /// The scope's name on the wire.
    pub fn name(self) -> &'static str {
        match self {
            Scope::Shadow => "shadow",
            Scope::Work => "work",
            Scope::Submit => "submit",
            Scope::Admin => "admin",
        }
    }
}

/// What an operation asks of its caller.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum OperationPermission {
    /// Nothing: health, the document, enrolment (which looks at its own one-time token).
    Free,
    /// Any known token.
    Read,
    Scope(Scope),
}
