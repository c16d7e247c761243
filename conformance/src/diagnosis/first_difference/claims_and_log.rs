//! The shadow claims of a run beside the lines of its log. The lane asks one thing after the other, so both have
//! one order; where they differ is read without looking at what the scenario expects.

use std::collections::BTreeSet;
use std::time::Instant;

use serde_json::{Map, Value};
use stub_coordinator::{Exchange, ExchangeOutcome};

use super::{DifferenceKind, TimedDifference, noticed};
use crate::checks::shadow_log;
use crate::evidence::RunEvidence;
use crate::supervise::ProcessExit;

/// A shadow claim.
struct ShadowClaim<'a> {
    exchange: &'a Exchange,
    offer: ClaimAnswer,
    /// Whether the runner had a job of its own then: it reports that as `building` before it asks again.
    local: bool,
}

/// What the answer says.
#[derive(Debug, PartialEq, Eq)]
enum ClaimAnswer {
    Job(String),
    Nothing,
    /// Nothing that a verdict could rest on.
    Unusable,
}

/// A line of the log that is about a claim.
struct ClaimLine {
    position: usize,
    says: ClaimLineKind,
}

enum ClaimLineKind {
    Verdict {
        coord: Option<String>,
        /// The id was none, and is written otherwise than it was answered.
        invalid: bool,
    },
    Error,
    /// That there is no dry run, or none that can be trusted.
    NoDryRun,
}

/// Where claims and lines differ first, one difference of each kind.
pub(super) fn of(seen: &RunEvidence) -> Vec<TimedDifference> {
    let (claims, lines) = (claims(seen), lines(seen));
    let killed = seen
        .all_commands()
        .any(|run| !matches!(run.exit, ProcessExit::Code(_)));
    let mut found: Vec<TimedDifference> = Vec::new();
    let mut offered = BTreeSet::new();
    let mut next = 0;
    let cut_short = cut_short(seen);
    let without_line = |claims: &[ShadowClaim], offered: &BTreeSet<String>| {
        let mut claims = claims.iter().filter(|claim| !needs_no_line(claim, offered));
        Some(unlogged(claims.nth(cut_short)?))
    };
    for line in &lines {
        let place = claims[next..].iter().position(|claim| fits(&line.says, claim));
        match (place, &line.says, claims.get(next)) {
            (Some(place), ..) => {
                found.extend(without_line(&claims[next..next + place], &offered));
                next += place + 1;
            }
            (None, ClaimLineKind::Verdict { coord, .. }, Some(claim)) if !needs_no_line(claim, &offered) => {
                found.push(contradicted(seen, claim, line, coord.as_deref()));
                next += 1;
            }
            (None, ClaimLineKind::Verdict { coord, .. }, _) => {
                found.push(unasked(seen, line, coord.as_deref()));
            }
            // Who reached nobody has no exchange to show.
            (None, ClaimLineKind::Error | ClaimLineKind::NoDryRun, _) => {}
        }
        if let ClaimLineKind::Verdict { coord: Some(job), .. } = &line.says {
            offered.insert(job.clone());
        }
    }
    // The last may have been cut short: by the end of the runner, or by the end of its lane.
    let rest = match claims[next..].split_last() {
        Some((last, others)) if killed || last.exchange.wire_answer.is_none() => others,
        _ => &claims[next..],
    };
    found.extend(without_line(rest, &offered));
    let mut kinds = BTreeSet::new();
    found.retain(|found| kinds.insert(found.kind));
    found
}

fn claims(seen: &RunEvidence) -> Vec<ShadowClaim<'_>> {
    let mut claims: Vec<ShadowClaim> = Vec::new();
    for exchange in &seen.coordinator.journal {
        match exchange.operation.as_deref() {
            Some("shadow.claim") => claims.push(ShadowClaim {
                exchange,
                offer: offer(exchange),
                local: false,
            }),
            Some("shadow.report") if exchange.stage.as_deref() == Some("building") => {
                if let Some(claim) = claims.last_mut() {
                    claim.local = true;
                }
            }
            _ => {}
        }
    }
    claims
}

fn offer(exchange: &Exchange) -> ClaimAnswer {
    let Some(answer) = &exchange.wire_answer else {
        return ClaimAnswer::Unusable;
    };
    let job = answer.body.as_ref().and_then(|body| body.pointer("/job/id"));
    match (answer.status, job.and_then(Value::as_str)) {
        (204, _) => ClaimAnswer::Nothing,
        (200, Some(job)) => ClaimAnswer::Job(job.to_owned()),
        _ => ClaimAnswer::Unusable,
    }
}

