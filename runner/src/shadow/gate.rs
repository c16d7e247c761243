//! Whether the coordinator may decide from now on: a rule on the figures of the shadow log (clause R-3).
//!
//! People look at a gate every day, so its test must be valid whenever one looks: not a confidence bound, which is
//! wrong sooner or later if it is asked often enough, but an e-value (a bet against "the agreement is 99 % at most",
//! spread evenly over everything better). That holds for a coordinator that never changes and for decisions that are
//! not all of one moment; so an alarm about the last decisions and the time that all of them span are rules beside it.
//! Pure arithmetic, in logarithms; nothing here reads a file or a clock.

use std::time::Duration;

use jiff::tz::TimeZone;
use serde::Serialize;

use super::change_alarm::{AGREEMENT_MIN, ChangeAlarm, DecisionRun};
use super::comparison::DivergenceReason;
use super::observation_span::SpanFigures;
use super::report::ShadowFigures;
use crate::terminal::{counted, duration, limit_percent, percent};

/// The chance of promoting a coordinator that is not better than that, however often one looks.
const RISK: f64 = 0.05;
/// The chance of holding one that is as good as that, at one look.
const HOLD_RISK: f64 = 0.001;
const COVERAGE_MIN: f64 = 0.98;
/// Of all decisions, those that could not be compared counted as disagreements.
const WORST_CASE_MIN: f64 = 0.97;
const UNEXPLAINED_MAX: f64 = 0.005;
const UNREADABLE_MAX: f64 = 0.005;
/// Acting on such an answer would have done harm: none is tolerated.
const HARMFUL: [DivergenceReason; 6] = [
    DivergenceReason::Invalid,
    DivergenceReason::Unknown,
    DivergenceReason::Finished,
    DivergenceReason::Running,
    DivergenceReason::LockHeld,
    DivergenceReason::Caps,
];
/// The reason, in the words of the log, of a decision that no dry run was made for.
const NO_DRY_RUN: &str = "unsupported";
/// Beyond this many more decisions there is no point in counting.
const NEEDED_MAX: u64 = 1_000_000;

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
    /// What stands in the way, most serious first; empty when promoted.
    pub(crate) reasons: Vec<String>,
    pub(crate) agreement_min: f64,
    /// Ties included: the two took jobs that the rule of order does not tell apart.
    pub(crate) agree: u64,
    pub(crate) disagree: u64,
    pub(crate) ln_e: f64,
    pub(crate) ln_e_min: f64,
    /// How likely so many disagreements are with the agreement that has to be beaten.
    pub(crate) hold_chance: f64,
    pub(crate) hold_chance_min: f64,
    pub(crate) harmful: u64,
    pub(crate) coverage: Option<f64>,
    pub(crate) coverage_min: f64,
    pub(crate) worst_case: Option<f64>,
    pub(crate) worst_case_min: f64,
    pub(crate) unexplained: u64,
    pub(crate) unreadable: u64,
    /// Decisions without a disagreement until the e-value is reached; none: out of reach.
    pub(crate) needed: Option<u64>,
    pub(crate) alarm: AlarmFigures,
    pub(crate) span: SpanFigures,
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

/// Answers that would have done harm.
pub(super) fn harmful(figures: &ShadowFigures) -> u64 {
    let of = |reason: &DivergenceReason| figures.diverged_by(*reason);
    HARMFUL.iter().map(of).sum::<u64>() + figures.stray_leases
}

/// The days of the decisions are those of the `zone`.
pub(crate) fn decide(figures: &ShadowFigures, zone: &TimeZone) -> GateReport {
    let compared = figures.agreement.of;
    let agree = figures.verdicts.agree + figures.diverged_by(DivergenceReason::Tie);
    let disagree = compared.saturating_sub(agree);
    let harmful = harmful(figures);
    let all = figures.coverage.of;
    let mut gate = GateReport {
        verdict: GateVerdict::Inconclusive,
        reasons: Vec::new(),
        agreement_min: AGREEMENT_MIN,
        agree,
        disagree,
        ln_e: ln_e(agree, disagree, AGREEMENT_MIN),
        ln_e_min: (1.0 / RISK).ln(),
        hold_chance: at_least(disagree, compared, 1.0 - AGREEMENT_MIN),
        hold_chance_min: HOLD_RISK,
        harmful,
        coverage: figures.coverage.rate,
        coverage_min: COVERAGE_MIN,
        worst_case: (all > 0).then(|| agree as f64 / all as f64),
        worst_case_min: WORST_CASE_MIN,
        unexplained: figures.diverged_by(DivergenceReason::Unexplained),
        unreadable: figures.lines.unreadable,
        needed: None,
        alarm: alarm(
            &figures.alarm,
            DecisionRun {
                disagree,
                of: compared,
            },
        ),
        span: figures.span.figures(zone),
    };
    let holds = holding(&gate);
    if holds.is_empty() {
        gate.needed = fewest(|more| ln_e(agree + more, disagree, AGREEMENT_MIN) >= gate.ln_e_min);
    }
    let mut lacks = lacking(&gate, compared, figures.lines.read);
    if let Some(first) = without_dry_run(figures).filter(|_| !lacks.is_empty()) {
        lacks.insert(0, first);
    }
    gate.verdict = match (holds.is_empty(), lacks.is_empty()) {
        (false, _) => GateVerdict::Hold,
        (true, false) => GateVerdict::Inconclusive,
        (true, true) => GateVerdict::Promote,
    };
    gate.reasons = holds.into_iter().chain(lacks).collect();
    gate
}

