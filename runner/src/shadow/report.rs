//! What shadow logs amount to (clauses ): read twice from front to end, in bounded memory.
//!
//! The first reading finds which evidence there is and what people wrote into the logs, the second counts the evidence
//! that was asked for. It returns figures; `cli` shows them, and `gate` decides by them. Lines that can't be read are
//! counted, never fatal: a log is written by several processes and may be cut by a crash.

mod epoch_index;
mod line_meaning;
pub(crate) mod log_record;
mod shadow_figures;

use std::collections::{BTreeMap, BTreeSet};
use std::io::{self, Read, Seek};

use jiff::Timestamp;
use jiff::civil::Date;
use jiff::tz::TimeZone;
use serde::Serialize;

use super::decision_stratum::{DecisionTally, StratumSelector};
pub(crate) use epoch_index::{AcknowledgedAnswer, EpochSummary, OperatorNote};
use epoch_index::{EpochIndex, EpochKey, EpochTracker};
use line_meaning::{LineMeaning, LineReader, is_harmful};
use log_record::{LogEntry, MergedLogs, ShadowLogRecord};
use shadow_figures::FiguresCounter;
#[cfg(test)]
pub(crate) use shadow_figures::{AgreementRate, CoverageRate, UncomparedRun, VerdictCounts};
pub(crate) use shadow_figures::{EvidencePart, ShadowFigures};

/// What is asked of the logs.
#[derive(Debug, Clone)]
pub(crate) struct ReportQuestion {
    /// How many of the last comparisons that did not agree are kept.
    pub(crate) last: usize,
    pub(crate) since: Option<Timestamp>,
    pub(crate) epoch: Option<String>,
    /// What is left out beside what the logs say is.
    pub(crate) left_out: Option<StratumSelector>,
    /// The agreement that the alarm is about.
    pub(crate) agreement_min: f64,
    /// What is later than this has no true time.
    pub(crate) now: Timestamp,
    /// Whose days count.
    pub(crate) zone: TimeZone,
}

/// The figures of the evidence that was asked for, and what else there is.
#[derive(Debug, Default, Serialize)]
pub(crate) struct ShadowReport {
    #[serde(flatten)]
    pub(crate) figures: ShadowFigures,
    pub(crate) epochs: Vec<EpochSummary>,
    pub(crate) acknowledgements: Vec<AcknowledgedAnswer>,
    pub(crate) restarts: Vec<OperatorNote>,
    #[serde(rename = "leftOut")]
    pub(crate) left_out: Vec<OperatorNote>,
    /// The decisions of each day, those of the evidence that was not asked for included.
    #[serde(skip)]
    pub(crate) days: BTreeMap<Date, DecisionTally>,
}

/// Reads logs, each as its parts.
///
/// # Errors
/// A log could not be read to its end.
pub(crate) fn summarize<R: Read + Seek>(
    logs: &mut [Vec<R>],
    question: &ReportQuestion,
) -> io::Result<ShadowReport> {
    let index = index(logs, question)?;
    let chosen = index.chosen(question.epoch.as_deref());
    let mut counter = FiguresCounter::new(question, &index, &chosen);
    each_line(logs, question, |line| match line {
        ReadLine::Unreadable => counter.unreadable(),
        ReadLine::Read {
            entry,
            record,
            meaning,
            key,
        } => {
            counter.line();
            if chosen.contains(&key) && question.asks_for(entry.at, &meaning) {
                counter.count(entry.at, record, meaning);
            }
        }
    })?;
    let left_out = index.left_out.iter();
    Ok(ShadowReport {
        figures: counter.finish(part(question, &index, &chosen)),
        epochs: index.summaries(),
        left_out: left_out
            .filter(|(key, _)| chosen.contains(key))
            .map(|(_, note)| note.clone())
            .collect(),
        acknowledgements: index.acknowledgements.into_values().collect(),
        restarts: index.restarts,
        days: index.days,
    })
}

