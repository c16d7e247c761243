//! The shadow log: one JSON object a line, appended whole (clauses S-2, S-11, S-13, S-14).
//!
//! The file is opened for each line: opening costs microseconds off everybody's way, a log that was rotated or
//! made writable again is found, and a tail that another process left torn is closed off every time. A line that
//! can't be written is counted and given up: no job is worth less because its comparison was lost.

use std::cell::Cell;
use std::fs::{File, OpenOptions, TryLockError};
use std::io::{self, Write};
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::thread;
use std::time::Duration;

use jiff::Timestamp;
use rustix::fs::OFlags;
use serde::Serialize;

use super::compare::{Comparison, Reason, Verdict};
use crate::fleet::failure::{Failure, shown};
use crate::fleet::wire;

/// Where the log of a queue lies.
pub(crate) fn path_in(queue: &Path) -> PathBuf {
    queue.join(".state").join("fleet-shadow.log")
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Event {
    Comparison,
    ShadowError,
    Skipped,
    ReportDivergence,
    DryRunUnsupported,
    DryRunNotHonoured,
    LeaseLeaked,
}

/// Why a decision was not compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Skip {
    /// A transition that the coordinator has not been told of: its answer would be about another queue.
    ViewGap,
    /// More decisions than the lane holds.
    LaneFull,
    /// The process ended first.
    Exit,
    /// The coordinator knows no dry run.
    Unsupported,
    /// The lane stopped asking.
    Stopped,
}

/// One line; fields that say nothing are left out, but for the five that every line has.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Line {
    ts: String,
    event: Event,
    local_job: Option<String>,
    coord_job: Option<String>,
    verdict: Option<Verdict>,
    decision: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<Why>,
    #[serde(skip_serializing_if = "Option::is_none")]
    rank: Option<usize>,
    #[serde(skip_serializing_if = "Option::is_none")]
    operation: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    kind: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    status: Option<u16>,
    #[serde(skip_serializing_if = "Option::is_none")]
    lease: Option<String>,
    /// How many decisions the line is about, where it is more than the one it names.
    #[serde(skip_serializing_if = "Option::is_none")]
    decisions: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    detail: Option<String>,
}

/// A reason of either kind; each writes itself as its bare word.
#[derive(Debug)]
enum Why {
    Diverge(Reason),
    Skip(Skip),
}

impl Serialize for Why {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Why::Diverge(reason) => reason.serialize(serializer),
            Why::Skip(skip) => skip.serialize(serializer),
        }
    }
}

impl Line {
    fn new(event: Event) -> Line {
        Line {
            ts: wire::instant(Timestamp::now()),
            event,
            local_job: None,
            coord_job: None,
            verdict: None,
            decision: None,
            reason: None,
            rank: None,
            operation: None,
            kind: None,
            status: None,
            lease: None,
            decisions: None,
            detail: None,
        }
    }

    pub(crate) fn comparison(decision: &str, local: Option<&str>, found: &Comparison) -> Line {
        Line {
            local_job: local.map(str::to_owned),
            coord_job: found.coord.clone(),
            verdict: Some(found.verdict),
            decision: Some(decision.to_owned()),
            reason: found.reason.map(Why::Diverge),
            rank: found.rank,
            ..Line::new(Event::Comparison)
        }
    }

    pub(crate) fn skipped(decision: &str, local: Option<&str>, skip: Skip) -> Line {
        Line {
            local_job: local.map(str::to_owned),
            decision: Some(decision.to_owned()),
            reason: Some(Why::Skip(skip)),
            ..Line::new(Event::Skipped)
        }
    }

    /// Decisions that were too many even to be remembered one by one.
    pub(crate) fn many_skipped(decision: &str, decisions: u64) -> Line {
        Line {
            decisions: Some(decisions),
            ..Line::skipped(decision, None, Skip::LaneFull)
        }
    }

    /// A call that failed; `decision` where it was the one that a decision waited for.
    pub(crate) fn error(
        operation: &'static str,
        decision: Option<&str>,
        local: Option<&str>,
        failure: &Failure,
    ) -> Line {
        Line {
            local_job: local.map(str::to_owned),
            decision: decision.map(str::to_owned),
            operation: Some(operation),
            kind: Some(failure.kind().to_string()),
            status: failure.status(),
            detail: Some(failure.detail()),
            ..Line::new(Event::ShadowError)
        }
    }

