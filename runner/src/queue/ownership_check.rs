//! Whether a queue is its user's alone: nothing of its layout is a link, and nobody else can change what lies in it
//! (clauses O-18 and O-19).

use std::fs::{Metadata, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use super::error::if_present;
use super::{Queue, QueueError, QueueResult};
use crate::file_ownership::{ForeignWriter, open_ancestor, user};
use crate::job_reason::{JobReason, ReasonCode};
use crate::stage::Stage;

/// Everybody but the owner.
const NOT_OWNER: u32 = 0o077;

impl Queue {
    /// Of what is there; a queue that is not there yet is nobody else's.
    pub(super) fn check_ownership(&self) -> QueueResult<()> {
        let root = self.root();
        // The queue folder itself may be reached by a link.
        let Some(folder) = if_present(root, root.metadata())? else {
            return Ok(());
        };
        prove(root, &folder)?;
        if let Some(folder) = open_ancestor(root).map_err(QueueError::reading(root))? {
            return Err(QueueError::Replaceable {
                path: root.to_owned(),
                folder,
            });
        }
        for path in Stage::ALL.map(|stage| self.folder(stage)) {
            if let Some(folder) = if_present(&path, path.symlink_metadata())? {
                prove(&path, &folder)?;
            }
        }
        let state = self.state();
        match if_present(&state, state.symlink_metadata())? {
            Some(folder) if folder.is_symlink() => Err(QueueError::Linked { path: state }),
            // Who else can write there is another matter: it is closed to everybody when it is next written to.
            Some(folder) => match (ForeignWriter::of(&folder), state) {
                (Some(stranger @ ForeignWriter::Owner(_)), path) => {
                    Err(QueueError::Exposed { path, stranger })
                }
                _ => Ok(()),
            },
            None => Ok(()),
        }
    }

    /// Queues of earlier versions showed their state to everybody.
    pub(super) fn restrict_state_folder(&self) -> QueueResult<()> {
        let path = self.state();
        let close = || {
            let folder = self.root.open(&path)?;
            match folder.metadata()?.permissions().mode() & NOT_OWNER {
                0 => Ok(()),
                _ => folder.set_permissions(Permissions::from_mode(0o700)),
            }
        };
        close().map_err(|source| QueueError::Write { path, source })
    }
}

/// Why a file of the inbox is nobody's word but a stranger's, if it is.
pub(super) fn foreign(file: &Metadata) -> Option<JobReason> {
    let detail = match ForeignWriter::of(file)? {
        ForeignWriter::Owner(uid) => format!(
            "it belongs to {}, and no job of another user is run: read it, and `aq add` a copy of your own",
            user(uid)
        ),
        stranger => format!("{stranger}: read it, then `chmod go-w` it and `aq retry` it"),
    };
    Some(ReasonCode::ForeignFile.with(detail))
}

fn prove(path: &Path, folder: &Metadata) -> QueueResult<()> {
    let path = path.to_owned();
    if folder.is_symlink() {
        return Err(QueueError::Linked { path });
    }
    match ForeignWriter::of(folder) {
        Some(stranger) => Err(QueueError::Exposed { path, stranger }),
        None => Ok(()),
    }
}
