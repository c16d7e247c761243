//! The stub's own wire types: requests read field by field, answers written. Written from the OpenAPI document and
//! shared with nobody; the runner has its own.
//!
//! Requests are taken apart by hand, because a refusal has to name the field and say whether it was missing, wrong,
//! no id, or (told to be strict) unknown.

mod borrowed_json;
mod encode_reply;
mod read_command;
mod refusal_problem;
mod request_fields;
#[cfg(test)]
mod tests;

pub(crate) use borrowed_json::BorrowedJson;
pub(crate) use encode_reply::{encode, job_value};
pub(crate) use read_command::{claim_wait_ms, read_command};
pub(crate) use refusal_problem::problem_of;
pub(crate) use request_fields::{BodyFields, QueryParameters};
