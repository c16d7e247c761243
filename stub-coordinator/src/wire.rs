//! The stub's own wire types: requests read field by field, answers written. Written from the OpenAPI document and
//! shared with nobody; the runner has its own.
//!
//! Requests are taken apart by hand, because a refusal has to name the field and say whether it was missing, wrong,
//! no id, or (told to be strict) unknown.

mod answers;
mod fields;
mod json;
mod problem;
mod requests;
#[cfg(test)]
mod tests;

pub(crate) use answers::{encode, job_value};
pub(crate) use fields::{Fields, Query};
pub(crate) use json::Json;
pub(crate) use problem::{Problem, problem_of};
pub(crate) use requests::{claim_wait_ms, read_command};
