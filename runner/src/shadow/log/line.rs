//! One line of the shadow log: what it can say, and in which fields.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::fleet::call_failure::{CallFailure, shown};
use crate::fleet::wire;
use crate::shadow::comparison::{ComparisonVerdict, DecisionComparison, DivergenceReason};
use crate::shadow::evidence_context::LineContext;

#[derive(Debug, Default, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum ShadowLogEvent {
    #[default]
    Comparison,
    ShadowError,
    Skipped,
    ReportDivergence,
    DryRunUnsupported,
    DryRunNotHonoured,
    LeaseLeaked,
    /// A person takes the responsibility for one answer.
    Acknowledged,
    /// A person began the observation anew.
    Restarted,
    /// A person left out one kind of job.
    LeftOut,
    /// The first line of a file that continues others.
    Continues,
}

impl ShadowLogEvent {
    /// As it stands in the line.
    pub(crate) const CONTINUES: &str = "continues";
}

/// Why a decision was not compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum SkipReason {
    /// The coordinator does not know of a transition, so its answer would be about another queue.
    ViewGap,
    /// There were more decisions than the lane holds.
    LaneFull,
    /// The process ended first.
    Exit,
    /// The coordinator knows no dry run.
    Unsupported,
    /// The lane stopped asking.
    Stopped,
    /// The coordinator decides from now on: there is nothing left to compare.
    Route,
}

/// The numbers of the parts that a file continues. Those of them that are not there were pruned.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct PartRange {
    pub(super) first: u64,
    pub(super) last: u64,
}

/// One line; fields that say nothing are left out, but for the five that every line has.
#[derive(Debug, Default, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct ShadowLogLine {
    ts: String,
    event: ShadowLogEvent,
    local_job: Option<String>,
    coord_job: Option<String>,
    verdict: Option<ComparisonVerdict>,
    decision: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<LineReason>,
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
    #[serde(skip_serializing_if = "Option::is_none")]
    parts: Option<PartRange>,
    /// The decision, or the lease, that a person acknowledges.
    #[serde(skip_serializing_if = "Option::is_none")]
    acknowledges: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    until: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    stratum: Option<String>,
    #[serde(flatten)]
    context: LineContext,
}

/// A reason of either kind; each is written as its bare name.
#[derive(Debug, Serialize)]
#[serde(untagged)]
enum LineReason {
    Diverge(DivergenceReason),
    Skip(SkipReason),
}

impl ShadowLogLine {
    fn new(event: ShadowLogEvent) -> ShadowLogLine {
        ShadowLogLine {
            ts: wire::instant(Timestamp::now()),
            event,
            ..ShadowLogLine::default()
        }
    }

    pub(crate) fn within(self, context: LineContext) -> ShadowLogLine {
        ShadowLogLine { context, ..self }
    }

    pub(crate) fn continues(parts: PartRange) -> ShadowLogLine {
        ShadowLogLine {
            parts: Some(parts),
            ..ShadowLogLine::new(ShadowLogEvent::Continues)
        }
    }

    pub(crate) fn comparison(
        decision: &str,
        local: Option<&str>,
        found: &DecisionComparison,
    ) -> ShadowLogLine {
        ShadowLogLine {
            local_job: local.map(str::to_owned),
            coord_job: found.coord.clone(),
            verdict: Some(found.verdict),
            decision: Some(decision.to_owned()),
            reason: found.reason.map(LineReason::Diverge),
            rank: found.rank,
            ..ShadowLogLine::new(ShadowLogEvent::Comparison)
        }
    }

    pub(crate) fn skipped(decision: &str, local: Option<&str>, skip: SkipReason) -> ShadowLogLine {
        ShadowLogLine {
            local_job: local.map(str::to_owned),
            decision: Some(decision.to_owned()),
            reason: Some(LineReason::Skip(skip)),
            ..ShadowLogLine::new(ShadowLogEvent::Skipped)
        }
    }

    /// Decisions that were too many even to be remembered one by one.
    pub(crate) fn many_skipped(decision: &str, decisions: u64) -> ShadowLogLine {
        ShadowLogLine {
            decisions: Some(decisions),
            ..ShadowLogLine::skipped(decision, None, SkipReason::LaneFull)
        }
    }

    /// A call that failed; `decision` where it was the one that a decision waited for.
    pub(crate) fn error(
        operation: &'static str,
        decision: Option<&str>,
        local: Option<&str>,
        failure: &CallFailure,
    ) -> ShadowLogLine {
        ShadowLogLine {
            local_job: local.map(str::to_owned),
            decision: decision.map(str::to_owned),
            operation: Some(operation),
            kind: Some(failure.kind().to_string()),
            status: failure.status(),
            detail: Some(failure.detail()),
            ..ShadowLogLine::new(ShadowLogEvent::ShadowError)
        }
    }

    /// A note that is neither an outcome nor an error.
    pub(crate) fn note(event: ShadowLogEvent, local: Option<&str>, detail: &str) -> ShadowLogLine {
        ShadowLogLine {
            local_job: local.map(str::to_owned),
            detail: Some(shown(detail)),
            ..ShadowLogLine::new(event)
        }
    }

    /// A person takes the responsibility for a decision, or a lease, until the end of a day.
    pub(crate) fn acknowledged(id: &str, reason: &str, until: Option<jiff::civil::Date>) -> ShadowLogLine {
        ShadowLogLine {
            acknowledges: Some(id.to_owned()),
            until: until.map(|until| until.to_string()),
            ..ShadowLogLine::note(ShadowLogEvent::Acknowledged, None, reason)
        }
    }

    /// A person begins the observation anew.
    pub(crate) fn restarted(reason: &str) -> ShadowLogLine {
        ShadowLogLine::note(ShadowLogEvent::Restarted, None, reason)
    }

    /// A person leaves out one kind of job.
    pub(crate) fn left_out(stratum: &str) -> ShadowLogLine {
        ShadowLogLine {
            stratum: Some(stratum.to_owned()),
            ..ShadowLogLine::new(ShadowLogEvent::LeftOut)
        }
    }

    pub(crate) fn lease(
        event: ShadowLogEvent,
        job: Option<&str>,
        lease: &str,
        detail: &str,
    ) -> ShadowLogLine {
        let (coord_job, lease) = (job.map(shown), Some(shown(lease)));
        ShadowLogLine {
            coord_job,
            lease,
            ..ShadowLogLine::note(event, None, detail)
        }
    }
}
