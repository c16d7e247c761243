//! The conformance harness: runs any job runner through scenarios against the fake coordinator and judges,
//! from outside, what it did. It knows a runner as a process, files and HTTP, and nothing of its insides.

#![deny(clippy::print_stdout, clippy::print_stderr)]

pub mod checks;
pub mod clause;
pub mod coordinator;
pub mod crash_sweep;
pub mod driver;
pub mod evidence;
pub mod fake_engine;
pub mod known_failures;
pub mod mutants;
pub mod outcome;
pub mod output_file;
pub mod profile;
pub mod property;
pub mod report;
pub mod sandbox;
pub mod scenario;
pub mod signal_dispositions;
pub mod smoke;
pub mod stdio;
pub mod steadiness;
pub mod suite;
pub mod supervise;
pub mod timeline;
