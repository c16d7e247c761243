//! The pause of a whole queue: a file whose presence says that no job is to be started. It outlives every process, and
//! what is running when it comes is not touched.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use super::error::if_present;
use super::{Queue, QueueError, QueueResult, durable_files, history, locks};

/// Since when nothing is started, and why.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct QueuePause {
    pub(crate) at: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) message: Option<String>,
}

impl Queue {
    /// From now on, until it is resumed. A pause that there is already keeps its instant.
    pub(crate) fn pause(&self, message: Option<&str>) -> QueueResult<QueuePause> {
        let _held = locks::lock_queue(self)?;
        let known = self.paused()?;
        let pause = QueuePause {
            at: known.as_ref().map_or_else(history::now, |pause| pause.at.clone()),
            message: message
                .map(str::to_owned)
                .or_else(|| known.and_then(|pause| pause.message)),
        };
        let path = self.pause_file();
        let text = serde_json::to_vec(&pause).map_err(|error| QueueError::writing(&path)(error.into()))?;
        self.replace(&path, "pause", &text)?;
        self.sync_folder(&self.pause_folder())?;
        Ok(pause)
    }

    /// Jobs may start again; the pause that there was.
    pub(crate) fn resume(&self) -> QueueResult<Option<QueuePause>> {
        let known = self.paused()?;
        self.remove(&self.pause_file())?;
        self.sync_folder(&self.pause_folder())?;
        Ok(known)
    }

    pub(crate) fn paused(&self) -> QueueResult<Option<QueuePause>> {
        let path = self.pause_file();
        let text = if_present(&path, durable_files::read_text(&self.root, &path))?;
        // What is there and can't be understood pauses all the same: it was put there to.
        let unknown = || QueuePause {
            at: String::from("unknown"),
            message: None,
        };
        Ok(text.map(|text| serde_json::from_str(&text).unwrap_or_else(|_| unknown())))
    }

    pub(crate) fn pause_folder(&self) -> PathBuf {
        self.state().join("pause")
    }

    fn pause_file(&self) -> PathBuf {
        self.pause_folder().join("queue")
    }
}
