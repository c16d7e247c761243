//! What is printed. `println!` and its like panic where it can't be written, so nothing here uses them: a reader that
//! has seen enough ends nothing, and any other error on standard output is kept for the exit code.

use std::fmt::Display;
use std::io::{self, ErrorKind, Write};
use std::sync::OnceLock;

use crate::report::escape_control;

static FIRST_ERROR: OnceLock<io::Error> = OnceLock::new();

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

/// Says something to a person, on standard error. Where that can't be written, nobody is there to be told. What the
/// message took from a file gives no orders to a terminal.
pub fn say(message: impl Display) {
    write_stderr(&format!(
        "conformance: {}\n",
        escape_control(&message.to_string())
    ));
}

/// Prints text as it is to standard error.
pub fn write_stderr(text: &str) {
    let _ = io::stderr().write_all(text.as_bytes());
}

/// Why something that was to be printed to standard output is not there.
pub fn first_error() -> Option<&'static io::Error> {
    FIRST_ERROR.get()
}

/// What standard output is.
pub fn metadata_of_output() -> io::Result<std::fs::Metadata> {
    use std::os::fd::AsFd;
    let copy = io::stdout().as_fd().try_clone_to_owned()?;
    std::fs::File::from(copy).metadata()
}