    /// Something to be noted that is neither an outcome nor an error.
    pub(crate) fn note(event: Event, local: Option<&str>, detail: &str) -> Line {
        Line {
            local_job: local.map(str::to_owned),
            detail: Some(shown(detail)),
            ..Line::new(event)
        }
    }

    pub(crate) fn lease(event: Event, job: Option<&str>, lease: &str, detail: &str) -> Line {
        let (coord_job, lease) = (job.map(shown), Some(shown(lease)));
        Line {
            coord_job,
            lease,
            ..Line::note(event, None, detail)
        }
    }
}

/// A log, and how many of its lines could not be written.
#[derive(Debug)]
pub(crate) struct Log {
    path: PathBuf,
    lost: Cell<u64>,
}

impl Log {
    pub(crate) fn new(queue: &Path) -> Log {
        Log {
            path: path_in(queue),
            lost: Cell::new(0),
        }
    }

    /// Says on stderr, once, when the log can't be written; the caller goes on in any case.
    pub(crate) fn append(&self, line: &Line) {
        if let Err(error) = self.try_append(line)
            && self.lost.replace(self.lost.get().saturating_add(1)) == 0
        {
            // A closed stderr is no reason to stop either.
            let _ = writeln!(
                io::stderr(),
                "aq: warning: can't write {} ({error}): comparisons are lost, jobs are not",
                self.path.display()
            );
        }
    }

    fn try_append(&self, line: &Line) -> io::Result<()> {
        let mut bytes = Vec::new();
        let mut file = open(&self.path)?;
        // Held until the file is closed. Not got, or not to be had on this file system: the line is written all the same.
        let _ = wait_for_writers(&file);
        if has_torn_tail(&file)? {
            bytes.push(b'\n');
        }
        serde_json::to_writer(&mut bytes, line)?;
        bytes.push(b'\n');
        // One call, not `write_all`: a line that was cut short must not be continued behind another writer's.
        match file.write(&bytes)? {
            written if written == bytes.len() => Ok(()),
            _ => Err(io::Error::new(io::ErrorKind::WriteZero, "the line was cut short")),
        }
    }
}

/// Never waits, whatever lies there: a pipe, a device or a link is refused, not written to.
fn open(path: &Path) -> io::Result<File> {
    let flags = (OFlags::NONBLOCK | OFlags::NOFOLLOW | OFlags::NOCTTY)
        .bits()
        .cast_signed();
    let file = OpenOptions::new()
        .read(true)
        .append(true)
        .create(true)
        .custom_flags(flags)
        .open(path)?;
    match file.metadata()?.is_file() {
        true => Ok(file),
        false => Err(io::Error::other("it is no regular file")),
    }
}

/// Appending needs no lock, but telling a torn tail from a line that is just being written does: a write that
/// crosses a page shows in two steps. Whoever holds the lock for long is passed by: nothing here waits for ever.
fn wait_for_writers(file: &File) -> Result<(), TryLockError> {
    const TRIES: u32 = 50;
    for _ in 1..TRIES {
        match file.try_lock() {
            Err(TryLockError::WouldBlock) => thread::sleep(Duration::from_millis(1)),
            decided => return decided,
        }
    }
    file.try_lock()
}

fn has_torn_tail(file: &File) -> io::Result<bool> {
    let mut last = [b'\n'];
    match file.metadata()?.len().checked_sub(1) {
        Some(offset) => file.read_at(&mut last, offset)?,
        None => 0,
    };
    Ok(last != [b'\n'])
}

#[cfg(test)]
mod tests {
    use std::fs;

    use serde_json::{Value, json};

    use super::*;
    use crate::fleet::failure::FailureKind;

    fn queue() -> (tempfile::TempDir, Log) {
        let folder = tempfile::tempdir().unwrap();
        fs::create_dir(folder.path().join(".state")).unwrap();
        let log = Log::new(folder.path());
        (folder, log)
    }

    fn lines(log: &Log) -> Vec<String> {
        fs::read_to_string(&log.path)
            .unwrap()
            .lines()
            .map(str::to_owned)
            .collect()
    }

