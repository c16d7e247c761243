//! A fake fleet coordinator: an honest state machine behind real HTTP, misbehaviour by rules, and evidence of what
//! changed.
//!
//! [`Stub::start`] runs one on a thread of its own. It answers the whole API of `docs/coordinator-api.json`; rules
//! ([`Rule`]) make it misbehave; journal, counters and digest ([`Stub::journal`], [`Stub::counters`],
//! [`Stub::digest`]) say what happened. Three parts that do not know each other (`coordinator`, `rules` with
//! `faults`, `journal`) meet in `exchange`, with HTTP on top.
//!
//! # A first test
//!
//! Start a stub with a job in its queue, let your client talk to it, and look at what it has seen. The examples of
//! [`Stub`]'s methods go on from here: arm a rule, open a gate, advance the clock, verify, export.
//!
//! ```
//! use stub_coordinator::{NewJob, Stub, StubConfig};
//!
//! let stub = Stub::start(StubConfig {
//!     jobs: vec![NewJob::named("tidy", "sh")],
//!     ..StubConfig::default()
//! })?;
//!
//! // Here your own client would ask. A dry run changes nothing, and names the job that a claim would be given.
//! let answer = reqwest::blocking::Client::new()
//!     .post(format!("{}/v1/shadow/claims", stub.url()))
//!     .header("content-type", "application/json")
//!     .body(r#"{"factoryId": "desk", "caps": ["engine:sh"], "shadow": 1}"#)
//!     .send()?;
//! assert!(answer.text()?.contains(r#""id":"tidy""#));
//!
//! assert_eq!(stub.counters().dry_runs, 1);
//! assert_eq!(stub.counters().mutations_total(), 0);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

#![deny(missing_docs)]
#![deny(clippy::print_stdout, clippy::print_stderr)] // they panic where nobody reads any more

mod check_rules_file;
mod clock;
mod config;
mod console;
mod contract;
mod control;
mod coordinator;
mod exchange;
mod faults;
mod http_layers;
mod job_file;
mod journal;
mod known_tokens;
mod operation_handler;
mod origin_guard;
mod queue_mirror;
mod random_secrets;
mod rules;
mod scenario_file;
mod self_check;
mod server;
mod shared_stub;
mod state_file;
mod stub;
mod stub_identity;
mod stub_report;
mod wire;
mod wire_answer;
mod wire_mapping;

pub use check_rules_file::{CheckedRule, RulesFileError, check_rules_file};
pub use clock::ClockKind;
pub use config::{
    ConfigError, ControlPlace, CoordinatorTable, DEFAULT_LEASE_MS, JobEntry, NewJob, SHORTEST_LEASE_MS,
    StubConfig, TokenGrant, UnknownFieldPolicy,
};
pub use contract::ids::{InvalidId, RuleId};
pub use contract::policy_statement::{InvalidPolicy, PolicyStatement};
pub use contract::scope::Scope;
pub use contract::signed_duration::SignedDuration;
pub use faults::{
    ClockSkewFault, CutFault, DelayDistribution, DivergeFault, DribbleFault, Fault, FaultPhase, GateFault,
    MalformedFault, PolicyFault, RedirectFault, RefuseFault, SequenceEnd, SequenceFault, StatusFault,
};
pub use job_file::{JobFile, JobFileError, read_job_file};
pub use journal::counters::StubCounters;
pub use journal::exchange::{Exchange, ExchangeMatch, ExchangeOutcome, RecordedAnswer};
pub use journal::verification::{Verdict, VerificationResult};
pub use journal::{StubEvent, WaitError};
pub use queue_mirror::MirrorError;
pub use random_secrets::{draw_seed, draw_token};
pub use rules::{FiringCondition, PRESETS, Rule, RuleError, RuleExplanation, RuleMatch, RuleStatus, preset};
pub use scenario_file::{ScenarioError, read_scenario};
pub use self_check::{FaultCheck, self_check};
pub use server::FenceError;
pub use server::control_port::control_beside;
pub use shared_stub::{DueEvent, ResetScope};
pub use state_file::StateFileError;
pub use stub::{ClockError, FinishError, ImportError, RuleGuard, StartError, Stub};
pub use stub_identity::StubIdentity;
pub use stub_report::{JobState, LeaseState, QuarantineState, StubReport};
pub use wire_mapping::{RoundTripReport, WIRE_EXAMPLES, WireMapping, WireMappingError, check_wire_mapping};

/// The OpenAPI document of the API, as it is served.
pub const API_DOCUMENT: &str = contract::api_document::API_DOCUMENT;
