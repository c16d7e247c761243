//! What a fired rule does to an exchange: to the answer (`answer_faults`), to its time (`delay_gate_hang`), to the connection (`connection_faults`).
//!
//! It knows answers as bytes and the coordinator as a place to ask for a job's name; why a rule fired is the script's.

mod answer_faults;
mod connection_faults;
mod delay_gate_hang;
mod dribble_and_truncate;
mod handler_plan;
mod malformed_answers;
mod sample_answers;
#[cfg(test)]
mod tests;
mod wire_answer;

pub(crate) use answer_faults::{FaultContext, spoil};
pub(crate) use connection_faults::{ConnectionAction, ConnectionHandle, FaultyStream};
pub(crate) use delay_gate_hang::{HoldOutcome, hold};
pub(crate) use handler_plan::{HandlerPlan, delays_before_handler, handling, is_semantic_fault};
pub(crate) use wire_answer::{JSON, WireAnswer};
