//! What a person approves with `aq ship`: what is run, where, and of which file; shown before it is run (clause O-17).

use std::path::PathBuf;

use serde::Serialize;

use crate::job::Job;
use crate::queue::{FileDigest, SavedExecutionContext};

/// Taken from the bytes that are run.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct ShipPlan {
    pub(crate) engine: String,
    pub(crate) yolo: bool,
    pub(crate) verify: Option<String>,
    pub(crate) ship: Option<String>,
    /// Where; none: nobody kept it.
    pub(crate) folder: Option<PathBuf>,
    pub(crate) digest: FileDigest,
    /// Whose environment; none: nobody kept one.
    pub(crate) environment: Option<&'static str>,
}

impl ShipPlan {
    pub(crate) fn of(job: &Job, digest: FileDigest, kept: Option<&SavedExecutionContext>) -> ShipPlan {
        let folder = |kept: &SavedExecutionContext| match &job.cwd {
            Some(cwd) => kept.folder.join(cwd),
            None => kept.folder.clone(),
        };
        ShipPlan {
            engine: job.engine.to_string(),
            yolo: job.yolo,
            verify: job.verify.clone(),
            ship: job.ship.clone(),
            folder: kept.map(folder),
            digest,
            environment: kept.map(|_| "runner"),
        }
    }

    /// For people: a name and its value each.
    pub(crate) fn lines(&self) -> Vec<(&'static str, String)> {
        let folder = self.folder.as_ref().map(|folder| folder.display().to_string());
        let environment = self
            .environment
            .map(|_| "that of the runner which did the work".to_owned());
        let unknown = || "not on record".to_owned();
        let engine = match self.yolo {
            true => format!("{}, with its permission questions skipped", self.engine),
            false => self.engine.clone(),
        };
        let mut lines = vec![("engine", engine)];
        lines.extend(self.verify.clone().map(|verify| ("verify", verify)));
        lines.push((
            "ship",
            self.ship.clone().unwrap_or_else(|| "nothing is run".to_owned()),
        ));
        if self.ship.is_some() {
            lines.push(("folder", folder.unwrap_or_else(unknown)));
            lines.push(("environment", environment.unwrap_or_else(unknown)));
        }
        lines.push(("digest", self.digest.short().to_owned()));
        lines
    }
}