/// Whether a part of a log holds an answer that would have done harm.
pub(crate) fn has_harm<R: Read + Seek>(part: R, now: Timestamp) -> io::Result<bool> {
    let mut logs = [vec![part]];
    let mut entries = MergedLogs::start(&mut logs, now)?;
    let mut reader = LineReader::default();
    while let Some(entry) = entries.next_entry(now)? {
        let Some(record) = entry.record else { continue };
        match reader.meaning("", &record) {
            Some(LineMeaning::Compared(verdict)) if is_harmful(verdict, &record) => return Ok(true),
            Some(LineMeaning::StrayLease) => return Ok(true),
            _ => {}
        }
    }
    Ok(false)
}

/// The outcome of one decision, or the line about one lease; the last one if there are several.
pub(crate) fn find<R: Read + Seek>(
    logs: &mut [Vec<R>],
    id: &str,
    now: Timestamp,
) -> io::Result<Option<ShadowLogRecord>> {
    let mut entries = MergedLogs::start(logs, now)?;
    let mut found = None;
    while let Some(entry) = entries.next_entry(now)? {
        let is_it = |record: &ShadowLogRecord| {
            let ids = [&record.decision, &record.lease];
            ids.into_iter().flatten().any(|known| known == id)
        };
        found = entry.record.filter(is_it).or(found);
    }
    Ok(found)
}

impl ReportQuestion {
    /// All of the present evidence, asked on a day after those of the tests' logs.
    #[cfg(test)]
    pub(crate) fn whole() -> ReportQuestion {
        ReportQuestion {
            last: 10,
            since: None,
            epoch: None,
            left_out: None,
            agreement_min: 0.99,
            now: Timestamp::constant(1_780_315_200, 0),
            zone: TimeZone::UTC,
        }
    }

    /// Whether the line is of the time that was asked for; one without a time is so if no time was.
    fn asks_for(&self, at: Option<Timestamp>, meaning: &LineMeaning) -> bool {
        let is_about_time = !matches!(meaning, LineMeaning::Acknowledged);
        match self.since {
            Some(since) if is_about_time => at.is_some_and(|at| at >= since),
            _ => true,
        }
    }
}

/// A line of the logs, and what it says.
enum ReadLine<'a> {
    Unreadable,
    Read {
        entry: &'a LogEntry,
        record: &'a ShadowLogRecord,
        meaning: LineMeaning,
        key: EpochKey,
    },
}

fn each_line<R: Read + Seek>(
    logs: &mut [Vec<R>],
    question: &ReportQuestion,
    mut handle: impl FnMut(ReadLine<'_>),
) -> io::Result<()> {
    let mut entries = MergedLogs::start(logs, question.now)?;
    let (mut tracker, mut reader) = (EpochTracker::default(), LineReader::default());
    while let Some(entry) = entries.next_entry(question.now)? {
        let Some(record) = &entry.record else {
            handle(ReadLine::Unreadable);
            continue;
        };
        let key = tracker.place(entry.log, record);
        let Some(meaning) = reader.meaning(&key.factory, record) else {
            handle(ReadLine::Unreadable);
            continue;
        };
        tracker.note(entry.log, &meaning);
        handle(ReadLine::Read {
            entry: &entry,
            record,
            meaning,
            key,
        });
    }
    Ok(())
}

fn index<R: Read + Seek>(logs: &mut [Vec<R>], question: &ReportQuestion) -> io::Result<EpochIndex> {
    let mut index = EpochIndex::default();
    each_line(logs, question, |line| {
        if let ReadLine::Read {
            entry,
            record,
            meaning,
            key,
        } = line
        {
            index.note(entry, record, &meaning, key, question);
        }
    })?;
    Ok(index)
}

/// Whether it is all of the present evidence, or else which part of it.
fn part(question: &ReportQuestion, index: &EpochIndex, chosen: &BTreeSet<EpochKey>) -> EvidencePart {
    match (&question.since, &question.epoch) {
        (Some(since), _) => EvidencePart::Chosen(format!("what is from {since} on")),
        (None, Some(epoch)) if !index.is_current(chosen) => {
            EvidencePart::Chosen(format!("the epoch {epoch}"))
        }
        _ => EvidencePart::Whole,
    }
}

#[cfg(test)]
mod epoch_tests;
#[cfg(test)]
mod tests;
