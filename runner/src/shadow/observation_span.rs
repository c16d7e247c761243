//! From when to when the counted decisions are (clause R-3): those of one moment are about one moment's queue.
//!
//! Only the earliest and the latest instant count, so lines may come in any order, as several writers leave them. An
//! instant that can't be true (not one, in the future, before any clock was set) is none: it lengthens nothing.

use std::time::Duration;

use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};
use serde::Serialize;

use crate::fleet::wire::instant;
use crate::terminal::duration;

/// So many days of local time have a decision, at least; a day may be longer than 24 hours.
const DAYS_MIN: u64 = 2;
/// 2020-01-01: a clock that shows less was never set.
const CLOCK_SET: Timestamp = Timestamp::constant(1_577_836_800, 0);

/// When a line was written, as it says; none if that can't be true. `now` is when the log is read.
pub(crate) fn time_of_line(ts: Option<&str>, now: Timestamp) -> Option<Timestamp> {
    let at = ts?.parse::<Timestamp>().ok()?;
    (CLOCK_SET..=now).contains(&at).then_some(at)
}

/// How far apart the first and the last counted decision are.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct SpanFigures {
    /// Instants in UTC; none before there is a decision with a time.
    pub(crate) first: Option<String>,
    pub(crate) last: Option<String>,
    pub(crate) seconds: u64,
    pub(crate) seconds_min: u64,
    /// Of the host's calendar, from the first to the last.
    pub(crate) days: u64,
    pub(crate) days_min: u64,
    /// How much later than the last decision another one has to be; none before there is a decision with a time.
    pub(crate) needed_seconds: Option<u64>,
}

/// The earliest and the latest instant of a counted decision.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct ObservationSpan {
    ends: Option<(Timestamp, Timestamp)>,
}

impl ObservationSpan {
    /// Takes in the time of a counted decision.
    pub(crate) fn note(&mut self, at: Timestamp) {
        let (first, last) = self.ends.unwrap_or((at, at));
        self.ends = Some((first.min(at), last.max(at)));
    }

    /// In UTC; none before there is a decision with a time.
    pub(crate) fn first(self) -> Option<String> {
        self.ends.map(|(first, _)| instant(first))
    }

    /// `span_min`: from the first to the last decision, at least.
    pub(crate) fn figures(self, zone: &TimeZone, span_min: Duration) -> SpanFigures {
        let span_min = SignedDuration::try_from(span_min).unwrap_or(SignedDuration::MAX);
        let seconds = |length: SignedDuration| length.as_secs().unsigned_abs();
        // What is missing is not made less than it is.
        let rounded_up = |length: SignedDuration| seconds(length) + u64::from(length.subsec_nanos() > 0);
        let shown = self.ends.map(|(first, last)| (instant(first), instant(last)));
        let (first, last) = shown.unzip();
        SpanFigures {
            first,
            last,
            seconds: seconds(self.length()),
            seconds_min: seconds(span_min),
            days: self.days(zone),
            days_min: DAYS_MIN,
            needed_seconds: self.missing(zone, span_min).map(rounded_up),
        }
    }

    fn length(self) -> SignedDuration {
        self.ends
            .map_or(SignedDuration::ZERO, |(first, last)| last.duration_since(first))
    }

    /// The calendar days from the first decision to the last, both counted.
    pub(crate) fn days(self, zone: &TimeZone) -> u64 {
        self.ends.map_or(0, |ends| {
            let [first, last] = <[Timestamp; 2]>::from(ends).map(|at| zone.to_datetime(at).date());
            first
                .until(last)
                .map_or(0, |between| between.get_days().unsigned_abs().into())
                + 1
        })
    }

    /// How much later than the last decision another one has to be; none where that can't be said.
    fn missing(self, zone: &TimeZone, span_min: SignedDuration) -> Option<SignedDuration> {
        let (first, last) = self.ends?;
        let next_day = first
            .to_zoned(zone.clone())
            .tomorrow()
            .and_then(|tomorrow| tomorrow.start_of_day())
            .ok()?;
        let enough = first.checked_add(span_min).ok()?.max(next_day.timestamp());
        Some(enough.duration_since(last).max(SignedDuration::ZERO))
    }
}

impl SpanFigures {
    pub(crate) fn shown(&self) -> String {
        let days = if self.days == 1 { "day" } else { "days" };
        format!(
            "{} over {} {days}",
            duration(Duration::from_secs(self.seconds)),
            self.days
        )
    }

    pub(crate) fn has_to_be(&self) -> String {
        format!(
            "{}h over {} days of local time",
            self.seconds_min / 3600,
            self.days_min
        )
    }
}

#[cfg(test)]
mod tests;
