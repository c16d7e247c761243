//! What a shadow log amounts to (clauses ): read once from front to end, in bounded memory.
//!
//! It returns figures; `cli` shows them, and `gate` decides by them. Lines that can't be read are counted, never
//! fatal: the log is written by several processes and may be cut by a crash.

use std::collections::{BTreeMap, VecDeque};
use std::io::{self, BufRead};

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::change_alarm::ChangeAlarm;
use super::comparison::{ComparisonVerdict, DivergenceReason};
use super::log::line::ShadowLogEvent;
use super::observation_span::ObservationSpan;
use crate::fleet::call_failure::shown;

/// Longer than any line that is written here.
const LINE_BYTES_MAX: usize = 64 * 1024;
/// There are fewer kinds and reasons than this; what goes beyond is counted together.
const NAMES_MAX: usize = 64;

/// The figures of one log, as `--json` prints them.
#[derive(Debug, Default, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct ShadowFigures {
    pub(crate) verdicts: VerdictCounts,
    /// How many divergences have which reason.
    pub(crate) reasons: BTreeMap<String, u64>,
    pub(crate) errors: BTreeMap<String, u64>,
    pub(crate) skipped: BTreeMap<String, u64>,
    pub(crate) agreement: AgreementRate,
    pub(crate) coverage: CoverageRate,
    pub(crate) lines: LineCounts,
    /// How many parts of the log were pruned: what they held is in none of these figures.
    pub(crate) pruned_parts: u64,
    /// Dry runs that were answered with a lease.
    #[serde(skip)]
    pub(crate) stray_leases: u64,
    /// What the counted decisions say in the order of the log.
    #[serde(skip)]
    pub(crate) alarm: ChangeAlarm,
    /// From when to when the counted decisions are.
    #[serde(skip)]
    pub(crate) span: ObservationSpan,
    /// The last comparisons in which the two did not agree, oldest first.
    pub(crate) divergences: VecDeque<LoggedDivergence>,
}

impl ShadowFigures {
    /// How many divergences have this reason.
    pub(super) fn diverged_by(&self, reason: DivergenceReason) -> u64 {
        self.reasons.get(&reason.to_string()).copied().unwrap_or(0)
    }
}

#[derive(Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub(crate) struct VerdictCounts {
    pub(crate) agree: u64,
    pub(crate) diverge: u64,
    pub(crate) coord_empty: u64,
    pub(crate) local_empty: u64,
}

#[derive(Debug, Default, PartialEq, Serialize)]
pub(crate) struct AgreementRate {
    pub(crate) agree: u64,
    pub(crate) of: u64,
    /// None where nothing was compared: no data is no agreement.
    pub(crate) rate: Option<f64>,
}

/// How many of the decisions could be compared.
#[derive(Debug, Default, PartialEq, Serialize)]
pub(crate) struct CoverageRate {
    pub(crate) compared: u64,
    pub(crate) of: u64,
    pub(crate) rate: Option<f64>,
}

#[derive(Debug, Default, PartialEq, Eq, Serialize)]
pub(crate) struct LineCounts {
    pub(crate) read: u64,
    pub(crate) unreadable: u64,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct LoggedDivergence {
    pub(crate) ts: String,
    pub(crate) local_job: Option<String>,
    pub(crate) coord_job: Option<String>,
    pub(crate) verdict: ComparisonVerdict,
    pub(crate) reason: Option<String>,
}

/// A line as far as it counts; whatever else it holds is passed over.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct ShadowLogRecord {
    ts: Option<String>,
    event: Option<ShadowLogEvent>,
    local_job: Option<String>,
    coord_job: Option<String>,
    verdict: Option<ComparisonVerdict>,
    decision: Option<String>,
    reason: Option<String>,
    operation: Option<String>,
    kind: Option<String>,
    decisions: Option<u64>,
}

/// Reads a whole log, part by part; keeps the `last` comparisons that did not agree. What is later than `now` has no true
/// time.
///
/// # Errors
/// The log could not be read to its end.
pub(crate) fn summarize(
    parts: impl IntoIterator<Item = impl BufRead>,
    last: usize,
    now: Timestamp,
) -> io::Result<ShadowFigures> {
    let mut reader = ShadowLogReader {
        figures: ShadowFigures::default(),
        last,
        now,
        offer_while_idle: None,
    };
    for part in parts {
        for_each_line(part, |line| reader.line(line))?;
    }
    Ok(reader.finish())
}

struct ShadowLogReader {
    figures: ShadowFigures,
    last: usize,
    now: Timestamp,
    /// What the coordinator offered when nothing was picked here, until something is.
    offer_while_idle: Option<String>,
}

impl ShadowLogReader {
    fn line(&mut self, line: Option<&[u8]>) {
        let record = line.and_then(|line| serde_json::from_slice::<ShadowLogRecord>(line).ok());
        if let Some(record) = &record
            && record.event == Some(ShadowLogEvent::Continues)
        {
            return;
        }
        self.figures.lines.read += 1;
        if record.and_then(|record| self.record(record)).is_none() {
            self.figures.lines.unreadable += 1;
        }
    }

