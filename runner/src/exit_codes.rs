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
pub(crate) enum ProgramExit {
    Done,
    /// The operation failed.
    Failed,
    /// Wrong usage or configuration; nothing was done.
    Usage,
    /// A gate without enough data.
    Inconclusive,
    Stopped(StopSignal),
}

impl From<ProgramExit> for ExitCode {
    fn from(exit: ProgramExit) -> ExitCode {
        ExitCode::from(match exit {
            ProgramExit::Done => 0,
            ProgramExit::Failed => 1,
            ProgramExit::Usage => 2,
            ProgramExit::Inconclusive => 3,
            ProgramExit::Stopped(StopSignal::Interrupt) => 130,
            ProgramExit::Stopped(StopSignal::Terminate) => 143,
        })
    }
}
