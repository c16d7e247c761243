//! Why a case came out as it did: what a run did and when, and where it first differs from what was expected.
//!
//! Results carry it and reports show it. Nothing is judged here.

pub mod first_difference;
pub mod run_trace;
pub mod timeline_events;
