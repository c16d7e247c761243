//! The file that keeps what routing met with: `.state/routing.json`. A runner that routes writes it, and it outlives that
//! runner, so that whoever comes later learns why ROUTE is off (clauses F-20 and F-21).

use std::io;
use std::path::{Path, PathBuf};

use super::{Queue, QueueResult, durable_files};
use crate::queue_root::QueueRoot;

const TEXT_BYTES_MAX: usize = 64 * 1024;

impl Queue {
    /// Replaces the text.
    pub(crate) fn write_routing_text(&self, text: &str) -> QueueResult<()> {
        let scratch = format!("routing-{}", std::process::id());
        self.replace(&path_in(self.root()), &scratch, text.as_bytes())
    }

    /// Routing begins anew, and nothing was met with yet. What can't be removed says of when it is.
    pub(crate) fn forget_routing_text(&self) {
        let _ = self.root.remove(&path_in(self.root()));
    }
}

/// The text, for those who only want to know; empty where there is none.
pub(crate) fn read_routing_text(queue_dir: &Path) -> io::Result<String> {
    let root = QueueRoot::at(queue_dir);
    match durable_files::read_bounded(&root, &path_in(queue_dir), TEXT_BYTES_MAX) {
        Ok(bytes) => Ok(String::from_utf8_lossy(&bytes).into_owned()),
        Err(error)
            if matches!(
                error.kind(),
                io::ErrorKind::NotFound | io::ErrorKind::NotADirectory
            ) =>
        {
            Ok(String::new())
        }
        Err(error) => Err(error),
    }
}

fn path_in(queue_dir: &Path) -> PathBuf {
    queue_dir.join(".state").join("routing.json")
}
