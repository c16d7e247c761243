//! One line of a shadow log as far as it counts, and the lines of several logs in the order of their times.

use std::io::{self, BufRead, BufReader, Read, Seek};

use jiff::Timestamp;
use serde::Deserialize;

use crate::fleet::client::OfferedJob;
use crate::shadow::comparison::ComparisonVerdict;
use crate::shadow::evidence_context::LocalCandidate;
use crate::shadow::log::line::ShadowLogEvent;
use crate::shadow::observation_span::time_of_line;

/// Longer than any line that is written here.
pub(super) const LINE_BYTES_MAX: usize = 64 * 1024;

/// Whatever else a line holds is passed over.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct ShadowLogRecord {
    pub(crate) ts: Option<String>,
    pub(crate) event: Option<ShadowLogEvent>,
    pub(crate) local_job: Option<String>,
    pub(crate) coord_job: Option<String>,
    pub(crate) verdict: Option<ComparisonVerdict>,
    pub(crate) decision: Option<String>,
    pub(crate) reason: Option<String>,
    pub(crate) operation: Option<String>,
    pub(crate) kind: Option<String>,
    pub(crate) decisions: Option<u64>,
    pub(crate) lease: Option<String>,
    pub(crate) epoch: Option<String>,
    pub(crate) policy: Option<String>,
    pub(crate) factory: Option<String>,
    pub(crate) engine: Option<String>,
    pub(crate) lock: Option<bool>,
    #[serde(default)]
    pub(crate) candidates: Vec<LocalCandidate>,
    #[serde(default)]
    pub(crate) coord_candidates: Vec<OfferedJob>,
    /// The decision that a person acknowledged.
    pub(crate) acknowledges: Option<String>,
    pub(crate) until: Option<String>,
    /// The stratum that a person left out.
    pub(crate) stratum: Option<String>,
    pub(crate) detail: Option<String>,
}

/// A line, and when it was written.
#[derive(Debug)]
pub(crate) struct LogEntry {
    /// Which of the logs it is in.
    pub(crate) log: usize,
    /// None if the line tells none that can be true.
    pub(crate) at: Option<Timestamp>,
    /// None if it can't be read.
    pub(crate) record: Option<ShadowLogRecord>,
}

/// The lines of several logs, each of them read from front to end in bounded memory. A line without a time keeps its place
/// behind the one before it.
pub(crate) struct MergedLogs<'a, R> {
    logs: Vec<LogCursor<'a, R>>,
}

struct LogCursor<'a, R> {
    parts: std::slice::IterMut<'a, R>,
    current: Option<BufReader<&'a mut R>>,
    /// The time of the last line that has one.
    clock: Timestamp,
    next: Option<LogEntry>,
}

impl<'a, R: Read + Seek> MergedLogs<'a, R> {
    /// Each log as its parts, oldest first. `now`: what is later has no true time.
    pub(crate) fn start(logs: &'a mut [Vec<R>], now: Timestamp) -> io::Result<MergedLogs<'a, R>> {
        let cursors = logs.iter_mut().enumerate().map(|(log, parts)| {
            for part in parts.iter_mut() {
                part.rewind()?;
            }
            let mut cursor = LogCursor {
                parts: parts.iter_mut(),
                current: None,
                clock: Timestamp::MIN,
                next: None,
            };
            cursor.advance(log, now)?;
            Ok(cursor)
        });
        Ok(MergedLogs {
            logs: cursors.collect::<io::Result<_>>()?,
        })
    }

    pub(crate) fn next_entry(&mut self, now: Timestamp) -> io::Result<Option<LogEntry>> {
        let waiting = self.logs.iter().enumerate();
        let first = waiting
            .filter(|(_, cursor)| cursor.next.is_some())
            .min_by_key(|(_, cursor)| cursor.clock)
            .map(|(log, _)| log);
        let Some(log) = first else {
            return Ok(None);
        };
        let entry = self.logs[log].next.take();
        self.logs[log].advance(log, now)?;
        Ok(entry)
    }
}

impl<R: Read + Seek> LogCursor<'_, R> {
    fn advance(&mut self, log: usize, now: Timestamp) -> io::Result<()> {
        while let Some(line) = self.line()? {
            let record = line.and_then(|line| serde_json::from_slice::<ShadowLogRecord>(&line).ok());
            if record
                .as_ref()
                .is_some_and(|record| record.event == Some(ShadowLogEvent::Continues))
            {
                continue;
            }
            let ts = record.as_ref().and_then(|record| record.ts.as_deref());
            let at = time_of_line(ts, now);
            self.clock = at.unwrap_or(self.clock);
            self.next = Some(LogEntry { log, at, record });
            return Ok(());
        }
        self.next = None;
        Ok(())
    }

    /// The next line without its end, and nothing of one that is too long to be one of ours; none at the end of the log.
    fn line(&mut self) -> io::Result<Option<Option<Vec<u8>>>> {
        loop {
            if self.current.is_none() {
                let Some(part) = self.parts.next() else {
                    return Ok(None);
                };
                self.current = Some(BufReader::new(part));
            }
            if let Some(reader) = &mut self.current
                && let Some(line) = bounded_line(reader)?
            {
                return Ok(Some(line));
            }
            self.current = None;
        }
    }
}

/// None at the end; nothing within for a line that is too long.
fn bounded_line(reader: &mut impl BufRead) -> io::Result<Option<Option<Vec<u8>>>> {
    let mut line = Vec::new();
    let (mut is_too_long, mut has_begun) = (false, false);
    loop {
        let chunk = reader.fill_buf()?;
        if chunk.is_empty() {
            return Ok(has_begun.then(|| Some(line).filter(|_| !is_too_long)));
        }
        has_begun = true;
        let end = chunk.iter().position(|byte| *byte == b'\n');
        let part = &chunk[..end.unwrap_or(chunk.len())];
        is_too_long |= line.len() + part.len() > LINE_BYTES_MAX;
        match is_too_long {
            true => line.clear(),
            false => line.extend_from_slice(part),
        }
        let used = part.len() + usize::from(end.is_some());
        reader.consume(used);
        if end.is_some() {
            return Ok(Some(Some(line).filter(|_| !is_too_long)));
        }
    }
}