fn holding(gate: &GateReport) -> Vec<String> {
    let mut reasons = Vec::new();
    if gate.harmful > 0 {
        reasons.push(format!(
            "{} of the answers would have done harm; none may",
            gate.harmful
        ));
    }
    if gate.hold_chance < HOLD_RISK {
        let of = gate.agree + gate.disagree;
        reasons.push(format!(
            "{} of {of} disagree: too many for an agreement of {}",
            gate.disagree,
            limit_percent(AGREEMENT_MIN)
        ));
    }
    let alarm = &gate.alarm;
    if alarm.ln_value >= alarm.ln_limit {
        reasons.push(format!(
            "the coordinator is not good enough now: {} of the last {} decisions disagree ({} end the alarm)",
            alarm.last.disagree,
            alarm.last.of,
            clean_decisions(alarm.needed)
        ));
    }
    reasons
}

fn lacking(gate: &GateReport, compared: u64, lines: u64) -> Vec<String> {
    let mut reasons = Vec::new();
    if gate.ln_e < gate.ln_e_min {
        reasons.push(format!("evidence: {}", clean_decisions(gate.needed)));
    }
    reasons.extend(short_span(&gate.span));
    let mut at_least = |what: &str, rate: Option<f64>, min: f64| {
        if rate.is_none_or(|rate| rate < min) {
            reasons.push(format!(
                "{what} {}, needs at least {}",
                percent(rate),
                limit_percent(min)
            ));
        }
    };
    at_least("coverage", gate.coverage, COVERAGE_MIN);
    at_least("worst case", gate.worst_case, WORST_CASE_MIN);
    for (what, count, of, max) in [
        ("unexplained", gate.unexplained, compared, UNEXPLAINED_MAX),
        ("unreadable lines", gate.unreadable, lines, UNREADABLE_MAX),
    ] {
        if of > 0 && count as f64 / of as f64 > max {
            reasons.push(format!(
                "{what}: {count} of {of}, at most {} may be",
                limit_percent(max)
            ));
        }
    }
    reasons
}

/// Why decisions are missing, which no waiting mends.
fn without_dry_run(figures: &ShadowFigures) -> Option<String> {
    let missed = *figures.skipped.get(NO_DRY_RUN)?;
    let decisions = counted(u32::try_from(missed).unwrap_or(u32::MAX), "decision");
    Some(format!(
        "dry run: the coordinator had none for {decisions} (dry-run-unsupported), so nothing was compared"
    ))
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

/// The smallest number of further agreements with which it is enough.
fn fewest(enough: impl Fn(u64) -> bool) -> Option<u64> {
    if !enough(NEEDED_MAX) {
        return None;
    }
    let (mut low, mut high) = (0, NEEDED_MAX);
    while low < high {
        let middle = u64::midpoint(low, high);
        match enough(middle) {
            true => high = middle,
            false => low = middle + 1,
        }
    }
    Some(low)
}

/// The logarithm of the e-value against "agreement is `p0` at most": a uniform mixture over everything above it.
fn ln_e(agree: u64, disagree: u64, p0: f64) -> f64 {
    let (n, q0) = (agree + disagree, 1.0 - p0);
    let above = 1.0 - at_most(disagree, n + 1, q0);
    if above <= 0.0 {
        return f64::NEG_INFINITY;
    }
    -((n + 1) as f64).ln() - ln_choose(n, disagree) + above.ln()
        - q0.ln()
        - agree as f64 * p0.ln()
        - disagree as f64 * q0.ln()
}

/// P(X >= k) for X of `n` trials that come out with chance `q`; summed from the side on which it is small.
fn at_least(k: u64, n: u64, q: f64) -> f64 {
    match k {
        0 => 1.0,
        k if k as f64 <= n as f64 * q => 1.0 - at_most(k - 1, n, q),
        k => terms(k, n, q)
            .take_while(|term| *term > 0.0)
            .sum::<f64>()
            .min(1.0),
    }
}

/// P(X <= k).
fn at_most(k: u64, n: u64, q: f64) -> f64 {
    let count = usize::try_from(k).unwrap_or(usize::MAX).saturating_add(1);
    terms(0, n, q).take(count).sum::<f64>().min(1.0)
}

/// P(X = i) for each i from `first` to `n`.
fn terms(first: u64, n: u64, q: f64) -> impl Iterator<Item = f64> {
    let odds = q.ln() - (1.0 - q).ln();
    let start = ln_choose(n, first) + first as f64 * q.ln() + (n - first) as f64 * (1.0 - q).ln();
    (first..=n).scan(start, move |ln, i| {
        let term = ln.exp();
        *ln += ((n - i) as f64 / (i + 1) as f64).ln() + odds;
        Some(term)
    })
}

fn ln_choose(n: u64, k: u64) -> f64 {
    let k = k.min(n - k);
    (1..=k).map(|i| ((n - k + i) as f64 / i as f64).ln()).sum()
}

#[cfg(test)]
mod tests;
