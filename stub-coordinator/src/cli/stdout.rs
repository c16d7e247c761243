//! Standard output. A reader that has left is no failure: it has what it wanted.

use std::io;
use std::os::fd::AsFd;

use rustix::event::{PollFd, PollFlags, poll};
use rustix::io::Errno;

/// Prints text and a line break.
pub(super) fn say(text: &str) -> io::Result<()> {
    print(format!("{text}\n").as_bytes())
}

/// Tells people something that ends nothing. Where nobody takes it, the command goes on.
pub(super) fn warn(text: &str) {
    let _ = write_all(io::stderr(), format!("stub-coordinator: {text}\n").as_bytes());
}

/// Prints all of it.
pub(super) fn print(bytes: &[u8]) -> io::Result<()> {
    write_all(io::stdout(), bytes).or_else(ignore_broken_pipe)
}

/// What a failure to print comes to: nothing, where the reader has left.
pub(crate) fn ignore_broken_pipe(error: io::Error) -> io::Result<()> {
    match error.kind() {
        io::ErrorKind::BrokenPipe => Ok(()),
        kind => Err(io::Error::new(
            kind,
            format!("can't write to standard output: {error}"),
        )),
    }
}

/// Writes all of it past the buffers of the standard library, whose locks a thread that is stuck here would keep.
pub(super) fn write_all(to: impl AsFd, mut bytes: &[u8]) -> io::Result<()> {
    while !bytes.is_empty() {
        match rustix::io::write(&to, bytes) {
            Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
            Ok(count) => bytes = &bytes[count..],
            Err(Errno::INTR) => {}
            // Whoever shares the pipe made it so that a write does not wait; then we do.
            Err(Errno::AGAIN) => drop(poll(&mut [PollFd::new(&to, PollFlags::OUT)], None)),
            Err(error) => return Err(error.into()),
        }
    }
    Ok(())
}
