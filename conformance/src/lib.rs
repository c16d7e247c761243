//! The conformance harness: runs any job runner through scenarios against the fake coordinator and judges,
//! from outside, what it did. It knows a runner as a process, files and HTTP, and nothing of its insides.

#![deny(clippy::print_stdout, clippy::print_stderr)]

pub mod case_result;
pub mod checks;
pub mod clause;
pub mod coordinator;
pub mod diagnosis;
pub mod driver;
pub mod evidence;
pub mod exit_codes;
pub mod fake_engine;
pub mod hidden_commands;
pub mod invocation;
pub mod known_failures;
pub mod outcome;
pub mod output_file;
pub mod preflight;
pub mod printable_text;
#[cfg(any(portable, not(target_os = "linux")))]
mod process_list;
pub mod profile;
pub mod rehearsal;
pub mod report;
pub mod sandbox;
pub mod scenario;
pub mod signal_dispositions;
pub mod smoke;
pub mod stdio;
pub mod suite;
pub mod suite_selection;
pub mod supervise;
pub mod timeline;
