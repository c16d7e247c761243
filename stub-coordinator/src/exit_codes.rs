//! How a command ends, and the one place that turns it into a number: the same table as for the other programs.

use std::error::Error;
use std::fmt;
use std::io;
use std::process::ExitCode;

/// A signal that ends a running stub in an orderly way.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum EndSignal {
    Interrupt,
    Terminate,
}

/// How a command ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ProgramExit {
    /// It is as asked, or it is done.
    Holds,
    /// It is not as asked, or the stub did not do it.
    Fails,
    /// Wrong usage or configuration, a port that is taken among them; nothing was done.
    Usage,
    /// Nobody can say: the journal has forgotten too much, no stub answers, or the system does not give what is needed.
    Inconclusive,
    /// A stub that a signal ended.
    Ended(EndSignal),
}

impl From<ProgramExit> for ExitCode {
    fn from(exit: ProgramExit) -> ExitCode {
        ExitCode::from(match exit {
            ProgramExit::Holds => 0,
            ProgramExit::Fails => 1,
            ProgramExit::Usage => 2,
            ProgramExit::Inconclusive => 3,
            ProgramExit::Ended(EndSignal::Interrupt) => 130,
            ProgramExit::Ended(EndSignal::Terminate) => 143,
        })
    }
}

/// A command that did not come to its end: how the program exits, and why, in words.
#[derive(Debug)]
pub(crate) struct CommandFailure {
    pub(crate) exit: ProgramExit,
    reason: String,
}

impl CommandFailure {
    pub(crate) fn fails(reason: impl Into<String>) -> CommandFailure {
        CommandFailure {
            exit: ProgramExit::Fails,
            reason: reason.into(),
        }
    }

    pub(crate) fn usage(reason: impl Into<String>) -> CommandFailure {
        CommandFailure {
            exit: ProgramExit::Usage,
            reason: reason.into(),
        }
    }

    pub(crate) fn inconclusive(reason: impl Into<String>) -> CommandFailure {
        CommandFailure {
            exit: ProgramExit::Inconclusive,
            reason: reason.into(),
        }
    }
}

/// What the system does not give says nothing about what was asked.
impl From<io::Error> for CommandFailure {
    fn from(error: io::Error) -> CommandFailure {
        CommandFailure::inconclusive(chain(&error))
    }
}

impl fmt::Display for CommandFailure {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.reason)
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
