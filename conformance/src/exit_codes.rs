//! How a process of the harness ends, and the one place that turns it into a number. Both binaries use it.

use std::process::ExitCode;

/// A signal that ends the harness in an orderly way.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum EndingSignal {
    Interrupt,
    /// SIGTERM, or SIGHUP.
    Terminate,
}

/// What the exit code of the harness says.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum HarnessExit {
    /// What was asked holds.
    Holds,
    /// It does not hold: a runner is not conformant, a mutant survived, an outcome differed.
    DoesNotHold,
    /// Wrong usage or configuration; nothing was run.
    WrongUsage,
    /// The harness could not do its work, or nothing could be judged.
    Inconclusive,
    /// Ended by a signal.
    Ended(EndingSignal),
    /// A hidden process that takes the place of a runner or an engine ends with the code that this one would have.
    Relayed(u8),
}

impl HarnessExit {
    /// The number, as reports write it.
    pub fn code(self) -> u8 {
        match self {
            HarnessExit::Holds => 0,
            HarnessExit::DoesNotHold => 1,
            HarnessExit::WrongUsage => 2,
            HarnessExit::Inconclusive => 3,
            HarnessExit::Ended(EndingSignal::Interrupt) => 130,
            HarnessExit::Ended(EndingSignal::Terminate) => 143,
            HarnessExit::Relayed(code) => code,
        }
    }
}

impl From<HarnessExit> for ExitCode {
    fn from(exit: HarnessExit) -> ExitCode {
        ExitCode::from(exit.code())
    }
}
