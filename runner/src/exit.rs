//! How a process ends, and the one place that turns it into a number.

use std::process::ExitCode;

/// A signal that ends `aq run` in an orderly way.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum StopSignal {
    Interrupt,
    /// SIGTERM, or SIGHUP.
    Terminate,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Exit {
    Done,
    /// The operation failed.
    Failed,
    /// Wrong usage or configuration; nothing was done.
    Usage,
    /// A gate without enough data.
    Inconclusive,
    Stopped(StopSignal),
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> ExitCode {
        ExitCode::from(match exit {
            Exit::Done => 0,
            Exit::Failed => 1,
            Exit::Usage => 2,
            Exit::Inconclusive => 3,
            Exit::Stopped(StopSignal::Interrupt) => 130,
            Exit::Stopped(StopSignal::Terminate) => 143,
        })
    }
}
