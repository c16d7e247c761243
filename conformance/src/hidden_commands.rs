//! The commands that the harness starts itself by, once a process of a scenario, so they must cost as little as they
//! can: `--help` does not name them, and both binaries have them.

use crate::exit_codes::HarnessExit;
use crate::{fake_engine, supervise};

/// Runs the hidden command that these arguments name, if they name one.
pub fn run(arguments: &[String]) -> Option<HarnessExit> {
    match arguments {
        [command, rest @ ..] if command == supervise::COMMAND => Some(supervise::supervisor::main(rest)),
        [command, rest @ ..] if command == fake_engine::COMMAND => {
            Some(fake_engine::engine_process::main(rest))
        }
        _ => None,
    }
}
