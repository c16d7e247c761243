//! Whether the coordinator may decide from now on: a rule on the figures of the shadow log (clause R-3).
//!
//! People look at a gate every day, so its test must be valid whenever one looks: not a confidence bound, which is
//! wrong sooner or later if it is asked often enough, but an e-value (a bet against "the agreement is 99 % at most",
//! spread evenly over everything better). That holds for a coordinator that never changes and for decisions that are
//! not all of one moment and one kind; so the figures are those of one epoch, and an alarm about the last decisions, the
//! time that all of them span, and each engine with and without a lock are rules beside it.
//! Pure arithmetic; nothing here reads a file or a clock.

mod decision_rate;
mod e_value;
mod gate_outlook;
mod gate_rules;
mod gate_strata;

use std::time::Duration;

use jiff::tz::TimeZone;
use serde::Serialize;

use super::change_alarm::{ChangeAlarm, DecisionRun};
use super::comparison::DivergenceReason;
use super::observation_span::SpanFigures;
use super::report::{EvidencePart, ShadowFigures};
use crate::settings::GatePolicy;
use crate::terminal::{counted, duration, limit_percent, percent};
use e_value::{NEEDED_MAX, at_least, fewest, ln_e};
pub(crate) use gate_outlook::GateOutlook;
pub(crate) use gate_rules::GateRule;
use gate_rules::{bounded_shares, is_within};
pub(crate) use gate_strata::{StratumFigures, StratumRule};

/// The chance of holding one that is as good as that, at one look.
const HOLD_RISK: f64 = 0.001;
/// After so many decisions since comparing ended nobody knows what the coordinator does now.
const UNCOMPARED_MAX: u64 = 10;
/// The reason, in the words of the log, of a decision that no dry run was made for.
const NO_DRY_RUN: &str = "unsupported";

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum GateVerdict {
    Promote,
    Hold,
    Inconclusive,
}

/// The verdict, and every figure behind it.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct GateReport {
    pub(crate) verdict: GateVerdict,
    /// The verdict in a sentence.
    pub(crate) sentence: String,
    /// What stands in the way, most serious first; empty when promoted.
    pub(crate) reasons: Vec<String>,
    pub(crate) policy: GatePolicy,
    /// Ties included: the two took jobs that the rule of order does not tell apart.
    pub(crate) agree: u64,
    pub(crate) disagree: u64,
    pub(crate) ln_e: f64,
    pub(crate) ln_e_min: f64,
    /// How likely so many disagreements are with the agreement that has to be beaten.
    pub(crate) hold_chance: f64,
    pub(crate) hold_chance_min: f64,
    /// Those that nobody acknowledged.
    pub(crate) harmful: u64,
    /// They stay disagreements.
    pub(crate) acknowledged: u64,
    pub(crate) coverage: Option<f64>,
    pub(crate) worst_case: Option<f64>,
    pub(crate) unexplained: u64,
    pub(crate) unreadable: u64,
    /// How many lines were read, those that are unreadable included.
    #[serde(skip)]
    pub(crate) lines: u64,
    /// Decisions without a disagreement until the e-value is reached; none: out of reach.
    pub(crate) needed: Option<u64>,
    pub(crate) alarm: AlarmFigures,
    pub(crate) span: SpanFigures,
    /// Each engine, with and without a lock.
    pub(crate) strata: Vec<StratumFigures>,
    pub(crate) outlook: GateOutlook,
}

/// Whether the last decisions speak against a coordinator that did well before.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct AlarmFigures {
    /// The alarm stands while this is at least the limit.
    pub(crate) ln_value: f64,
    pub(crate) ln_limit: f64,
    /// How many of the last decisions disagree, as far back as that speaks for a change most clearly.
    #[serde(flatten)]
    pub(crate) last: DecisionRun,
    /// Decisions without a disagreement until the alarm ends; none: out of reach.
    pub(crate) needed: Option<u64>,
}

/// The days of the decisions are those of the `zone`.
pub(crate) fn decide(figures: &ShadowFigures, policy: &GatePolicy, zone: &TimeZone) -> GateReport {
    let compared = figures.agreement.of;
    let agree = figures.verdicts.agree + figures.diverged_by(DivergenceReason::Tie);
    let disagree = compared.saturating_sub(agree);
    let all = figures.coverage.of;
    let ln_e_min = (1.0 / policy.risk).ln();
    let alarm = alarm(
        &figures.alarm,
        DecisionRun {
            disagree,
            of: compared,
        },
    );
    let mut gate = GateReport {
        verdict: GateVerdict::Inconclusive,
        sentence: String::new(),
        reasons: Vec::new(),
        agree,
        disagree,
        ln_e: ln_e(agree, disagree, policy.agreement_min),
        ln_e_min,
        hold_chance: at_least(disagree, compared, 1.0 - policy.agreement_min),
        hold_chance_min: HOLD_RISK,
        harmful: figures.harmful,
        acknowledged: figures.acknowledged,
        coverage: figures.coverage.rate,
        worst_case: (all > 0).then(|| agree as f64 / all as f64),
        unexplained: figures.diverged_by(DivergenceReason::Unexplained),
        unreadable: figures.lines.unreadable,
        lines: figures.lines.read,
        needed: None,
        alarm,
        span: figures.span.figures(zone, policy.span_min),
        strata: gate_strata::of(figures, policy),
        outlook: GateOutlook::default(),
        policy: policy.clone(),
    };
    let holds = holding(&gate);
    if holds.is_empty() {
        gate.needed = fewest(|more| ln_e(agree + more, disagree, policy.agreement_min) >= ln_e_min);
    }
    gate.outlook = GateOutlook::of(&gate, figures);
    let time = lacking_time(&gate);
    let mut other = lacking_quality(&gate, figures);
    let has_all = other.is_empty() && time.is_empty();
    if let Some(first) = impossible(figures).filter(|_| !has_all || has_stopped(figures)) {
        other.insert(0, first);
    }
    gate.verdict = match (holds.is_empty(), other.is_empty() && time.is_empty()) {
        (false, _) => GateVerdict::Hold,
        (true, false) => GateVerdict::Inconclusive,
        (true, true) => GateVerdict::Promote,
    };
    let is_time = other.is_empty();
    gate.reasons = holds.into_iter().chain(other).chain(time).collect();
    gate.sentence = sentence(&gate, is_time);
    gate
}

