//! The `conformance` command. The hidden subcommands are taken first: they are started once a process of a
//! scenario, and must cost as little as they can.

#![deny(clippy::print_stdout, clippy::print_stderr)]

mod cli;

use std::process::ExitCode;

use conformance::stdio;
use conformance::verdict::BROKEN;

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args_os()
        .map(|argument| argument.to_string_lossy().into_owned())
        .collect();
    let code = match arguments.get(1).map(String::as_str) {
        Some("supervise") => conformance::supervise::process::main(&arguments[2..]),
        Some("stand-in") => conformance::stand_in::client::main(&arguments[2..]),
        Some("sweep-worker") => conformance::sweep::worker::main(&arguments[2..]),
        Some("sweep-traced") => conformance::sweep::traced_main(&arguments[2..]),
        Some("mutant") => conformance::mutant::main(&arguments[2..]),
        _ => {
            conformance::signals::undo_inherited();
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
