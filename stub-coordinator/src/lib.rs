//! A fake fleet coordinator: an honest state machine behind real HTTP, scripted misbehaviour, and evidence of what
//! changed.
//!
//! [`Stub::start`] runs one on a thread of its own. It answers the whole API of `docs/coordinator-api.json`; rules
//! ([`Rule`]) make it misbehave; journal, counters and digest ([`Stub::journal`], [`Stub::counters`],
//! [`Stub::digest`]) say what happened. Three parts that do not know each other (`coordinator`, `script` with
//! `faults`, `journal`) meet in `exchange`, with HTTP on top.

#![deny(clippy::print_stdout, clippy::print_stderr)] // they panic where nobody reads any more

mod about;
mod check_file;
mod clock;
mod config;
mod console;
mod control;
mod coordinator;
mod evidence;
mod exchange;
mod faults;
mod identity;
mod ids;
mod jobfile;
mod journal;
mod keeper;
mod known_tokens;
mod mirror;
mod moment;
mod names;
mod operation;
mod origin_guard;
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
use axum::middleware::from_fn_with_state;

pub use check_file::{CheckedRule, FileError, check_rules_file};
pub use clock::ClockKind;
pub use config::{
    Config, ConfigError, ControlPlace, CoordinatorTable, DEFAULT_LEASE_MS, JobEntry, NewJob,
    SHORTEST_LEASE_MS, Strictness, TokenGrant,
};
pub use coordinator::access::Scope;
pub use evidence::{JobState, LeaseState, QuarantineState, Report};
pub use identity::StubIdentity;
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
pub use server::control_port::control_beside;
pub use shared::{Due, Scope as ResetScope};
pub use stub::{ClockError, ImportError, RuleGuard, StartError, Stub, Unfinished};
pub use verdict::{Verdict, Verification};

/// The OpenAPI document of the API, as it is served.
pub const API_DOCUMENT: &str = routes::DOCUMENT;

/// What is served: at the API's address the control API and the API itself for all that is not under `/_stub/`; at the
/// control API's own address that alone. The guard is in front of both.
struct Services {
    tokens: known_tokens::KnownTokens,
    api: Router,
    control: Router,
}

impl Services {
    fn new(shared: &Arc<shared::Shared>, control_token: Option<&str>) -> Services {
        let tokens = known_tokens::KnownTokens::new(control_token, shared);
        let control = control::routes(&tokens, shared);
        let api = control
            .clone()
            .merge(console::routes())
            .fallback(exchange::exchange);
        let control = control
            .layer(from_fn_with_state(Arc::clone(shared), control::when_heeded))
            .merge(console::alone())
            .fallback(control::not_here);
        Services {
            tokens,
            api: api.with_state(Arc::clone(shared)),
            control: control.with_state(Arc::clone(shared)),
        }
    }
}
