//! A fake fleet coordinator: an honest state machine behind real HTTP, scripted misbehaviour, and evidence of what
//! changed.
//!
//! [`Stub::start`] runs one on a thread of its own. It answers the whole API of `docs/coordinator-api.json`; rules
//! ([`Rule`]) make it misbehave; journal, counters and digest ([`Stub::journal`], [`Stub::counters`],
//! [`Stub::digest`]) say what happened. Three parts that do not know each other (`coordinator`, `script` with
//! `faults`, `journal`) meet in `exchange`, with HTTP on top.

mod clock;
mod config;
mod coordinator;
mod exchange;
mod faults;
mod ids;
mod journal;
mod moment;
mod names;
mod operation;
mod routes;
mod script;
mod secret;
mod server;
mod shared;
mod stub;
mod wire;

use std::sync::Arc;

use axum::Router;

pub use clock::ClockKind;
pub use config::{
    Config, ConfigError, CoordinatorTable, DEFAULT_LEASE_MS, JobEntry, NewJob, Strictness, TokenGrant,
};
pub use coordinator::access::Scope;
pub use ids::{InvalidId, RuleId};
pub use journal::counters::Counters;
pub use journal::exchange::{Answer, Exchange, Match, Outcome};
pub use journal::{StubEvent, WaitError};
pub use names::Span;
pub use script::{
    Delay, Diverge, Fault, Malformed, PRESETS, Phase, Rule, RuleError, RuleMatch, RuleStatus, StatusFault,
    When, preset,
};
pub use server::FenceError;
pub use shared::Due;
pub use stub::{ClockError, JobState, LeaseState, QuarantineState, Report, StartError, Stub};

/// The OpenAPI document of the API, as it is served.
pub const API_DOCUMENT: &str = routes::DOCUMENT;

/// Everything that is served.
fn service(shared: &Arc<shared::Shared>, _control_token: Option<String>) -> Router {
    Router::new()
        .fallback(exchange::exchange)
        .with_state(Arc::clone(shared))
}
