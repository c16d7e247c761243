//! One line of the shadow log: what it can say, and in which fields. Writing it is the log's business.

use jiff::Timestamp;
use serde::Serialize;

use super::parts::PartRange;
use crate::fleet::failure::{Failure, shown};
use crate::fleet::wire;
use crate::shadow::compare::{Comparison, Reason, Verdict};

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
    /// The first line of a file that continues others.
    Continues,
}

impl Event {
    /// As it stands in the line.
    pub(crate) const CONTINUES: &str = "continues";
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
    /// The coordinator decides from now on: there is nothing left to compare.
    Route,
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
    #[serde(skip_serializing_if = "Option::is_none")]
    parts: Option<PartRange>,
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
            parts: None,
        }
    }

    pub(crate) fn continues(parts: PartRange) -> Line {
        Line {
            parts: Some(parts),
            ..Line::new(Event::Continues)
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
