//! What the logs of a case have to be like at its end.

use std::fs;
use std::io;
use std::path::Path;

use super::crash_case::CrashCase;
use super::long_output;
use super::worker_log::WorkerLog;

impl CrashCase<'_> {
    /// Of each job that prints so much, the log of its last attempt.
    pub(super) fn check_logs(&mut self) -> io::Result<()> {
        let with_long_output = self.fixture.jobs.iter().filter(|job| job.has_long_output);
        for job in with_long_output {
            let log = WorkerLog::read(&self.fixture.root);
            let Some(attempt) = log.last_attempt(&job.id) else {
                continue;
            };
            let shown = self.ask(&["logs".to_owned(), job.id.clone()])?;
            let text = String::from_utf8_lossy(&shown.stdout);
            let is_complete = self.checker.stage_of(&job.id) == Some("shipped");
            let mut wrong = Vec::new();
            if !shown.status.success() {
                wrong.push(format!("`logs` ended with {:?}", shown.status.code()));
            }
            wrong.extend(long_output::flaw(&text, &job.id, attempt, is_complete));
            let folder = self.fixture.queue.join(".state/jobs").join(&job.id);
            let size = size_of_outputs(&folder.join(format!("attempt-{attempt}")));
            if size > long_output::LOG_BYTES_MAX {
                wrong.push(format!("it has {size} bytes"));
            }
            let of_job = wrong
                .into_iter()
                .map(|what| format!("the log of {}: {what}", job.id));
            self.record_failures(of_job.collect());
        }
        Ok(())
    }
}

/// Zero where the runner keeps its logs elsewhere.
fn size_of_outputs(folder: &Path) -> u64 {
    let files = fs::read_dir(folder).into_iter().flatten().flatten();
    let is_output = |file: &fs::DirEntry| file.file_name().to_string_lossy().contains(".out");
    let sizes = files.filter(is_output).filter_map(|file| file.metadata().ok());
    sizes.map(|metadata| metadata.len()).sum()
}
