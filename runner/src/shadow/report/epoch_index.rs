//! Which evidence there is: the epochs of each factory, and which of them is the present one (clause R-4).
//!
//! An epoch that comes back goes on. What a person wrote into the log (acknowledged, restarted, left out) is found here
//! too, as it counts for lines before it.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use jiff::civil::Date;
use jiff::tz::TimeZone;
use serde::Serialize;

use super::ReportQuestion;
use super::line_meaning::{LineMeaning, agrees, is_harmful};
use super::log_record::{LogEntry, ShadowLogRecord};
use crate::fleet::call_failure::shown_once;
use crate::fleet::wire::instant;
use crate::shadow::comparison::ComparisonVerdict;
use crate::shadow::decision_stratum::{DecisionTally, count_on_day};

/// Lines without one are of a runner that tells none.
const UNKNOWN: &str = "unknown";
const EPOCHS_MAX: usize = 256;
const NOTES_MAX: usize = 10_000;

/// One kind of evidence: of one factory, and since one restart.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct EpochKey {
    pub(crate) factory: String,
    pub(crate) epoch: String,
    /// How often the observation was begun anew by hand before it.
    pub(crate) restarts: u64,
}

/// Says of each line of the logs which epoch it belongs to.
#[derive(Debug, Default)]
pub(crate) struct EpochTracker {
    logs: BTreeMap<usize, TrackedLog>,
}

/// Where one log is.
#[derive(Debug, Default)]
struct TrackedLog {
    factory: Option<String>,
    /// The last epoch of each factory.
    epochs: BTreeMap<String, String>,
    restarts: u64,
}

impl EpochTracker {
    pub(crate) fn place(&mut self, log: usize, record: &ShadowLogRecord) -> EpochKey {
        let log = self.logs.entry(log).or_default();
        if let Some(factory) = &record.factory {
            log.factory = Some(factory.clone());
        }
        let factory = log.factory.clone().unwrap_or_default();
        let epoch = match &record.epoch {
            Some(epoch) => {
                if log.epochs.len() < EPOCHS_MAX || log.epochs.contains_key(&factory) {
                    log.epochs.insert(factory.clone(), epoch.clone());
                }
                epoch.clone()
            }
            None => log
                .epochs
                .get(&factory)
                .cloned()
                .unwrap_or_else(|| UNKNOWN.to_owned()),
        };
        EpochKey {
            factory,
            epoch,
            restarts: log.restarts,
        }
    }

    /// Takes in that an observation was begun anew.
    pub(crate) fn note(&mut self, log: usize, meaning: &LineMeaning) {
        if *meaning == LineMeaning::Restarted {
            self.logs.entry(log).or_default().restarts += 1;
        }
    }
}

/// What is known of one epoch.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct EpochSummary {
    pub(crate) factory: String,
    pub(crate) epoch: String,
    /// The coordinator's policy and version, as it told them last.
    pub(crate) policy: Option<String>,
    pub(crate) restarts: u64,
    pub(crate) first: Option<String>,
    pub(crate) last: Option<String>,
    pub(crate) agree: u64,
    pub(crate) of: u64,
    pub(crate) harmful: u64,
    pub(crate) is_current: bool,
}

/// An answer that a person has taken the responsibility for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct AcknowledgedAnswer {
    pub(crate) decision: String,
    pub(crate) reason: String,
    /// The last day on which it counts.
    pub(crate) until: Option<Date>,
    pub(crate) at: Option<String>,
    pub(crate) counts: bool,
}

/// What a person wrote into the log.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct OperatorNote {
    pub(crate) at: Option<String>,
    pub(crate) text: String,
}

/// All of it.
#[derive(Debug, Default)]
pub(crate) struct EpochIndex {
    epochs: BTreeMap<EpochKey, EpochSummary>,
    /// When each was seen last, by the number of the line.
    seen: BTreeMap<EpochKey, u64>,
    lines: u64,
    /// Where each factory is now, and which of the logs says so.
    current: BTreeMap<String, (usize, EpochKey)>,
    /// The decisions of each day, whatever their epoch.
    pub(crate) days: BTreeMap<Date, DecisionTally>,
    pub(crate) acknowledgements: BTreeMap<String, AcknowledgedAnswer>,
    pub(crate) restarts: Vec<OperatorNote>,
    /// With the epoch in which it was left out: it counts in that one.
    pub(crate) left_out: Vec<(EpochKey, OperatorNote)>,
}

