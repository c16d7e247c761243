//! Where a command is to be killed, and who of it.

/// Who is killed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Victim {
    Runner,
    /// The children that it has at this step: its supervisors. At a step of a supervisor: that one.
    Supervisors,
    Both,
}

impl std::fmt::Display for Victim {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str(match self {
            Victim::Runner => "the runner",
            Victim::Supervisors => "its supervisors",
            Victim::Both => "runner and supervisors",
        })
    }
}

/// Who makes a step.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Who {
    Runner,
    Supervisor,
}

/// Where a command is to be killed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Target {
    pub(super) who: Who,
    pub(super) step: String,
    /// So often is the step passed by first.
    pub(super) skip: u64,
    pub(super) victim: Victim,
}

/// What is stopped at each step.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Scope {
    /// The command's first thread, which does all that changes the queue.
    Main,
    /// Its other threads too: they speak with the coordinator. Of its supervisors it is seen that they begin.
    Threads,
    /// Its supervisors too.
    Supervisors,
}
