//! The stub for a person: stands a fake coordinator up, says where it is, and shows what it is asked and answers.

#![deny(clippy::print_stdout, clippy::print_stderr)] // they panic where nobody reads any more

mod cli;
mod exit_codes;

use std::io::{self, Write};
use std::process::ExitCode;

use clap::Parser;

use exit_codes::{CommandFailure, ProgramExit};

fn main() -> ExitCode {
    let log = cli::LogWriter::start();
    let done = match cli::CliArguments::try_parse() {
        Ok(arguments) => cli::run(arguments, &log),
        Err(answer) => print(&answer),
    };
    let exit = done.unwrap_or_else(|failure| {
        log.last_note(&failure);
        failure.exit
    });
    log.finish();
    exit.into()
}

/// Prints what the command line itself answers: help, the version, or what is wrong with what was typed.
fn print(answer: &clap::Error) -> Result<ProgramExit, CommandFailure> {
    let printed = answer.print().and_then(|()| io::stdout().flush());
    match answer.use_stderr() {
        // Where even that can't be said, the exit code says it.
        true => Ok(ProgramExit::Usage),
        false => Ok(printed
            .or_else(cli::ignore_broken_pipe)
            .map(|()| ProgramExit::Holds)?),
    }
}
