//! The stub for a person: stands a fake coordinator up, says where it is, and shows what it is asked and answers.

mod cli;

use std::error::Error;
use std::process::ExitCode;

use clap::Parser;

fn main() -> ExitCode {
    match cli::run(cli::Arguments::parse()) {
        Ok(code) => code,
        Err(error) => {
            eprintln!("stub-coordinator: {}", chain(&*error));
            ExitCode::FAILURE
        }
    }
}

/// An error with all its reasons, once each.
fn chain(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut next = error.source();
    while let Some(source) = next {
        text.push_str(": ");
        text.push_str(source.to_string().trim_end());
        next = source.source();
    }
    text
}
