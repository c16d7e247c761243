//! The stages of a job, each with its folder and with the coordinator's name for it.

use std::fmt;

use serde::{Deserialize, Serialize};

/// In files a stage is called as its folder is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Stage {
    Inbox,
    Building,
    Testing,
    Review,
    Shipped,
    Failed,
    Quarantine,
}

impl Stage {
    /// In the order in which a job goes through them.
    pub(crate) const ALL: [Stage; 7] = [
        Stage::Inbox,
        Stage::Building,
        Stage::Testing,
        Stage::Review,
        Stage::Shipped,
        Stage::Failed,
        Stage::Quarantine,
    ];

    /// The folder's name inside the queue.
    pub(crate) fn folder(self) -> &'static str {
        match self {
            Stage::Inbox => "inbox",
            Stage::Building => "building",
            Stage::Testing => "testing",
            Stage::Review => "review",
            Stage::Shipped => "shipped",
            Stage::Failed => "failed",
            Stage::Quarantine => "quarantine",
        }
    }

    pub(crate) fn from_folder(folder: &str) -> Option<Stage> {
        Stage::ALL.into_iter().find(|stage| stage.folder() == folder)
    }

    /// The coordinator's name for it: it calls the inbox `queued` and the quarantine folder `quarantined`.
    pub(crate) fn wire_name(self) -> &'static str {
        match self {
            Stage::Inbox => "queued",
            Stage::Quarantine => "quarantined",
            other => other.folder(),
        }
    }

    /// Whether nothing follows it.
    pub(crate) fn is_final(self) -> bool {
        matches!(self, Stage::Shipped | Stage::Failed | Stage::Quarantine)
    }
}

impl fmt::Display for Stage {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.folder())
    }
}
