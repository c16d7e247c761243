//! The `conformance-selftest` command. The hidden commands are taken first, because they have to start fast.

#![deny(clippy::print_stdout, clippy::print_stderr)]

mod cli;

use std::process::ExitCode;

use conformance::{signal_dispositions, stdio};
use conformance_selftest::hidden_commands;

fn main() -> ExitCode {
    let arguments = stdio::arguments();
    let exit = hidden_commands::run(&arguments).unwrap_or_else(|| {
        stdio::name_program("conformance-selftest");
        signal_dispositions::reset_inherited_signals();
        cli::main()
    });
    stdio::exit_after_output(exit).into()
}
