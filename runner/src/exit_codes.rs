//! How a process of `aq` ends, and the one place that turns it into a number (`docs/exit-codes.md`).

use std::process::ExitCode;

/// A signal that ends `aq run` in an orderly way.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum StopSignal {
    /// SIGINT.
    Interrupt,
    /// SIGTERM, or SIGHUP.
    Terminate,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ProgramExit {
    /// The command did what it was asked for, and what it was asked about holds.
    Done,
    /// The operation failed, or what was asked about does not hold.
    Failed,
    /// The usage or the configuration is wrong; nothing was done.
    Usage,
    /// The gate has too little data to decide.
    Inconclusive,
    /// A signal ended the process in an orderly way.
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
