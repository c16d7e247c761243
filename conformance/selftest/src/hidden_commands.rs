//! The commands that the self-test starts itself by, beside those of the harness.

use conformance::exit_codes::HarnessExit;

#[cfg(all(target_os = "linux", not(portable)))]
use crate::crash_sweep;
use crate::mutants;

/// Runs the hidden command that these arguments name, if they name one.
pub fn run(arguments: &[String]) -> Option<HarnessExit> {
    match arguments {
        [command, rest @ ..] if command == mutants::COMMAND => Some(mutants::main(rest)),
        #[cfg(all(target_os = "linux", not(portable)))]
        [command, rest @ ..] if command == crash_sweep::worker::COMMAND => {
            Some(crash_sweep::worker::main(rest))
        }
        #[cfg(all(target_os = "linux", not(portable)))]
        [command, rest @ ..] if command == crash_sweep::TRACED_COMMAND => {
            Some(crash_sweep::traced_main(rest))
        }
        _ => conformance::hidden_commands::run(arguments),
    }
}
