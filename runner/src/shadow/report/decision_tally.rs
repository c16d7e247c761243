//! How many decisions agreed, in all or day by day.

use std::collections::BTreeMap;

use jiff::Timestamp;
use jiff::civil::Date;
use jiff::tz::TimeZone;
use serde::Serialize;

/// Of so many days, the latest, it is kept how many decisions agreed.
const DAYS_MAX: usize = 400;

/// How many agreed and how many did not; ties agree.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub(crate) struct DecisionTally {
    pub(crate) agree: u64,
    pub(crate) disagree: u64,
}

impl DecisionTally {
    pub(crate) fn count(&mut self, agrees: bool) {
        match agrees {
            true => self.agree += 1,
            false => self.disagree += 1,
        }
    }

    pub(crate) fn of(self) -> u64 {
        self.agree + self.disagree
    }
}

/// Counts a decision on its day; one without a time has none.
pub(super) fn count_on_day(
    days: &mut BTreeMap<Date, DecisionTally>,
    at: Option<Timestamp>,
    zone: &TimeZone,
    agrees: bool,
) {
    let Some(at) = at else { return };
    let day = zone.to_datetime(at).date();
    days.entry(day).or_default().count(agrees);
    if days.len() > DAYS_MAX {
        days.pop_first();
    }
}
