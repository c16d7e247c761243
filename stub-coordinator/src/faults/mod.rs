//! What a fired rule does to an exchange: to the answer (`spoil`), to its time (`hold`), to the connection (`socket`).
//!
//! It knows answers as bytes and the coordinator as a place to ask for a job's name; why a rule fired is the script's.

mod answer;
mod hold;
mod malformed;
mod pieces;
mod plan;
mod plausible;
mod socket;
mod spoil;
#[cfg(test)]
mod tests;

pub(crate) use answer::{JSON, WireAnswer};
pub(crate) use hold::{Held, hold};
pub(crate) use plan::{Handling, handling, holds_first, is_lie};
pub(crate) use socket::{Act, Handle, Socket};
pub(crate) use spoil::{Scene, spoil};
