//! How many decisions a day there are.

use crate::shadow::report::ShadowFigures;

/// The rate is that of so many days.
const RATE_DAYS: usize = 7;

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
pub(super) fn days_for(needed: Option<u64>, per_day: Option<f64>) -> Option<u64> {
    let days = (needed? as f64 / per_day?).ceil();
    Some(days as u64)
}
