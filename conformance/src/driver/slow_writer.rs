//! Somebody who writes job files into the inbox by hand, a part at a time, and closes each after its last part.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::Write;
use std::path::PathBuf;

use crate::fake_engine::create_file;
use crate::sandbox::{Sandbox, job_file};
use crate::scenario::{Job, PartialWrite};

pub(super) struct SlowWriter {
    inbox: PathBuf,
    /// The files' texts, by job.
    texts: BTreeMap<String, String>,
    /// Files that were begun, each with what is still to be written.
    open: BTreeMap<String, (File, String)>,
}

impl SlowWriter {
    pub(super) fn of(jobs: &[Job], sandbox: &Sandbox) -> SlowWriter {
        let work = sandbox.work();
        let texts = jobs
            .iter()
            .map(|job| (job.id.clone(), job_file::text(job, &work)));
        SlowWriter {
            inbox: sandbox.queue().join("inbox"),
            texts: texts.collect(),
            open: BTreeMap::new(),
        }
    }

    pub(super) fn write(&mut self, part: &PartialWrite) -> Result<(), String> {
        let id = &part.job;
        let failed = |error: std::io::Error| format!("{id}.md can't be written: {error}");
        let (mut file, rest) = match self.open.remove(id) {
            Some(begun) => begun,
            None => {
                let file = create_file(&self.inbox.join(format!("{id}.md"))).map_err(failed)?;
                (file, self.texts.get(id).cloned().unwrap_or_default())
            }
        };
        let Some(to) = &part.to else {
            return file.write_all(rest.as_bytes()).map_err(failed);
        };
        let Some(at) = rest.find(to.as_str()) else {
            return Err(format!("`{to}` is not in what is still to be written of {id}.md"));
        };
        let (now, later) = rest.split_at(at + to.len());
        file.write_all(now.as_bytes()).map_err(failed)?;
        self.open.insert(id.clone(), (file, later.to_owned()));
        Ok(())
    }
}
