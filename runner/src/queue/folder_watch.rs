//! Notices what changes in a queue folder while a runner sits still: new files, freed locks, wishes of people.

use std::collections::BTreeMap;
use std::ffi::OsString;

use serde::{Deserialize, Serialize};

#[cfg(all(target_os = "linux", not(portable)))]
mod linux;
#[cfg(any(portable, not(target_os = "linux")))]
mod portable;

#[cfg(all(target_os = "linux", not(portable)))]
pub(crate) use linux::InotifyWatcher as FolderWatcher;
#[cfg(any(portable, not(target_os = "linux")))]
pub(crate) use portable::NotifyWatcher as FolderWatcher;

/// What makes a run look at its queue.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum ChangeSource {
    /// The system tells of each change.
    #[default]
    Events,
    /// The system tells nothing here: the queue is looked at every second.
    Polling,
}

/// What happened to a file of the inbox last, as far as it was noticed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum WatchedFileState {
    Unknown,
    /// It was made, and whoever made it by opening it has not closed it.
    Opened,
    /// A writer closed it, or it came to its place or left it.
    Closed,
}

/// What may be different from before.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub(crate) struct FolderChanges {
    /// Anything at all was told: also a wish, a pause, or `aq.toml`.
    pub(crate) any: bool,
    /// A watched folder may have been removed, moved or replaced.
    pub(crate) folder_gone: bool,
    /// Any file of the inbox.
    pub(crate) everything: bool,
    /// These files of the inbox.
    pub(crate) inbox: BTreeMap<OsString, WatchedFileState>,
}

impl FolderChanges {
    pub(crate) fn everything() -> FolderChanges {
        FolderChanges {
            any: false,
            folder_gone: false,
            everything: true,
            inbox: BTreeMap::new(),
        }
    }

    pub(crate) fn merge(&mut self, later: FolderChanges) {
        self.any |= later.any;
        self.folder_gone |= later.folder_gone;
        self.everything |= later.everything;
        self.inbox.extend(later.inbox);
    }
}
