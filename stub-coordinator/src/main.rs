//! The stub for a person: stands a fake coordinator up, says where it is, and shows what it is asked and answers.

#![deny(clippy::print_stdout, clippy::print_stderr)] // they panic where nobody reads any more

mod cli;

use std::error::Error;
use std::io::{self, Write};
use std::process::ExitCode;

use clap::Parser;

fn main() -> ExitCode {
    let log = cli::LogWriter::start();
    let done = match cli::CliArguments::try_parse() {
        Ok(arguments) => cli::run(arguments, &log),
        Err(answer) => print(&answer),
    };
    let code = done.unwrap_or_else(|error| {
        log.last_note(chain(&*error));
        cli::failure_code(&*error)
    });
    log.finish();
    code
}

/// Prints what the command line itself answers: help, the version, or what is wrong with what was typed.
fn print(answer: &clap::Error) -> Result<ExitCode, Box<dyn Error>> {
    let code = ExitCode::from(u8::try_from(answer.exit_code())?);
    let printed = answer.print().and_then(|()| io::stdout().flush());
    match answer.use_stderr() {
        // Where even that can't be said, the exit code says it.
        true => Ok(code),
        false => Ok(printed.or_else(cli::ignore_broken_pipe).map(|()| code)?),
    }
}

/// An error with all its reasons, once each.
pub(crate) fn chain(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut next = error.source();
    while let Some(source) = next {
        text.push_str(": ");
        text.push_str(source.to_string().trim_end());
        next = source.source();
    }
    text
}