fn lines(seen: &RunEvidence) -> Vec<ClaimLine> {
    let lines = shadow_log::numbered(seen).filter_map(|(position, object)| {
        let says = says(object)?;
        Some(ClaimLine { position, says })
    });
    lines.collect()
}

/// How many decisions were skipped because the lane ended: the question of each may have been out, and answered.
fn cut_short(seen: &RunEvidence) -> usize {
    let is_cut = |object: &Map<String, Value>| {
        let text = |key: &str| object.get(key).and_then(Value::as_str);
        text("event") == Some("skipped") && matches!(text("reason"), Some("exit" | "stopped" | "route"))
    };
    shadow_log::numbered(seen)
        .filter(|(_, object)| is_cut(object))
        .count()
}

fn says(object: &Map<String, Value>) -> Option<ClaimLineKind> {
    let text = |key: &str| object.get(key).and_then(Value::as_str);
    if text("verdict").is_some() {
        return Some(ClaimLineKind::Verdict {
            coord: text("coordJob").map(ToOwned::to_owned),
            invalid: text("reason") == Some("invalid"),
        });
    }
    match (text("event")?, text("operation")) {
        ("shadow-error", Some("shadow.claim")) => Some(ClaimLineKind::Error),
        ("dry-run-unsupported" | "dry-run-not-honoured", _) => Some(ClaimLineKind::NoDryRun),
        _ => None,
    }
}

fn fits(says: &ClaimLineKind, claim: &ShadowClaim) -> bool {
    match (says, &claim.offer) {
        (ClaimLineKind::Verdict { invalid: true, .. }, ClaimAnswer::Job(_)) => true,
        (ClaimLineKind::Verdict { coord, .. }, ClaimAnswer::Job(job)) => coord.as_ref() == Some(job),
        (ClaimLineKind::Verdict { coord, .. }, ClaimAnswer::Nothing) => coord.is_none(),
        (ClaimLineKind::Verdict { .. }, ClaimAnswer::Unusable) => false,
        (ClaimLineKind::Error, ClaimAnswer::Unusable) | (ClaimLineKind::NoDryRun, _) => true,
        // It may have come too late, or to somebody who had left.
        (ClaimLineKind::Error, _) => {
            claim.exchange.fault.is_some() || claim.exchange.outcome != ExchangeOutcome::Answered
        }
    }
}

/// Clause S-1: two sides without a job have nothing to compare, and an offer to a runner without one is logged once.
fn needs_no_line(claim: &ShadowClaim, offered: &BTreeSet<String>) -> bool {
    match &claim.offer {
        ClaimAnswer::Nothing => !claim.local,
        ClaimAnswer::Job(job) => !claim.local && offered.contains(job),
        ClaimAnswer::Unusable => false,
    }
}

fn unlogged(claim: &ShadowClaim) -> TimedDifference {
    TimedDifference {
        kind: DifferenceKind::UnloggedExchange,
        at: Some(ended(claim)),
        place: format!("exchange #{}", claim.exchange.seq),
        expected: format!(
            "a line in the log for a claim that was answered {}",
            answered(claim)
        ),
        seen: "no line".into(),
    }
}

fn contradicted(
    seen: &RunEvidence,
    claim: &ShadowClaim,
    line: &ClaimLine,
    coord: Option<&str>,
) -> TimedDifference {
    TimedDifference {
        kind: DifferenceKind::ContradictedExchange,
        at: noticed(seen, line.position).or(Some(ended(claim))),
        place: format!("exchange #{}, log line {}", claim.exchange.seq, line.position + 1),
        expected: format!("a line that says what was answered: {}", answered(claim)),
        seen: format!("the coordinator's job is {}", coord.unwrap_or("none")),
    }
}

fn unasked(seen: &RunEvidence, line: &ClaimLine, coord: Option<&str>) -> TimedDifference {
    TimedDifference {
        kind: DifferenceKind::UnaskedVerdict,
        at: noticed(seen, line.position),
        place: format!("log line {}", line.position + 1),
        expected: "a shadow claim that this verdict rests on".into(),
        seen: format!(
            "no claim, and yet the coordinator's job is {}",
            coord.unwrap_or("none")
        ),
    }
}

fn ended(claim: &ShadowClaim) -> Instant {
    claim.exchange.completed.unwrap_or(claim.exchange.arrived)
}

fn answered(claim: &ShadowClaim) -> String {
    match (&claim.offer, &claim.exchange.wire_answer) {
        (ClaimAnswer::Job(job), _) => job.clone(),
        (ClaimAnswer::Nothing, _) => "none".into(),
        (ClaimAnswer::Unusable, Some(answer)) => format!("by status {}", answer.status),
        (ClaimAnswer::Unusable, None) => "by nothing whole".into(),
    }
}