impl EpochIndex {
    pub(crate) fn note(
        &mut self,
        entry: &LogEntry,
        record: &ShadowLogRecord,
        meaning: &LineMeaning,
        key: EpochKey,
        question: &ReportQuestion,
    ) {
        self.lines += 1;
        let at = entry.at.map(instant);
        let text = |field: &Option<String>| shown_once(field.as_deref().unwrap_or_default());
        match meaning {
            LineMeaning::Acknowledged if self.acknowledgements.len() < NOTES_MAX => {
                let today = today(question.now, &question.zone);
                self.acknowledge(record, at, today);
            }
            LineMeaning::Restarted => {
                if self.restarts.len() < NOTES_MAX {
                    let text = text(&record.detail);
                    self.restarts.push(OperatorNote { at, text });
                }
                // All that this log holds so far is of the past.
                for (_, key) in self.current.values_mut().filter(|(log, _)| *log == entry.log) {
                    key.restarts += 1;
                }
            }
            LineMeaning::LeftOut if self.left_out.len() < NOTES_MAX => {
                let text = text(&record.stratum);
                let note = OperatorNote { at, text };
                let here = self.current.values().filter(|(log, _)| *log == entry.log);
                let noted: Vec<_> = here.map(|(_, key)| (key.clone(), note.clone())).collect();
                self.left_out.extend(noted);
            }
            LineMeaning::Repeated
            | LineMeaning::Failed { .. }
            | LineMeaning::Uncompared { .. }
            | LineMeaning::StrayLease => {
                self.current.insert(key.factory.clone(), (entry.log, key));
            }
            LineMeaning::Compared(verdict) => {
                count_on_day(&mut self.days, entry.at, &question.zone, agrees(*verdict, record));
                self.compared(entry.log, record, *verdict, key, at);
            }
            _ => {}
        }
    }

    fn acknowledge(&mut self, record: &ShadowLogRecord, at: Option<String>, today: Date) {
        let decision = record.acknowledges.clone().unwrap_or_default();
        // What can't be read as a day was none that `aq` wrote, and is over.
        let until = record.until.as_ref();
        let until = until.map(|until| until.parse().unwrap_or(Date::MIN));
        let answer = AcknowledgedAnswer {
            decision: shown_once(&decision),
            reason: shown_once(record.detail.as_deref().unwrap_or_default()),
            until,
            at,
            counts: until.is_none_or(|until| until >= today),
        };
        self.acknowledgements.insert(decision, answer);
    }

    fn compared(
        &mut self,
        log: usize,
        record: &ShadowLogRecord,
        verdict: ComparisonVerdict,
        key: EpochKey,
        at: Option<String>,
    ) {
        self.current.insert(key.factory.clone(), (log, key.clone()));
        let is_new = !self.epochs.contains_key(&key);
        let fresh = || EpochSummary::new(&key);
        let summary = self.epochs.entry(key.clone()).or_insert_with(fresh);
        summary.first = summary.first.take().or_else(|| at.clone());
        summary.last = at.or_else(|| summary.last.take());
        summary.policy = record.policy.as_deref().map(shown_once).or(summary.policy.take());
        summary.agree += u64::from(agrees(verdict, record));
        summary.of += 1;
        summary.harmful += u64::from(is_harmful(verdict, record));
        self.seen.insert(key, self.lines);
        if is_new && self.epochs.len() > EPOCHS_MAX {
            self.forget_oldest();
        }
    }

    /// The present epoch of each factory, or those of this name.
    pub(crate) fn chosen(&self, epoch: Option<&str>) -> BTreeSet<EpochKey> {
        match epoch {
            None => self.current.values().map(|(_, key)| key.clone()).collect(),
            Some(epoch) => {
                let named = self.epochs.keys().filter(|key| key.epoch == epoch);
                named.cloned().collect()
            }
        }
    }

    pub(crate) fn is_current(&self, chosen: &BTreeSet<EpochKey>) -> bool {
        *chosen == self.chosen(None)
    }

    /// In the order in which they were seen last.
    pub(crate) fn summaries(&self) -> Vec<EpochSummary> {
        let mut keys: Vec<&EpochKey> = self.epochs.keys().collect();
        keys.sort_by_key(|key| self.seen.get(*key));
        let summary = |key: &EpochKey| EpochSummary {
            is_current: self
                .current
                .get(&key.factory)
                .is_some_and(|(_, current)| current == key),
            ..self.epochs[key].clone()
        };
        keys.into_iter().map(summary).collect()
    }

    /// Nobody has had so many; what is forgotten is the one that was seen longest ago.
    fn forget_oldest(&mut self) {
        let oldest = self.seen.iter().min_by_key(|(_, line)| **line);
        if let Some(oldest) = oldest.map(|(key, _)| key.clone()) {
            self.seen.remove(&oldest);
            self.epochs.remove(&oldest);
        }
    }
}

impl EpochSummary {
    fn new(key: &EpochKey) -> EpochSummary {
        EpochSummary {
            factory: shown_once(&key.factory),
            epoch: shown_once(&key.epoch),
            policy: None,
            restarts: key.restarts,
            first: None,
            last: None,
            agree: 0,
            of: 0,
            harmful: 0,
            is_current: false,
        }
    }
}

/// The day, in the host's zone, on which a log is read.
fn today(now: Timestamp, zone: &TimeZone) -> Date {
    zone.to_datetime(now).date()
}
