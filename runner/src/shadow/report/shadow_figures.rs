//! The figures of the evidence that was asked for, as `--json` prints them.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use jiff::Timestamp;
use jiff::civil::Date;
use jiff::tz::TimeZone;
use serde::Serialize;

use super::ReportQuestion;
use super::epoch_index::{EpochIndex, EpochKey};
use super::line_meaning::{LineMeaning, agrees, is_harmful};
use super::log_record::ShadowLogRecord;
use crate::fleet::call_failure::shown_once;
use crate::shadow::change_alarm::ChangeAlarm;
use crate::shadow::comparison::{ComparisonVerdict, DivergenceReason};
use crate::shadow::decision_stratum::{DecisionStratum, DecisionTally, StratumSelector, count_on_day};
use crate::shadow::observation_span::ObservationSpan;

/// There are fewer kinds and reasons than this; what goes beyond is counted together.
pub(super) const NAMES_MAX: usize = 64;
/// Why comparing ends until somebody does something about it. Any other trouble may pass by itself.
const STOPPED: [&str; 4] = ["unsupported", "stopped", "status-401", "status-403"];

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
    /// Of the logs, whatever part of them was asked for.
    pub(crate) lines: LineCounts,
    /// How many parts of the logs were pruned: what they held is in none of these figures.
    pub(crate) pruned_parts: u64,
    /// Answers that would have done harm, and that nobody acknowledged.
    pub(crate) harmful: u64,
    /// Disagreements and leases that a person acknowledged.
    pub(crate) acknowledged: u64,
    /// What the counted decisions say in the order of the log.
    #[serde(skip)]
    pub(crate) alarm: ChangeAlarm,
    /// From when to when the counted decisions are.
    #[serde(skip)]
    pub(crate) span: ObservationSpan,
    /// The decisions in which a job was picked here, by the kind of job.
    #[serde(skip)]
    pub(crate) strata: BTreeMap<DecisionStratum, DecisionTally>,
    /// The decisions of each day.
    #[serde(skip)]
    pub(crate) days: BTreeMap<Date, DecisionTally>,
    /// The decisions since the last one that was compared, for which comparing had ended.
    #[serde(skip)]
    pub(crate) uncompared: UncomparedRun,
    #[serde(skip)]
    pub(crate) left_out: Vec<StratumSelector>,
    #[serde(skip)]
    pub(crate) part: EvidencePart,
    /// The last comparisons in which the two did not agree, oldest first.
    pub(crate) divergences: VecDeque<LoggedDivergence>,
}

impl ShadowFigures {
    /// How many divergences have this reason.
    pub(crate) fn diverged_by(&self, reason: DivergenceReason) -> u64 {
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

/// Decisions without a verdict since comparing ended.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct UncomparedRun {
    pub(crate) run: u64,
    /// Of the last one.
    pub(crate) why: String,
}

/// Whether all of the present evidence was counted.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) enum EvidencePart {
    #[default]
    Whole,
    /// This part of it, for people.
    Chosen(String),
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct LoggedDivergence {
    pub(crate) ts: String,
    pub(crate) local_job: Option<String>,
    pub(crate) coord_job: Option<String>,
    pub(crate) verdict: ComparisonVerdict,
    pub(crate) reason: Option<String>,
    pub(crate) decision: Option<String>,
}

pub(super) struct FiguresCounter<'a> {
    figures: ShadowFigures,
    last: usize,
    zone: &'a TimeZone,
    index: &'a EpochIndex,
}

