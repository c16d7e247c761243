//! Where a command is to be killed, and who of it.

/// Who is killed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum KillVictim {
    Runner,
    /// The children that it has at this step: its supervisors. At a step of a supervisor: that one.
    Supervisors,
    Both,
}

impl std::fmt::Display for KillVictim {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str(match self {
            KillVictim::Runner => "the runner",
            KillVictim::Supervisors => "its supervisors",
            KillVictim::Both => "runner and supervisors",
        })
    }
}

/// Who makes a step.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum StepActor {
    Runner,
    Supervisor,
}

/// Where a command is to be killed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct KillPoint {
    pub(super) who: StepActor,
    pub(super) step: String,
    /// So often is the step passed by first.
    pub(super) skip: u64,
    pub(super) victim: KillVictim,
}

/// What is stopped at each step.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum TraceScope {
    /// The command's first thread, which does all that changes the queue.
    Main,
    /// Its other threads too: they send the requests to the coordinator. Of its supervisors only the start is seen.
    Threads,
    /// Its supervisors too.
    Supervisors,
}
