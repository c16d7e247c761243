//! When there can be data enough: at the rate of the last days, and if nothing disagrees from here on.

use serde::Serialize;

use super::GateReport;
use super::gate_strata::StratumRule;
use crate::shadow::report::ShadowFigures;

/// The rate is that of so many days.
const RATE_DAYS: usize = 7;
const DAY_SECONDS: u64 = 24 * 60 * 60;

#[derive(Debug, Clone, Default, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct GateOutlook {
    /// How many decisions a day were counted in the last seven; none before there is one.
    pub(crate) decisions_per_day: Option<f64>,
    /// How many more days it takes; none where nobody can say.
    pub(crate) days: Option<u64>,
}

impl GateOutlook {
    pub(super) fn of(gate: &GateReport, figures: &ShadowFigures) -> GateOutlook {
        let rate = decisions_per_day(figures);
        let evidence = match gate.has_evidence() {
            true => Some(0),
            false => days(gate.needed, rate),
        };
        let span = gate
            .span
            .needed_seconds
            .map(|needed| needed.div_ceil(DAY_SECONDS));
        let strata = gate.strata.iter();
        let strata = strata.filter(|one| one.rule == StratumRule::HasToPass && !one.passes());
        let needed: Option<Vec<u64>> = [evidence, span]
            .into_iter()
            .chain(strata.map(|one| one.needed_days))
            .collect();
        GateOutlook {
            decisions_per_day: rate,
            days: needed.and_then(|needed| needed.into_iter().max()),
        }
    }

    /// None where it is not time that is missing.
    pub(super) fn sentence(&self) -> Option<String> {
        let days = self.days.filter(|days| *days > 0)?;
        let rate = self.rate()?;
        let unit = if days == 1 { "day" } else { "days" };
        Some(format!(
            "it takes about {days} more {unit} at {rate} decisions a day, if none of them disagrees"
        ))
    }

    /// How many decisions a day, as people read a number.
    pub(crate) fn rate(&self) -> Option<String> {
        self.decisions_per_day.map(|rate| match rate < 10.0 {
            true => format!("{rate:.1}"),
            false => format!("{rate:.0}"),
        })
    }
}

/// Of the last days, idle ones among them included.
pub(super) fn decisions_per_day(figures: &ShadowFigures) -> Option<f64> {
    let (last, _) = figures.days.last_key_value()?;
    let (first, _) = figures.days.first_key_value()?;
    let between = first.until(*last).ok()?.get_days().unsigned_abs() as usize;
    let window = (between + 1).min(RATE_DAYS);
    let counted: u64 = figures
        .days
        .iter()
        .filter(|(day, _)| {
            let back = day
                .until(*last)
                .map(|back| back.get_days().unsigned_abs() as usize);
            back.is_ok_and(|back| back < window)
        })
        .map(|(_, tally)| tally.of())
        .sum();
    Some(counted as f64 / window as f64).filter(|rate| *rate > 0.0)
}

/// How many days so many decisions take; none where nobody can say.
pub(super) fn days(needed: Option<u64>, per_day: Option<f64>) -> Option<u64> {
    let days = (needed? as f64 / per_day?).ceil();
    Some(days as u64)
}
