//! The output of a command: it goes into a pipe that this process reads, and from there into the log.
//!
//! The command has no descriptor of the log: whatever it does to its standard streams (`> /dev/stderr` truncates what they
//! are), what it printed before stays.

use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use rustix::buffer::spare_capacity;
use rustix::event::{PollFd, PollFlags};
use rustix::fs::{OFlags, fcntl_setfl};
use rustix::io::{Errno, ioctl_fionread, read};

use super::bounded_log::BoundedLog;

/// A pipe holds as much, unless somebody enlarged it.
const CHUNK_BYTES: usize = 64 * 1024;

/// The way of the output; it lives as long as the watchdog.
pub(super) struct OutputPipe {
    /// Never blocks.
    reader: OwnedFd,
    /// Kept open, so that the pipe itself never ends: the processes tell when the command has.
    writer: OwnedFd,
    /// Where the output is written to.
    log: BoundedLog,
    /// The last bytes that were read, kept for its space.
    chunk: Vec<u8>,
}

/// How much was taken from the pipe.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum OutputRead {
    Nothing,
    Bytes(usize),
}

impl OutputPipe {
    pub(super) fn new(log: BoundedLog) -> io::Result<OutputPipe> {
        let (reader, writer) = io::pipe()?;
        let (reader, writer) = (OwnedFd::from(reader), OwnedFd::from(writer));
        // The command may read from the pipe too, so that there may be nothing left of what `poll` announced. The
        // command's own end waits as usual.
        fcntl_setfl(&reader, OFlags::NONBLOCK)?;
        Ok(OutputPipe {
            reader,
            writer,
            log,
            chunk: Vec::new(),
        })
    }

    /// Where the command prints to.
    pub(super) fn writer(&self) -> BorrowedFd<'_> {
        self.writer.as_fd()
    }

    /// Readable when there is something to take.
    pub(super) fn polled(&self) -> PollFd<'_> {
        PollFd::new(&self.reader, PollFlags::IN)
    }

    /// Takes what is there, up to a chunk of it, and waits for nothing.
    pub(super) fn take(&mut self) -> OutputRead {
        self.chunk.clear();
        self.chunk.reserve(CHUNK_BYTES);
        loop {
            match read(&self.reader, spare_capacity(&mut self.chunk)) {
                Ok(0) => return OutputRead::Nothing,
                Ok(count) => {
                    self.log.write(&self.chunk);
                    return OutputRead::Bytes(count);
                }
                Err(Errno::INTR) => {}
                Err(_) => return OutputRead::Nothing,
            }
        }
    }

    /// Takes all that is there now and no more: a process that escaped with the other end may print for ever.
    pub(super) fn take_rest(&mut self) {
        let mut left = ioctl_fionread(&self.reader).unwrap_or(0);
        while left > 0
            && let OutputRead::Bytes(count) = self.take()
        {
            left = left.saturating_sub(count as u64);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::fs::File;
    use std::io::{Read, Seek, Write};

    use super::super::unlimited_log::unlimited_log;
    use super::*;

    fn logged(mut log: File) -> String {
        let mut text = String::new();
        log.rewind().unwrap();
        log.read_to_string(&mut text).unwrap();
        text
    }

    #[test]
    fn the_rest_is_what_is_there_whoever_still_holds_the_pipe() {
        let log = tempfile::tempfile().unwrap();
        let mut pipe = OutputPipe::new(unlimited_log(log.try_clone().unwrap())).unwrap();
        let mut escaped = File::from(pipe.writer().try_clone_to_owned().unwrap());
        escaped.write_all(b"first ").unwrap();
        assert_eq!(pipe.take(), OutputRead::Bytes(6));
        assert_eq!(pipe.take(), OutputRead::Nothing, "and it did not wait");
        escaped.write_all(&[b'x'; 60_000]).unwrap();
        pipe.take_rest();
        pipe.take_rest();
        assert_eq!(logged(log), format!("first {}", "x".repeat(60_000)));
    }

    #[test]
    fn what_the_log_does_not_take_is_taken_all_the_same() {
        let unwritable = File::open("/dev/null").unwrap();
        let mut pipe = OutputPipe::new(unlimited_log(unwritable)).unwrap();
        let mut command = File::from(pipe.writer().try_clone_to_owned().unwrap());
        for _ in 0..3 {
            command.write_all(&[b'x'; CHUNK_BYTES]).unwrap();
            assert_eq!(pipe.take(), OutputRead::Bytes(CHUNK_BYTES));
        }
    }
}
