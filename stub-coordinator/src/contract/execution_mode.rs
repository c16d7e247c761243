//! How an operation is carried out: the word in which a fault tells the coordinator to break the contract.

/// How a command is to be carried out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) enum ExecutionMode {
    #[default]
    Honest,
    /// On a copy that is thrown away: the answer of a commit that never was.
    WithoutCommit,
    Dishonest(SemanticFault),
}

/// Ways in which a coordinator can break its word.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum SemanticFault {
    /// A claim is given a job that is leased already.
    DoubleGrant,
    /// A claim's fencing token does not rise.
    TokenRegress,
    /// A reading operation shows the state of an earlier time.
    StaleRead,
    /// A dry run claims for real.
    DryRunGrants,
    /// A shadow report moves the real job.
    LeakyShadow,
    /// A job that somebody works on is withdrawn, and its lease ends.
    WithdrawLeased,
    /// A withdrawal is refused and carried out all the same.
    WithdrawUnsaid,
    /// A claim is given a job that was withdrawn.
    ClaimWithdrawn,
    /// The fencing tokens of an id begin again with its next job.
    TokenReset,
}
