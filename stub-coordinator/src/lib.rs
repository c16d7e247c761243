//! A fake fleet coordinator: an honest state machine behind real HTTP, scripted misbehaviour, and evidence of what
//! changed.
//!
//! [`Stub::start`] runs one on a thread of its own. It answers the whole API of `docs/coordinator-api.json`; rules
//! ([`Rule`]) make it misbehave; journal, counters and digest ([`Stub::journal`], [`Stub::counters`],
//! [`Stub::digest`]) say what happened. Three parts that do not know each other (`coordinator`, `script` with
//! `faults`, `journal`) meet in `exchange`, with HTTP on top.

mod check_file;
mod clock;
mod config;
mod console;
mod control;
mod coordinator;
mod evidence;
mod exchange;
mod faults;
mod ids;
mod jobfile;
mod journal;
mod keeper;
mod mirror;
mod moment;
mod names;
mod operation;
mod routes;
mod scenario;
mod script;
mod secret;
mod self_check;
mod server;
mod shared;
mod stub;
mod verdict;
mod wire;

use std::sync::Arc;

use axum::Router;

pub use check_file::{FileError, check_rules_file};
pub use clock::ClockKind;
pub use config::{
    Config, ConfigError, CoordinatorTable, DEFAULT_LEASE_MS, JobEntry, NewJob, Strictness, TokenGrant,
};
pub use coordinator::access::Scope;
pub use evidence::{JobState, LeaseState, QuarantineState, Report};
pub use ids::{InvalidId, RuleId};
pub use jobfile::{JobFile, JobFileError, read_job_file};
pub use journal::counters::Counters;
pub use journal::exchange::{Answer, Exchange, Match, Outcome};
pub use journal::{StubEvent, WaitError};
pub use keeper::StateError;
pub use mirror::MirrorError;
pub use names::Span;
pub use scenario::{ScenarioError, read_scenario};
pub use script::{
    Delay, Diverge, Explanation, Fault, Malformed, PRESETS, Phase, Rule, RuleError, RuleMatch, RuleStatus,
    SequenceEnd, StatusFault, When, preset,
};
pub use secret::{draw_seed, draw_token};
pub use self_check::{Checked, self_check};
pub use server::FenceError;
pub use shared::{Due, Scope as ResetScope};
pub use stub::{ClockError, RuleGuard, StartError, Stub, Unfinished};
pub use verdict::{Verdict, Verification};

/// The OpenAPI document of the API, as it is served.
pub const API_DOCUMENT: &str = routes::DOCUMENT;

/// Everything that is served: the control API, and the API itself for all that is not under `/_stub/`.
fn service(shared: &Arc<shared::Shared>, control_token: Option<&str>) -> Router {
    control::routes(control_token, shared)
        .merge(console::routes())
        .fallback(exchange::exchange)
        .with_state(Arc::clone(shared))
}
