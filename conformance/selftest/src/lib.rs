//! The self-test of the harness: that its checks reject runners with one deliberate fault (`mutants`), that a runner
//! survives a kill at any step (`crash_sweep`), any coordinator (`property`) and a host in trouble (`weekend`), that every
//! clause has a check that can fail (`coverage`), and that outcomes depend on neither order nor load (`steadiness`).

#![deny(clippy::print_stdout, clippy::print_stderr)]

pub mod clause_pins;
pub mod coverage;
#[cfg(all(target_os = "linux", not(portable)))]
pub mod crash_sweep;
pub mod hidden_commands;
#[cfg(all(target_os = "linux", not(portable)))]
mod leftover_processes;
pub mod mutants;
pub mod property;
#[cfg(all(target_os = "linux", not(portable)))]
mod scripted_fault;
mod seeded_rng;
pub mod steadiness;
#[cfg(all(target_os = "linux", not(portable)))]
pub mod weekend;
