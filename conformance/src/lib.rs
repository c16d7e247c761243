//! The conformance harness: runs any job runner through scenarios against the fake coordinator and judges,
//! from outside, what it did. It knows a runner as a process, files and HTTP, and nothing of its insides.

#![deny(clippy::print_stdout, clippy::print_stderr)]

pub mod check;
pub mod clause;
pub mod coordinator;
pub mod drive;
pub mod known;
pub mod mutant;
pub mod observed;
pub mod output_file;
pub mod profile;
pub mod property;
pub mod report;
pub mod sandbox;
pub mod scenario;
pub mod signals;
pub mod smoke;
pub mod stand_in;
pub mod stdio;
pub mod steady;
pub mod suite;
pub mod supervise;
pub mod sweep;
pub mod timeline;
pub mod verdict;
