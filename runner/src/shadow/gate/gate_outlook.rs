//! When there can be data enough: at the rate of the last days, and if nothing disagrees from here on.

use serde::Serialize;

use super::GateReport;
use super::decision_rate::{days_for, decisions_per_day};
use super::gate_strata::StratumRule;
use crate::shadow::report::ShadowFigures;

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
        let evidence = match gate.ln_e >= gate.ln_e_min {
            true => Some(0),
            false => days_for(gate.needed, rate),
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
        let rate = self.decisions_per_day?;
        let unit = if days == 1 { "day" } else { "days" };
        let rate = if rate < 10.0 {
            format!("{rate:.1}")
        } else {
            format!("{rate:.0}")
        };
        Some(format!(
            "it takes about {days} more {unit} at {rate} decisions a day, if none of them disagrees"
        ))
    }
}
