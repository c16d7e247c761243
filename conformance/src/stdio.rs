//! What is printed. `println!` and its like panic where it can't be written, so nothing here uses them: a reader that
//! has seen enough ends nothing, and any other error on standard output is kept for the exit code.

use std::fmt::Display;
use std::io::{self, ErrorKind, Write};
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::sync::OnceLock;

use rustix::fs::{OFlags, fcntl_getfl};

static FIRST_ERROR: OnceLock<io::Error> = OnceLock::new();

/// Prints a result to standard output.
pub fn put(text: &str) {
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

/// Says something to a person, on standard error. Where that can't be written, nobody is there to be told.
pub fn say(message: impl Display) {
    put_beside(&format!("conformance: {message}\n"));
}

/// Prints text as it is to standard error.
pub fn put_beside(text: &str) {
    let _ = io::stderr().write_all(text.as_bytes());
}

/// Why something that was to be printed to standard output is not there.
pub fn first_error() -> Option<&'static io::Error> {
    FIRST_ERROR.get()
}

/// Whether this process was started without a standard output. The standard library opens the null device in its
/// place, for reading and writing; a shell's `>/dev/null` is open for writing alone.
pub fn is_without_output() -> bool {
    let output = io::stdout();
    let null = std::fs::metadata("/dev/null").map(|about| about.rdev());
    let stands_in = |about: &std::fs::Metadata| {
        about.file_type().is_char_device() && null.as_ref().is_ok_and(|null| *null == about.rdev())
    };
    let read_too = fcntl_getfl(&output).is_ok_and(|flags| flags & OFlags::RWMODE == OFlags::RDWR);
    read_too && metadata_of_output().is_ok_and(|about| stands_in(&about))
}

/// What standard output is.
pub fn metadata_of_output() -> io::Result<std::fs::Metadata> {
    use std::os::fd::AsFd;
    let copy = io::stdout().as_fd().try_clone_to_owned()?;
    std::fs::File::from(copy).metadata()
}