impl<'a> FiguresCounter<'a> {
    pub(super) fn new(
        question: &'a ReportQuestion,
        index: &'a EpochIndex,
        chosen: &BTreeSet<EpochKey>,
    ) -> FiguresCounter<'a> {
        let noted = index.left_out.iter().filter(|(key, _)| chosen.contains(key));
        let noted = noted.filter_map(|(_, note)| StratumSelector::parse(&note.text).ok());
        let figures = ShadowFigures {
            alarm: ChangeAlarm::new(question.agreement_min),
            left_out: noted.chain(question.left_out.clone()).collect(),
            ..ShadowFigures::default()
        };
        FiguresCounter {
            figures,
            last: question.last,
            zone: &question.zone,
            index,
        }
    }

    pub(super) fn line(&mut self) {
        self.figures.lines.read += 1;
    }

    pub(super) fn unreadable(&mut self) {
        self.figures.lines.read += 1;
        self.figures.lines.unreadable += 1;
    }

    /// Takes in a line of the evidence that was asked for.
    pub(super) fn count(&mut self, at: Option<Timestamp>, record: &ShadowLogRecord, meaning: LineMeaning) {
        let figures = &mut self.figures;
        match meaning {
            LineMeaning::Compared(verdict) => self.compared(at, verdict, record),
            LineMeaning::Failed { kind, is_decision } => {
                count(&mut figures.errors, &kind, 1);
                if is_decision {
                    figures.uncompared(1, &kind);
                }
            }
            LineMeaning::Uncompared { decisions, why } => {
                count(&mut figures.skipped, &why, decisions);
                figures.uncompared(decisions, &why);
            }
            LineMeaning::StrayLease => match self.is_acknowledged(record.lease.as_deref()) {
                true => self.figures.acknowledged += 1,
                false => self.figures.harmful += 1,
            },
            LineMeaning::Repeated
            | LineMeaning::Acknowledged
            | LineMeaning::Restarted
            | LineMeaning::LeftOut
            | LineMeaning::Note => {}
        }
    }

    fn compared(&mut self, at: Option<Timestamp>, verdict: ComparisonVerdict, record: &ShadowLogRecord) {
        let agrees = agrees(verdict, record);
        let is_acknowledged = !agrees && self.is_acknowledged(record.decision.as_deref());
        let figures = &mut self.figures;
        figures.uncompared = UncomparedRun::default();
        figures.acknowledged += u64::from(is_acknowledged);
        figures.harmful += u64::from(is_harmful(verdict, record) && !is_acknowledged);
        figures.alarm.note(agrees);
        if let Some(at) = at {
            figures.span.note(at);
        }
        count_on_day(&mut figures.days, at, self.zone, agrees);
        if record.local_job.is_some() {
            figures.stratum(record).count(agrees);
        }
        let verdicts = &mut figures.verdicts;
        *match verdict {
            ComparisonVerdict::Agree => &mut verdicts.agree,
            ComparisonVerdict::Diverge => &mut verdicts.diverge,
            ComparisonVerdict::CoordEmpty => &mut verdicts.coord_empty,
            ComparisonVerdict::LocalEmpty => &mut verdicts.local_empty,
        } += 1;
        if let (ComparisonVerdict::Diverge, Some(reason)) = (verdict, &record.reason) {
            count(&mut figures.reasons, reason, 1);
        }
        if verdict != ComparisonVerdict::Agree {
            self.keep(verdict, record);
        }
    }

    fn is_acknowledged(&self, id: Option<&str>) -> bool {
        let found = id.and_then(|id| self.index.acknowledgements.get(id));
        found.is_some_and(|found| found.counts)
    }

    fn keep(&mut self, verdict: ComparisonVerdict, record: &ShadowLogRecord) {
        let cut = |text: &Option<String>| text.as_deref().map(shown_once);
        self.figures.divergences.push_back(LoggedDivergence {
            ts: cut(&record.ts).unwrap_or_default(),
            local_job: cut(&record.local_job),
            coord_job: cut(&record.coord_job),
            verdict,
            reason: cut(&record.reason),
            decision: cut(&record.decision),
        });
        if self.figures.divergences.len() > self.last {
            self.figures.divergences.pop_front();
        }
    }

    pub(super) fn finish(self, part: EvidencePart) -> ShadowFigures {
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
        figures.part = part;
        figures
    }
}

impl ShadowFigures {
    /// Decisions without a verdict.
    fn uncompared(&mut self, decisions: u64, why: &str) {
        self.coverage.of = self.coverage.of.saturating_add(decisions);
        if STOPPED.contains(&why) {
            self.uncompared.run = self.uncompared.run.saturating_add(decisions);
            self.uncompared.why = why.to_owned();
        }
    }

    /// Where a decision counts; beyond the limit there is one place for all.
    fn stratum(&mut self, record: &ShadowLogRecord) -> &mut DecisionTally {
        let engine = record.engine.as_deref().map(shown_once);
        let stratum = DecisionStratum {
            lock: record.lock.filter(|_| engine.is_some()),
            engine,
        };
        let is_known = self.strata.contains_key(&stratum) || self.strata.len() < NAMES_MAX;
        let stratum = if is_known {
            stratum
        } else {
            DecisionStratum::default()
        };
        self.strata.entry(stratum).or_default()
    }
}

/// None of none is no rate at all.
fn rate(part: u64, of: u64) -> Option<f64> {
    (of > 0).then(|| part as f64 / of as f64)
}

fn count(counts: &mut BTreeMap<String, u64>, name: &str, by: u64) {
    let known = counts.contains_key(name) || counts.len() < NAMES_MAX;
    let name = if known {
        shown_once(name)
    } else {
        String::from("(more)")
    };
    let counted = counts.entry(name).or_default();
    *counted = counted.saturating_add(by);
}