    /// Counts a line; none if it is not one of this log's.
    fn record(&mut self, record: ShadowLogRecord) -> Option<()> {
        match (record.event, record.verdict) {
            (Some(ShadowLogEvent::Comparison) | None, Some(verdict)) => self.comparison(verdict, record),
            (Some(ShadowLogEvent::ShadowError), None) => {
                count(&mut self.figures.errors, record.kind.as_deref()?, 1);
                if record.decision.is_some() || record.operation.as_deref() == Some("shadow.claim") {
                    self.uncompared(&record, 1);
                }
            }
            (Some(ShadowLogEvent::Skipped), None) => {
                let decisions = record.decisions.unwrap_or(1);
                count(&mut self.figures.skipped, record.reason.as_deref()?, decisions);
                self.uncompared(&record, decisions);
            }
            (Some(ShadowLogEvent::DryRunNotHonoured), None) => self.figures.stray_leases += 1,
            (Some(ShadowLogEvent::ReportDivergence), None) => {}
            (Some(ShadowLogEvent::DryRunUnsupported | ShadowLogEvent::LeaseLeaked), None) => {}
            _ => return None,
        }
        Some(())
    }

    fn comparison(&mut self, verdict: ComparisonVerdict, record: ShadowLogRecord) {
        if verdict == ComparisonVerdict::LocalEmpty {
            let offer = record.coord_job.clone();
            if offer == self.offer_while_idle {
                return;
            }
            self.offer_while_idle = offer;
        } else {
            self.offer_while_idle = None;
        }
        let agrees = match verdict {
            ComparisonVerdict::Agree => true,
            ComparisonVerdict::Diverge => record.reason == Some(DivergenceReason::Tie.to_string()),
            ComparisonVerdict::CoordEmpty | ComparisonVerdict::LocalEmpty => false,
        };
        self.figures.alarm.note(agrees);
        self.figures.span.note(record.ts.as_deref(), self.now);
        let verdicts = &mut self.figures.verdicts;
        *match verdict {
            ComparisonVerdict::Agree => &mut verdicts.agree,
            ComparisonVerdict::Diverge => &mut verdicts.diverge,
            ComparisonVerdict::CoordEmpty => &mut verdicts.coord_empty,
            ComparisonVerdict::LocalEmpty => &mut verdicts.local_empty,
        } += 1;
        if let (ComparisonVerdict::Diverge, Some(reason)) = (verdict, &record.reason) {
            count(&mut self.figures.reasons, reason, 1);
        }
        if verdict != ComparisonVerdict::Agree {
            self.keep(verdict, record);
        }
    }

    fn keep(&mut self, verdict: ComparisonVerdict, record: ShadowLogRecord) {
        let cut = |text: Option<String>| text.as_deref().map(shown_again);
        self.figures.divergences.push_back(LoggedDivergence {
            ts: cut(record.ts).unwrap_or_default(),
            local_job: cut(record.local_job),
            coord_job: cut(record.coord_job),
            verdict,
            reason: cut(record.reason),
        });
        if self.figures.divergences.len() > self.last {
            self.figures.divergences.pop_front();
        }
    }

    /// A decision without a verdict. If a job was picked, the idle situation before it is over all the same.
    fn uncompared(&mut self, record: &ShadowLogRecord, decisions: u64) {
        self.figures.coverage.of = self.figures.coverage.of.saturating_add(decisions);
        if record.local_job.is_some() {
            self.offer_while_idle = None;
        }
    }

    fn finish(self) -> ShadowFigures {
        let mut figures = self.figures;
        let (verdicts, agree) = (&figures.verdicts, figures.verdicts.agree);
        let compared = agree + verdicts.diverge + verdicts.coord_empty + verdicts.local_empty;
        let of = figures.coverage.of.saturating_add(compared);
        figures.agreement = AgreementRate {
            agree,
            of: compared,
            rate: rate(agree, compared),
        };
        figures.coverage = CoverageRate {
            compared,
            of,
            rate: rate(compared, of),
        };
        figures
    }
}

/// None of none is no rate at all.
fn rate(part: u64, of: u64) -> Option<f64> {
    (of > 0).then(|| part as f64 / of as f64)
}

fn count(counts: &mut BTreeMap<String, u64>, name: &str, by: u64) {
    let known = counts.contains_key(name) || counts.len() < NAMES_MAX;
    let name = if known {
        shown_again(name)
    } else {
        String::from("(more)")
    };
    let counted = counts.entry(name).or_default();
    *counted = counted.saturating_add(by);
}

/// Names are escaped when they are written; what was not is escaped now, what was is not escaped twice.
fn shown_again(text: &str) -> String {
    match text.chars().any(char::is_control) || text.chars().count() > 128 {
        true => shown(text),
        false => text.to_owned(),
    }
}

/// Hands over each line without its end; nothing for one that is too long to be one of ours.
fn for_each_line(mut log: impl BufRead, mut handle: impl FnMut(Option<&[u8]>)) -> io::Result<()> {
    let mut line = Vec::new();
    let mut too_long = false;
    loop {
        let chunk = log.fill_buf()?;
        if chunk.is_empty() {
            if !line.is_empty() || too_long {
                handle(Some(line.as_slice()).filter(|_| !too_long));
            }
            return Ok(());
        }
        let end = chunk.iter().position(|byte| *byte == b'\n');
        let part = &chunk[..end.unwrap_or(chunk.len())];
        too_long |= line.len() + part.len() > LINE_BYTES_MAX;
        if too_long {
            line.clear();
        } else {
            line.extend_from_slice(part);
        }
        let used = part.len() + usize::from(end.is_some());
        log.consume(used);
        if end.is_some() {
            handle(Some(line.as_slice()).filter(|_| !too_long));
            line.clear();
            too_long = false;
        }
    }
}

#[cfg(test)]
mod tests;
