//! The `conformance` command. The hidden subcommands are taken first: they are started once a process of a
//! scenario, and must cost as little as they can.

#![deny(clippy::print_stdout, clippy::print_stderr)]

mod cli;

use std::process::ExitCode;

use conformance::outcome::BROKEN;
use conformance::stdio;

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args_os()
        .map(|argument| argument.to_string_lossy().into_owned())
        .collect();
    let code = match arguments.get(1).map(String::as_str) {
        Some("supervise") => conformance::supervise::supervisor::main(&arguments[2..]),
        Some("stand-in") => conformance::fake_engine::engine_process::main(&arguments[2..]),
        Some("sweep-worker") => conformance::crash_sweep::worker::main(&arguments[2..]),
        Some("sweep-traced") => conformance::crash_sweep::traced_main(&arguments[2..]),
        Some("mutant") => conformance::mutants::main(&arguments[2..]),
        _ => {
            conformance::signal_dispositions::reset_inherited_signals();
            cli::main()
        }
    };
    match stdio::first_error() {
        Some(error) => {
            stdio::say(format_args!("standard output can't be written: {error}"));
            // What was wrong before stays what was wrong.
            match code == ExitCode::SUCCESS {
                true => ExitCode::from(BROKEN),
                false => code,
            }
        }
        None => code,
    }
}
