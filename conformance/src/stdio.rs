//! What is printed. `println!` and its like panic where it can't be written, so nothing here uses them: a reader that
//! has seen enough ends nothing, and any other error on standard output is kept for the exit code.

use std::fmt::Display;
use std::io::{self, ErrorKind, Write};
use std::sync::OnceLock;

use crate::exit_codes::HarnessExit;
use crate::printable_text::escape_control;

static FIRST_ERROR: OnceLock<io::Error> = OnceLock::new();
static PROGRAM: OnceLock<&'static str> = OnceLock::new();

/// Messages of this process begin with this name instead of `conformance`.
pub fn name_program(name: &'static str) {
    let _ = PROGRAM.set(name);
}

/// Prints a result to standard output.
pub fn write_stdout(text: &str) {
    let mut output = io::stdout().lock();
    keep(output.write_all(text.as_bytes()).and_then(|()| output.flush()));
}

/// Keeps what went wrong on standard output; that its reader is gone is nothing wrong.
pub fn keep(written: io::Result<()>) {
    if let Err(error) = written
        && error.kind() != ErrorKind::BrokenPipe
    {
        // The first tells why; those after it follow from it.
        let _ = FIRST_ERROR.set(error);
    }
}

/// Says something to a person, on standard error. Where that can't be written, there is nobody to read it. Control
/// characters that the message took from a file are escaped.
pub fn say(message: impl Display) {
    let program = PROGRAM.get().unwrap_or(&"conformance");
    let message = escape_control(&message.to_string());
    write_stderr(&format!("{program}: {message}\n"));
}

/// Prints text as it is to standard error.
pub fn write_stderr(text: &str) {
    let _ = io::stderr().write_all(text.as_bytes());
}

/// How this process ends: not well where something that was to be printed to standard output is not there. What was
/// wrong before stays what was wrong.
pub fn exit_after_output(exit: HarnessExit) -> HarnessExit {
    let Some(error) = FIRST_ERROR.get() else {
        return exit;
    };
    say(format_args!("standard output can't be written: {error}"));
    match exit {
        HarnessExit::Holds => HarnessExit::Inconclusive,
        other => other,
    }
}

/// The arguments of this process, without its name.
pub fn arguments() -> Vec<String> {
    let all = std::env::args_os().skip(1);
    all.map(|argument| argument.to_string_lossy().into_owned())
        .collect()
}

/// What standard output is.
pub fn metadata_of_output() -> io::Result<std::fs::Metadata> {
    use std::os::fd::AsFd;
    let copy = io::stdout().as_fd().try_clone_to_owned()?;
    std::fs::File::from(copy).metadata()
}
