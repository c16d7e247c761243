//! The coordinator as the runner sees it: the calls, what their answers mean, and the routed mode but for the run loop.
//!
//! All that is decided about claims and leases is pure: `claim_machine` (one claim), `claim_pacing` (when the next),
//! `lease_machine` (one lease), `outbox_delivery`, `cut_over`, `admission_policy`. `job_claimer`, `lease_renewer` and
//! `outbox_sender` carry it out on a thread of their own, so that no busy loop, disk or engine keeps a renewal from being
//! sent. They talk to the run loop by messages; the loop alone touches the queue and the processes.

pub(crate) mod admission_policy;
pub(crate) mod background_thread;
pub(crate) mod backoff;
pub(crate) mod call_failure;
mod claim_answer;
pub(crate) mod claim_pacing;
pub(crate) mod claim_retry_machine;
pub(crate) mod client;
pub(crate) mod coordinator_health;
pub(crate) mod cut_over;
pub(crate) mod delivery_outcome;
pub(crate) mod dry_run_check;
pub(crate) mod fleet_event;
pub(crate) mod fleet_session;
pub(crate) mod health_reporter;
mod job_claimer;
pub(crate) mod job_handover;
pub(crate) mod lease_machine;
pub(crate) mod lease_renewer;
pub(crate) mod lease_time;
pub(crate) mod outbox_delivery;
pub(crate) mod outbox_sender;
pub(crate) mod routed_job_permissions;
pub(crate) mod routing_harm;
pub(crate) mod routing_record;
pub(crate) mod token_scopes;
pub(crate) mod wire;

pub(crate) use delivery_outcome::DeliveryOutcome;
pub(crate) use fleet_event::{FleetEvent, GrantedJob};
