//! What can become of a queue folder under a process that works with it, in words that say what to do.

use std::fmt;

/// What became of the queue folder.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum QueueLoss {
    /// As a whole or in part; whoever removes it begins with a part.
    Removed,
    Moved,
    /// Something else has its name now.
    Replaced,
}

impl fmt::Display for QueueLoss {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            QueueLoss::Removed => {
                "was removed, as a whole or in part, as `rm -rf`, `git clean -fdx` and `git stash -u` do, and what was in it \
                 is gone: bring it back if you can (`git stash pop`, a backup), or make what is missing with `aq init`, \
                 and start `aq run` again"
            }
            QueueLoss::Moved => {
                "was moved away: name its new place with --queue or AQ_QUEUE, and start `aq run` again"
            }
            QueueLoss::Replaced => {
                "is another folder now than the one that this run began with, which was moved or removed: if it is the \
                 one you mean, start `aq run` again"
            }
        })
    }
}
