//! What a line counts as. Repeats of one offer to an idle queue are one situation, and count once.

use std::collections::BTreeMap;

use super::log_record::ShadowLogRecord;
use crate::shadow::comparison::{ComparisonVerdict, DivergenceReason};
use crate::shadow::log::line::ShadowLogEvent;

/// Factories beyond this are taken for one.
const FACTORIES_MAX: usize = 256;

#[derive(Debug, PartialEq, Eq)]
pub(crate) enum LineMeaning {
    /// A decision that counts.
    Compared(ComparisonVerdict),
    /// The repeat of a situation that has been counted.
    Repeated,
    /// Decisions without a verdict, and why.
    Uncompared {
        decisions: u64,
        why: String,
    },
    /// A decision without a verdict because a call failed.
    Failed {
        kind: String,
        is_decision: bool,
    },
    /// A dry run was answered with a lease.
    StrayLease,
    Acknowledged,
    Restarted,
    LeftOut,
    /// It is this log's and counts as nothing.
    Note,
}

/// The idle situations of the factories.
#[derive(Debug, Default)]
pub(crate) struct LineReader {
    /// What the coordinator offered when nothing was picked, until something is.
    offers_while_idle: BTreeMap<String, Option<String>>,
}

impl LineReader {
    /// None if it is not one of this log's.
    pub(crate) fn meaning(&mut self, factory: &str, record: &ShadowLogRecord) -> Option<LineMeaning> {
        match (record.event, record.verdict) {
            (Some(ShadowLogEvent::Comparison) | None, Some(verdict)) => {
                let is_repeat = self.is_repeat(factory, verdict, record);
                Some(match is_repeat {
                    true => LineMeaning::Repeated,
                    false => LineMeaning::Compared(verdict),
                })
            }
            (Some(ShadowLogEvent::ShadowError), None) => {
                let is_decision =
                    record.decision.is_some() || record.operation.as_deref() == Some("shadow.claim");
                if is_decision {
                    self.end_idle(factory, record);
                }
                let kind = record.kind.clone()?;
                Some(LineMeaning::Failed { kind, is_decision })
            }
            (Some(ShadowLogEvent::Skipped), None) => {
                self.end_idle(factory, record);
                Some(LineMeaning::Uncompared {
                    decisions: record.decisions.unwrap_or(1),
                    why: record.reason.clone()?,
                })
            }
            (Some(ShadowLogEvent::DryRunNotHonoured), None) => Some(LineMeaning::StrayLease),
            (Some(ShadowLogEvent::Acknowledged), None) => Some(LineMeaning::Acknowledged),
            (Some(ShadowLogEvent::Restarted), None) => Some(LineMeaning::Restarted),
            (Some(ShadowLogEvent::LeftOut), None) => Some(LineMeaning::LeftOut),
            (
                Some(
                    ShadowLogEvent::ReportDivergence
                    | ShadowLogEvent::DryRunUnsupported
                    | ShadowLogEvent::LeaseLeaked,
                ),
                None,
            ) => Some(LineMeaning::Note),
            _ => None,
        }
    }

    fn is_repeat(&mut self, factory: &str, verdict: ComparisonVerdict, record: &ShadowLogRecord) -> bool {
        let offer = (verdict == ComparisonVerdict::LocalEmpty).then(|| record.coord_job.clone());
        let Some(offer) = offer else {
            self.offers_while_idle.remove(factory);
            return false;
        };
        if self.offers_while_idle.get(factory) == Some(&offer) {
            return true;
        }
        if self.offers_while_idle.len() < FACTORIES_MAX || self.offers_while_idle.contains_key(factory) {
            self.offers_while_idle.insert(factory.to_owned(), offer);
        }
        false
    }

    /// If a job was picked, the idle situation before it is over, also without a verdict.
    fn end_idle(&mut self, factory: &str, record: &ShadowLogRecord) {
        if record.local_job.is_some() {
            self.offers_while_idle.remove(factory);
        }
    }
}

/// Whether acting on the answer would have done harm.
pub(crate) fn is_harmful(verdict: ComparisonVerdict, record: &ShadowLogRecord) -> bool {
    let named = record.reason.as_deref().and_then(DivergenceReason::named);
    verdict == ComparisonVerdict::Diverge && named.is_some_and(DivergenceReason::is_harmful)
}

/// Whether both sides chose alike.
pub(crate) fn agrees(verdict: ComparisonVerdict, record: &ShadowLogRecord) -> bool {
    match verdict {
        ComparisonVerdict::Agree => true,
        // The rule of order does not tell the two jobs apart.
        ComparisonVerdict::Diverge => {
            record.reason.as_deref().and_then(DivergenceReason::named) == Some(DivergenceReason::Tie)
        }
        ComparisonVerdict::CoordEmpty | ComparisonVerdict::LocalEmpty => false,
    }
}
