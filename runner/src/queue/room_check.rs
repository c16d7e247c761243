//! Whether the host lets the queue be written to at this moment.

use std::io::{self, Write};

use super::{Queue, QueueError, QueueResult};
use crate::error_scope::{ErrorScope, HostTrouble};

/// A start writes a few lines and a prompt; with less than this the next one may fail half-way.
const ROOM_BYTES: usize = 64 * 1024;

impl Queue {
    /// What a start relies on that may be used up and come back: room, and descriptors.
    pub(crate) fn check_room(&self) -> QueueResult<()> {
        let probe = self
            .scratch_folder()
            .join(format!(".room-{}", std::process::id()));
        let write = || -> io::Result<()> { self.root.create(&probe)?.write_all(&[0; ROOM_BYTES]) };
        let written = write();
        // One that is left is hidden, and no job.
        let removed = self.root.remove(&probe);
        written.and(removed).map_err(QueueError::writing(&probe))
    }

    /// The trouble of the host that is in the way of writing at this moment.
    pub(crate) fn host_trouble(&self) -> Option<(HostTrouble, QueueError)> {
        let error = self.check_room().err()?;
        match error.scope() {
            ErrorScope::Host(trouble) => Some((trouble, error)),
            _ => None,
        }
    }
}
