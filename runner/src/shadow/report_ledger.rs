//! Which transitions this coordinator has answered. It is kept in the queue's `.state`, so that a later process
//! repeats only what was not answered (clause S-7).
//!
//! It is a file of lines, each appended whole: `answered STAGE JOB VIEW` or `open STAGE JOB VIEW`. VIEW is the
//! coordinator, and the factory in whose name the report was sent. The truth about the jobs is in their folders; a
//! ledger that is lost or damaged costs repeated reports and nothing else.

use std::collections::HashMap;
use std::fs::{self, File};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::PathBuf;

use rustix::fs::{OFlags, RenameFlags};

use crate::fleet::wire::stage_of_wire_name;
use crate::ids::JobId;
use crate::queue_root::QueueRoot;
use crate::settings::Settings;
use crate::stage::Stage;

/// From this size on the ledger is rewritten at a start, with one line for each job.
const COMPACT_BYTES: u64 = 1024 * 1024;
/// How many bytes are read at most.
const READ_BYTES_MAX: u64 = 256 * 1024 * 1024;

/// Whether a report was answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ReportState {
    Answered,
    /// It got no answer, so the coordinator's view lacks it.
    Unanswered,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ReportEntry {
    pub(crate) state: ReportState,
    pub(crate) job: JobId,
    pub(crate) stage: Stage,
}

/// The ledger of one queue, as this process sees it.
#[derive(Debug)]
pub(crate) struct ReportLedger {
    /// In `.state` of the queue.
    path: PathBuf,
    /// The coordinator and the factory: a ledger holds the lines of several, and only these count.
    view: String,
    /// How many bytes of the file this process has read; `load` starts anew.
    offset: u64,
}

impl ReportLedger {
    pub(crate) fn new(settings: &Settings) -> ReportLedger {
        let url = settings.fleet.url.as_ref();
        let url = url.map(|url| url.value.as_str()).unwrap_or_default();
        ReportLedger {
            path: settings.queue.value.join(".state").join("fleet-shadow-view.log"),
            view: format!("{url},{}", settings.factory_id.value),
            offset: 0,
        }
    }

    /// The last entry of each job, from the start of the file; rewrites the file where it has grown long.
    pub(crate) fn load(&mut self) -> HashMap<JobId, ReportEntry> {
        self.offset = 0;
        let mut entries = HashMap::new();
        for entry in self.read_new() {
            entries.insert(entry.job.clone(), entry);
        }
        if self.offset > COMPACT_BYTES {
            // Jobs that are back in the inbox need no line: the coordinator takes a job that it knows nothing of for
            // free.
            entries.retain(|_, entry| (entry.state, entry.stage) != (ReportState::Answered, Stage::Inbox));
            if let Ok(length) = self.rewrite(&entries) {
                self.offset = length;
            }
        }
        entries
    }

    /// What was appended since the last reading, by this process or another. A ledger that can't be read counts as
    /// empty.
    pub(crate) fn read_new(&mut self) -> Vec<ReportEntry> {
        let mut text = String::new();
        if self.read_from_offset(&mut text).is_err() {
            return Vec::new();
        }
        // A line without its end is still being written.
        let whole = text.rfind('\n').map_or(0, |end| end + 1);
        self.offset += whole as u64;
        let lines = text[..whole].lines();
        lines.filter_map(|line| self.parse(line)).collect()
    }

    pub(crate) fn note(&self, state: ReportState, job: &JobId, stage: Stage) {
        // A ledger that can't be written costs a repeated report later, and no more.
        let _ = open(&self.path).and_then(|mut file| {
            let line = self.line(state, job, stage);
            file.write(line.as_bytes()).map(drop)
        });
    }

    fn read_from_offset(&mut self, text: &mut String) -> io::Result<()> {
        let mut file = QueueRoot::of(&self.path).open_regular(&self.path)?;
        let length = file.metadata()?.len();
        if length < self.offset {
            // The file was replaced by a shorter one.
            self.offset = 0;
        }
        if length == self.offset {
            return Ok(());
        }
        file.seek(SeekFrom::Start(self.offset))?;
        let mut bytes = Vec::new();
        file.take(READ_BYTES_MAX).read_to_end(&mut bytes)?;
        *text = String::from_utf8_lossy(&bytes).into_owned();
        Ok(())
    }

    fn rewrite(&self, entries: &HashMap<JobId, ReportEntry>) -> io::Result<u64> {
        let root = QueueRoot::of(&self.path);
        let fresh = self.path.with_extension(std::process::id().to_string());
        let line = |entry: &ReportEntry| self.line(entry.state, &entry.job, entry.stage);
        let text: String = entries.values().map(line).collect();
        root.create(&fresh)?.write_all(text.as_bytes())?;
        root.rename(&fresh, &self.path, RenameFlags::empty())?;
        Ok(text.len() as u64)
    }

