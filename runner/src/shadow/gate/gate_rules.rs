//! The rules of the gate in words for people: what each is about, what was found and what it needs. The table and the page
//! show the same.

use serde::Serialize;

use super::{AlarmFigures, GateReport};
use crate::terminal::{limit_percent, percent};

/// One rule that is not about one kind of job.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct GateRule {
    pub(crate) name: String,
    pub(crate) is: String,
    pub(crate) needs: String,
    pub(crate) is_met: bool,
}

impl GateRule {
    fn new(name: impl Into<String>, is: String, needs: String, is_met: bool) -> GateRule {
        GateRule {
            name: name.into(),
            is,
            needs,
            is_met,
        }
    }

    fn of_rate(name: &str, rate: Option<f64>, min: f64) -> GateRule {
        let is_met = rate.is_some_and(|rate| rate >= min);
        GateRule::new(name, percent(rate), at_least(&limit_percent(min)), is_met)
    }
}

impl GateReport {
    pub(crate) fn rules(&self) -> Vec<GateRule> {
        let (policy, alarm) = (&self.policy, &self.alarm);
        let evidence = format!(
            "{} for more than {}",
            at_least(&plain_number(self.ln_e_min)),
            limit_percent(policy.agreement_min)
        );
        let mut rules = vec![
            GateRule::new(
                format!("evidence, {} agree and {} disagree", self.agree, self.disagree),
                plain_number(self.ln_e),
                evidence,
                self.has_evidence(),
            ),
            GateRule::new(
                "chance of so many that disagree",
                percent(Some(self.hold_chance)),
                at_least(&limit_percent(self.hold_chance_min)),
                self.is_likely_enough(),
            ),
            GateRule::new(
                format!("harmful answers, {} more acknowledged", self.acknowledged),
                self.harmful.to_string(),
                String::from("0"),
                self.harmful == 0,
            ),
            GateRule::of_rate("coverage", self.coverage, policy.coverage_min),
            GateRule::of_rate(
                "worst case, all that is not compared disagrees",
                self.worst_case,
                policy.worst_case_min,
            ),
            GateRule::new(
                format!(
                    "alarm, {} of the last {} disagree",
                    alarm.last.disagree, alarm.last.of
                ),
                plain_number(alarm.ln_value),
                format!("below {}", plain_number(alarm.ln_limit)),
                !alarm.is_raised(),
            ),
            GateRule::new(
                "span, first to last decision",
                self.span.shown(),
                at_least(&self.span.has_to_be()),
                self.span.needed_seconds == Some(0),
            ),
        ];
        let shares = bounded_shares(self).into_iter();
        rules.extend(shares.map(|(name, count, of, max)| {
            let needs = format!("at most {}", limit_percent(max));
            GateRule::new(name, format!("{count} of {of}"), needs, is_within(count, of, max))
        }));
        rules
    }

    pub(super) fn has_evidence(&self) -> bool {
        self.ln_e >= self.ln_e_min
    }

    /// Whether so many disagreements can be chance.
    pub(super) fn is_likely_enough(&self) -> bool {
        self.hold_chance >= self.hold_chance_min
    }
}

impl AlarmFigures {
    pub(super) fn is_raised(&self) -> bool {
        self.ln_value >= self.ln_limit
    }
}

/// What may be a share of something at most: what it is, how many, of how many, and that share.
pub(super) fn bounded_shares(gate: &GateReport) -> [(&'static str, u64, u64, f64); 3] {
    let (policy, compared) = (&gate.policy, gate.agree + gate.disagree);
    [
        ("unexplained", gate.unexplained, compared, policy.unexplained_max),
        (
            "unreadable lines",
            gate.unreadable,
            gate.lines,
            policy.unreadable_max,
        ),
        (
            "acknowledged",
            gate.acknowledged,
            compared,
            policy.acknowledged_max,
        ),
    ]
}

pub(super) fn is_within(count: u64, of: u64, max: f64) -> bool {
    count == 0 || count as f64 <= of as f64 * max
}

fn at_least(what: &str) -> String {
    format!("at least {what}")
}

/// The number whose natural logarithm this is, as people read one.
pub(super) fn plain_number(ln: f64) -> String {
    match ln.exp() {
        number if number >= 1e6 => format!("10^{:.1}", ln / std::f64::consts::LN_10),
        // Cut, so that less than enough is not shown as enough. A whole number may be a hair less than itself here.
        number if (number - number.round()).abs() < 1e-6 => format!("{}", number.round()),
        number => format!("{:.1}", (number * 10.0).floor() / 10.0),
    }
}