/// `is_time`: nothing is missing but time.
fn sentence(gate: &GateReport, is_time: bool) -> String {
    let policy = gate.policy.name.as_str();
    let first = gate.reasons.first().map(String::as_str).unwrap_or_default();
    match gate.verdict {
        GateVerdict::Promote => format!(
            "The coordinator may take over: {} of {} decisions agree, over {}, which is what the policy `{policy}` asks for.",
            gate.agree,
            gate.agree + gate.disagree,
            gate.span.shown()
        ),
        GateVerdict::Hold => format!("The coordinator must not take over: {first}."),
        GateVerdict::Inconclusive => match gate.outlook.sentence().filter(|_| is_time) {
            Some(when) => format!("Not yet: {when}."),
            None => format!("Not yet: {first}."),
        },
    }
}

fn holding(gate: &GateReport) -> Vec<String> {
    let mut reasons = Vec::new();
    if gate.harmful > 0 {
        reasons.push(format!(
            "{} of the answers would have done harm; none may that nobody acknowledged",
            gate.harmful
        ));
    }
    if !gate.is_likely_enough() {
        let of = gate.agree + gate.disagree;
        reasons.push(format!(
            "{} of {of} disagree: too many for an agreement of {}",
            gate.disagree,
            limit_percent(gate.policy.agreement_min)
        ));
    }
    let alarm = &gate.alarm;
    if alarm.is_raised() {
        reasons.push(format!(
            "the coordinator is not good enough now: {} of the last {} decisions disagree ({} end the alarm)",
            alarm.last.disagree,
            alarm.last.of,
            clean_decisions(alarm.needed)
        ));
    }
    reasons
}

/// What more decisions can mend.
fn lacking_time(gate: &GateReport) -> Vec<String> {
    let mut reasons = Vec::new();
    if !gate.has_evidence() {
        reasons.push(format!("evidence: {}", clean_decisions(gate.needed)));
    }
    reasons.extend(short_span(&gate.span));
    reasons.extend(gate.strata.iter().filter_map(StratumFigures::lack));
    reasons
}

/// What more decisions alone do not mend.
fn lacking_quality(gate: &GateReport, figures: &ShadowFigures) -> Vec<String> {
    let policy = &gate.policy;
    let mut reasons = Vec::new();
    if let EvidencePart::Chosen(what) = &figures.part {
        reasons.push(format!(
            "{what} was looked at, and not all of the present evidence"
        ));
    }
    let mut at_least = |what: &str, rate: Option<f64>, min: f64| {
        if rate.is_some_and(|rate| rate < min) {
            reasons.push(format!(
                "{what} {}, needs at least {}",
                percent(rate),
                limit_percent(min)
            ));
        }
    };
    at_least("coverage", gate.coverage, policy.coverage_min);
    at_least("worst case", gate.worst_case, policy.worst_case_min);
    for (what, count, of, max) in bounded_shares(gate) {
        if !is_within(count, of, max) {
            reasons.push(format!(
                "{what}: {count} of {of}, at most {} may be",
                limit_percent(max)
            ));
        }
    }
    reasons
}

/// Whether comparing ended, so that nobody knows what the coordinator does now.
fn has_stopped(figures: &ShadowFigures) -> bool {
    figures.uncompared.run >= UNCOMPARED_MAX
}

/// Why decisions are missing, which no waiting mends.
fn impossible(figures: &ShadowFigures) -> Option<String> {
    if let Some(missed) = figures.skipped.get(NO_DRY_RUN) {
        let decisions = counted(u32::try_from(*missed).unwrap_or(u32::MAX), "decision");
        return Some(format!(
            "no comparison is possible: the coordinator had no dry run for {decisions} (dry-run-unsupported)"
        ));
    }
    let uncompared = &figures.uncompared;
    has_stopped(figures).then(|| {
        format!(
            "no comparison is possible: the last {} decisions could not be compared ({})",
            uncompared.run, uncompared.why
        )
    })
}

fn clean_decisions(needed: Option<u64>) -> String {
    match needed {
        Some(1) => String::from("1 more decision without a disagreement"),
        Some(needed) => format!("{needed} more decisions without a disagreement"),
        None => format!("more than {NEEDED_MAX} more decisions without a disagreement"),
    }
}

fn short_span(span: &SpanFigures) -> Option<String> {
    let has_to_be = span.has_to_be();
    match span.needed_seconds {
        Some(0) => None,
        Some(needed) => Some(format!(
            "span {}, needs at least {has_to_be} ({} more)",
            span.shown(),
            duration(Duration::from_secs(needed))
        )),
        None => Some(format!(
            "span: no decision has a usable time yet, needs at least {has_to_be}"
        )),
    }
}

fn alarm(alarm: &ChangeAlarm, all: DecisionRun) -> AlarmFigures {
    let ln_limit = ChangeAlarm::ln_limit();
    AlarmFigures {
        ln_value: alarm.ln_value_after(0),
        ln_limit,
        last: alarm.decline().unwrap_or(all),
        needed: fewest(|more| alarm.ln_value_after(more) < ln_limit),
    }
}

#[cfg(test)]
mod lives;
#[cfg(test)]
mod tests;
