//! Each engine, with and without a lock, judged alone: a coordinator that is wrong about one of them is lost in the sum.

use serde::Serialize;

use super::decision_rate::{days_for, decisions_per_day};
use super::e_value::{NEEDED_MAX, fewest, ln_e};
use crate::settings::GatePolicy;
use crate::shadow::decision_stratum::DecisionStratum;
use crate::shadow::report::ShadowFigures;
use crate::terminal::limit_percent;

/// Against the agreement that a stratum has to beat; the chance of being wrong once is that of the whole, as each of
/// them has to pass.
const RISK: f64 = 0.05;

/// What was seen of one engine, with or without a lock.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct StratumFigures {
    #[serde(flatten)]
    pub(crate) stratum: DecisionStratum,
    pub(crate) agree: u64,
    pub(crate) disagree: u64,
    /// Of all decisions in which a job was picked here.
    pub(crate) share: f64,
    pub(crate) ln_e: f64,
    pub(crate) ln_e_min: f64,
    pub(crate) agreement_min: f64,
    /// Decisions of it without a disagreement until it passes; none: out of reach.
    pub(crate) needed: Option<u64>,
    /// How long that takes at the present rate.
    pub(crate) needed_days: Option<u64>,
    pub(crate) rule: StratumRule,
}

/// Whether it has to pass.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum StratumRule {
    HasToPass,
    /// A person left it out by name.
    LeftOut,
    /// Its share of the decisions is too small.
    TooRare,
}

impl StratumFigures {
    pub(crate) fn name(&self) -> String {
        match (&self.stratum.engine, self.stratum.lock) {
            (None, _) => String::from("jobs whose engine the log does not tell"),
            (Some(engine), Some(true)) => format!("{engine}, with a lock"),
            (Some(engine), _) => format!("{engine}, without a lock"),
        }
    }

    pub(crate) fn passes(&self) -> bool {
        self.ln_e >= self.ln_e_min
    }

    /// What it lacks, if it has to pass and does not.
    pub(super) fn lack(&self) -> Option<String> {
        if self.rule != StratumRule::HasToPass || self.passes() {
            return None;
        }
        let (name, min) = (self.name(), limit_percent(self.agreement_min));
        let more = match (self.needed, self.needed_days) {
            (Some(1), _) => String::from("1 more decision of it without a disagreement"),
            (Some(needed), Some(days)) => format!(
                "{needed} more decisions of it without a disagreement, about {days} {} at the present rate",
                if days == 1 { "day" } else { "days" }
            ),
            (Some(needed), None) => format!("{needed} more decisions of it without a disagreement"),
            (None, _) => format!("more than {NEEDED_MAX} more decisions of it without a disagreement"),
        };
        Some(format!("{name}: more than {min} alone needs {more}"))
    }
}

/// Those of which there is a decision, the most frequent first.
pub(super) fn of(figures: &ShadowFigures, policy: &GatePolicy) -> Vec<StratumFigures> {
    let all: u64 = figures.strata.values().map(|tally| tally.of()).sum();
    let ln_e_min = (1.0 / RISK).ln();
    let min = policy.stratum_agreement_min;
    let mut strata: Vec<StratumFigures> = figures
        .strata
        .iter()
        .map(|(stratum, tally)| {
            let share = tally.of() as f64 / all as f64;
            let (agree, disagree) = (tally.agree, tally.disagree);
            let is_left_out = figures.left_out.iter().any(|selector| selector.matches(stratum));
            StratumFigures {
                stratum: stratum.clone(),
                agree,
                disagree,
                share,
                ln_e: ln_e(agree, disagree, min),
                ln_e_min,
                agreement_min: min,
                needed: fewest(|more| ln_e(agree + more, disagree, min) >= ln_e_min),
                needed_days: None,
                rule: match (is_left_out, share < policy.stratum_share_min) {
                    (true, _) => StratumRule::LeftOut,
                    (false, true) => StratumRule::TooRare,
                    (false, false) => StratumRule::HasToPass,
                },
            }
        })
        .collect();
    strata.sort_by_key(|one| std::cmp::Reverse(one.agree + one.disagree));
    let rate = decisions_per_day(figures);
    for one in &mut strata {
        let per_day = rate.map(|rate| rate * one.share);
        one.needed_days = days_for(one.needed, per_day);
    }
    strata
}