    fn value(line: &Line) -> Value {
        let mut value = serde_json::to_value(line).unwrap();
        let ts = value.as_object_mut().unwrap().remove("ts").unwrap();
        assert_eq!(ts.as_str().unwrap().len(), "2026-03-02T09:30:45.250Z".len());
        value
    }

    #[test]
    fn each_line_has_the_fields_that_readers_count_on() {
        let found = Comparison {
            verdict: Verdict::CoordEmpty,
            coord: None,
            reason: None,
            rank: None,
        };
        assert_eq!(
            value(&Line::comparison("d-1", Some("alpha"), &found)),
            json!({"event": "comparison", "localJob": "alpha", "coordJob": null, "verdict": "COORD_EMPTY", "decision": "d-1"})
        );
        let found = Comparison {
            verdict: Verdict::Diverge,
            coord: Some(String::from("beta")),
            reason: Some(Reason::LockHeld),
            rank: Some(2),
        };
        assert_eq!(
            value(&Line::comparison("d-2", Some("alpha"), &found)),
            json!({"event": "comparison", "localJob": "alpha", "coordJob": "beta", "verdict": "DIVERGE",
                "decision": "d-2", "reason": "lock_held", "rank": 2})
        );
        assert_eq!(
            value(&Line::skipped("d-3", None, Skip::ViewGap)),
            json!({"event": "skipped", "localJob": null, "coordJob": null, "verdict": null, "decision": "d-3", "reason": "view-gap"})
        );
        let failure = Failure::indefinite(FailureKind::Status(503), "busy\n");
        assert_eq!(
            value(&Line::error("shadow.report", None, Some("alpha"), &failure)),
            json!({"event": "shadow-error", "localJob": "alpha", "coordJob": null, "verdict": null, "decision": null,
                "operation": "shadow.report", "kind": "status-503", "status": 503, "detail": "busy\\n"})
        );
        assert_eq!(
            value(&Line::lease(Event::LeaseLeaked, Some("a"), "lease-9", "refused")),
            json!({"event": "lease-leaked", "localJob": null, "coordJob": "a", "verdict": null, "decision": null,
                "lease": "lease-9", "detail": "refused"})
        );
    }

    #[test]
    fn a_torn_tail_is_closed_off_and_whole_lines_are_left_alone() {
        let (_folder, log) = queue();
        fs::write(&log.path, "{\"verdict\":\"AGR").unwrap();
        log.append(&Line::skipped("d-1", None, Skip::Exit));
        log.append(&Line::skipped("d-2", None, Skip::Exit));
        let lines = lines(&log);
        assert_eq!(lines.len(), 3);
        assert_eq!(lines[0], "{\"verdict\":\"AGR");
        assert!(lines[1].contains("d-1") && lines[2].contains("d-2"));
        assert_eq!(log.lost.get(), 0);
    }

    #[test]
    fn what_is_no_file_is_never_written_to_and_never_waited_for() {
        for place in ["pipe", "link", "folder", "nowhere"] {
            let (folder, log) = queue();
            match place {
                "pipe" => rustix::fs::mkfifoat(rustix::fs::CWD, &log.path, rustix::fs::Mode::RWXU).unwrap(),
                "link" => std::os::unix::fs::symlink("/dev/full", &log.path).unwrap(),
                "folder" => fs::create_dir(&log.path).unwrap(),
                _ => fs::remove_dir(folder.path().join(".state")).unwrap(),
            }
            log.append(&Line::skipped("d-1", None, Skip::Exit));
            assert_eq!(log.lost.get(), 1, "{place}");
        }
    }

    #[test]
    fn writers_at_the_same_time_tear_no_line() {
        let (folder, log) = queue();
        let queue = folder.path();
        std::thread::scope(|scope| {
            for writer in 0..8 {
                scope.spawn(move || {
                    let log = Log::new(queue);
                    for count in 0..100 {
                        log.append(&Line::skipped(
                            &format!("{writer}-{count}"),
                            Some("alpha"),
                            Skip::Exit,
                        ));
                    }
                });
            }
        });
        let mut decisions: Vec<String> = lines(&log)
            .iter()
            .map(|line| {
                serde_json::from_str::<Value>(line).unwrap()["decision"]
                    .as_str()
                    .unwrap()
                    .to_owned()
            })
            .collect();
        decisions.sort();
        decisions.dedup();
        assert_eq!(decisions.len(), 800);
    }
}