    fn line(&self, state: ReportState, job: &JobId, stage: Stage) -> String {
        let state = match state {
            ReportState::Answered => "answered",
            ReportState::Unanswered => "open",
        };
        format!("{state} {} {job} {}\n", stage.wire_name(), self.view)
    }

    fn parse(&self, line: &str) -> Option<ReportEntry> {
        let mut fields = line.split(' ');
        let state = match fields.next()? {
            "answered" => ReportState::Answered,
            "open" => ReportState::Unanswered,
            _ => return None,
        };
        let stage = stage_of_wire_name(fields.next()?)?;
        let job = JobId::new(fields.next()?).ok()?;
        (fields.next()? == self.view && fields.next().is_none()).then_some(ReportEntry { state, job, stage })
    }
}

fn open(path: &std::path::Path) -> io::Result<File> {
    QueueRoot::of(path).open_kept(path, OFlags::APPEND)
}

/// The jobs in some stages, as their folders have them.
pub(crate) fn jobs_in(settings: &Settings, stages: impl IntoIterator<Item = Stage>) -> HashMap<JobId, Stage> {
    let mut jobs = HashMap::new();
    for stage in stages {
        let Ok(entries) = fs::read_dir(settings.queue.value.join(stage.folder())) else {
            continue;
        };
        for entry in entries.flatten() {
            let name = entry.file_name();
            let id = name.to_str().and_then(|name| name.strip_suffix(".md"));
            if let Some(Ok(id)) = id.map(JobId::new) {
                // A job that moved while the folders were read counts where it was seen last.
                jobs.insert(id, stage);
            }
        }
    }
    jobs
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::shadow::test_coordinator::{id, settings};

    #[test]
    fn a_later_process_knows_what_was_answered() {
        let folder = tempfile::tempdir().unwrap();
        fs::create_dir(folder.path().join(".state")).unwrap();
        let settings = settings(folder.path(), "http://127.0.0.1:1");
        let first = ReportLedger::new(&settings);
        first.note(ReportState::Answered, &id("alpha"), Stage::Building);
        first.note(ReportState::Answered, &id("alpha"), Stage::Shipped);
        first.note(ReportState::Unanswered, &id("beta"), Stage::Inbox);

        let mut second = ReportLedger::new(&settings);
        let known = second.load();
        assert_eq!(known.len(), 2);
        assert_eq!(
            (known[&id("alpha")].state, known[&id("alpha")].stage),
            (ReportState::Answered, Stage::Shipped)
        );
        assert_eq!(
            (known[&id("beta")].state, known[&id("beta")].stage),
            (ReportState::Unanswered, Stage::Inbox)
        );
        assert!(second.read_new().is_empty());
        first.note(ReportState::Unanswered, &id("gamma"), Stage::Failed);
        assert_eq!(
            second.read_new(),
            [ReportEntry {
                state: ReportState::Unanswered,
                job: id("gamma"),
                stage: Stage::Failed
            }]
        );
    }

    #[test]
    fn another_coordinator_has_been_told_nothing() {
        let folder = tempfile::tempdir().unwrap();
        fs::create_dir(folder.path().join(".state")).unwrap();
        ReportLedger::new(&settings(folder.path(), "http://127.0.0.1:1")).note(
            ReportState::Answered,
            &id("alpha"),
            Stage::Shipped,
        );
        assert!(
            ReportLedger::new(&settings(folder.path(), "http://127.0.0.1:2"))
                .load()
                .is_empty()
        );
    }

    #[test]
    fn damage_and_a_torn_tail_are_passed_over() {
        let folder = tempfile::tempdir().unwrap();
        fs::create_dir(folder.path().join(".state")).unwrap();
        let settings = settings(folder.path(), "http://127.0.0.1:1");
        let mut ledger = ReportLedger::new(&settings);
        let good = ledger.line(ReportState::Answered, &id("alpha"), Stage::Failed);
        fs::write(
            &ledger.path,
            format!("nonsense\n{good}answered failed ../x y\nansw"),
        )
        .unwrap();
        assert_eq!(ledger.load().len(), 1);
    }

    #[test]
    fn a_long_ledger_is_rewritten_with_one_line_a_job() {
        let folder = tempfile::tempdir().unwrap();
        fs::create_dir(folder.path().join(".state")).unwrap();
        let mut ledger = ReportLedger::new(&settings(folder.path(), "http://127.0.0.1:1"));
        let line = ledger.line(ReportState::Answered, &id("alpha"), Stage::Failed);
        let back = ledger.line(ReportState::Answered, &id("beta"), Stage::Inbox);
        let repeats = usize::try_from(COMPACT_BYTES).unwrap() / line.len() + 1;
        fs::write(&ledger.path, line.repeat(repeats) + &back).unwrap();
        assert_eq!(ledger.load().len(), 1);
        assert_eq!(fs::read_to_string(&ledger.path).unwrap(), line);
        ledger.note(ReportState::Unanswered, &id("beta"), Stage::Failed);
        assert_eq!(ledger.read_new().len(), 1);
    }
}
