//! Where the chart of a page has what: a bar for each day, upward what agrees and downward what does not, and behind them
//! each epoch as a band. Pure arithmetic; the template draws.

use jiff::civil::{Date, DateTime};
use jiff::tz::TimeZone;
use jiff::{Timestamp, ToSpan};
use serde::Serialize;

use crate::shadow::decision_stratum::DecisionTally;
use crate::shadow::report::{EpochSummary, ShadowReport};

/// So many days have room at least, so that the bar of a single one is no wall.
const DAYS_MIN: f64 = 14.0;
/// The bands of each factory are in a row of their own; those of all further ones share the last.
const ROWS_MAX: usize = 6;
/// Of the bars and the bands, in pixels.
const HEIGHT: f64 = 200.0;
/// What is there is seen, however little it is, in pixels.
const SEEN_MIN: f64 = 3.0;
/// What the lower bars have at least where there is one, in pixels: the text beside them has to fit.
const LOWER_MIN: f64 = 18.0;
/// A band that is narrower has no number, in per cent of the width.
const NUMBERED_MIN: f64 = 2.5;
const DAY_SECONDS: f64 = 86_400.0;

/// Places from left to right are in per cent of the width, so that texts keep their size on any screen; those from top
/// to bottom are in pixels.
#[derive(Debug, PartialEq, Serialize)]
pub(super) struct AgreementChart {
    height: f64,
    /// Where agreements end and disagreements begin.
    zero: f64,
    most_agree: u64,
    most_disagree: u64,
    /// The days at the left, in the middle and at the right.
    labels: [String; 3],
    pub(super) days: Vec<ChartDay>,
    bands: Vec<EpochBand>,
    /// Of the days, those that are not counted included.
    all: DecisionTally,
    has_uncounted: bool,
}

#[derive(Debug, PartialEq, Serialize)]
pub(super) struct ChartDay {
    day: String,
    counted: DecisionTally,
    /// Of evidence that is not counted, such as an earlier epoch.
    uncounted: DecisionTally,
    x: f64,
    width: f64,
    bars: Vec<ChartBar>,
}

#[derive(Debug, PartialEq, Serialize)]
struct ChartBar {
    /// What the style of the page knows it by.
    kind: &'static str,
    y: f64,
    height: f64,
}

#[derive(Debug, PartialEq, Serialize)]
struct EpochBand {
    /// Its number in the list of the epochs, from 1.
    number: usize,
    is_numbered: bool,
    is_current: bool,
    x: f64,
    width: f64,
    y: f64,
    height: f64,
}

impl AgreementChart {
    /// None if no decision has a time.
    pub(super) fn of(report: &ShadowReport, zone: &TimeZone) -> Option<AgreementChart> {
        let axis = TimeAxis::of(report)?;
        let (mut all, mut most) = (DecisionTally::default(), DecisionTally::default());
        for tally in report.days.values() {
            all.agree += tally.agree;
            all.disagree += tally.disagree;
            most.agree = most.agree.max(tally.agree);
            most.disagree = most.disagree.max(tally.disagree);
        }
        let scale = BarScale::of(most);
        let days: Vec<ChartDay> = report
            .days
            .iter()
            .map(|(day, tally)| {
                let counted = report.figures.days.get(day).copied().unwrap_or_default();
                scale.day(&axis, *day, counted, *tally)
            })
            .collect();
        Some(AgreementChart {
            height: HEIGHT,
            zero: scale.zero,
            most_agree: most.agree,
            most_disagree: most.disagree,
            labels: axis.labels(),
            has_uncounted: days.iter().any(|day| day.uncounted.of() > 0),
            days,
            bands: bands(&report.epochs, &axis, zone),
            all,
        })
    }
}

/// From the first day to the end of the last one.
struct TimeAxis {
    first: Date,
    days: f64,
}

impl TimeAxis {
    fn of(report: &ShadowReport) -> Option<TimeAxis> {
        let (first, _) = report.days.first_key_value()?;
        let (last, _) = report.days.last_key_value()?;
        let days = f64::from(first.until(*last).ok()?.get_days()) + 1.0;
        let missing = (DAYS_MIN - days).max(0.0);
        Some(TimeAxis {
            first: first.checked_sub((missing as i64).days()).ok()?,
            days: days + missing,
        })
    }

    /// In per cent of the width; outside of 0 to 100 where it is not on the axis.
    fn x(&self, at: DateTime) -> f64 {
        let days = self
            .first
            .until(at.date())
            .map_or(0, |between| between.get_days());
        let midnight = at.date().to_datetime(jiff::civil::Time::midnight());
        let seconds = at.duration_since(midnight).as_secs_f64();
        (f64::from(days) + seconds / DAY_SECONDS) / self.days * 100.0
    }

    fn labels(&self) -> [String; 3] {
        [0.0, ((self.days - 1.0) / 2.0).floor(), self.days - 1.0].map(|days| {
            let day = self.first.checked_add((days as i64).days());
            day.map_or_else(|_| String::new(), |day| day.to_string())
        })
    }
}

/// How high the bars are: one scale for both directions.
struct BarScale {
    zero: f64,
    /// Pixels for one decision.
    unit: f64,
}

impl BarScale {
    /// For days of which none has more of either.
    fn of(most: DecisionTally) -> BarScale {
        let (up, down) = (most.agree as f64, most.disagree as f64);
        let in_proportion = HEIGHT * down / (up + down).max(1.0);
        let lower = match (most.agree, most.disagree) {
            (_, 0) => 0.0,
            (0, _) => HEIGHT,
            _ => in_proportion.clamp(LOWER_MIN, HEIGHT - LOWER_MIN),
        };
        let zero = HEIGHT - lower;
        // Nothing divided by nothing is no number, and `min` passes over it.
        BarScale {
            zero: rounded(zero),
            unit: (zero / up).min(lower / down),
        }
    }

    fn day(&self, axis: &TimeAxis, day: Date, counted: DecisionTally, all: DecisionTally) -> ChartDay {
        let uncounted = DecisionTally {
            agree: all.agree.saturating_sub(counted.agree),
            disagree: all.disagree.saturating_sub(counted.disagree),
        };
        let upward = self.stack("agree", counted.agree, uncounted.agree);
        let downward = self.stack("disagree", counted.disagree, uncounted.disagree);
        let upward = upward.into_iter().map(|(kind, from, height)| ChartBar {
            kind,
            y: rounded(self.zero - from - height),
            height,
        });
        let downward = downward.into_iter().map(|(kind, from, height)| ChartBar {
            kind,
            y: rounded(self.zero + from),
            height,
        });
        let bars = upward.chain(downward).filter(|bar| bar.height > 0.0).collect();
        let width = 100.0 / axis.days;
        ChartDay {
            day: day.to_string(),
            counted,
            uncounted,
            x: rounded(axis.x(day.to_datetime(jiff::civil::Time::midnight())) + width * 0.1),
            width: rounded((width * 0.8).max(0.1)),
            bars,
        }
    }

    /// What is counted stands on the line, the rest behind it: where each begins, and how long it is.
    fn stack(&self, kind: &'static str, counted: u64, uncounted: u64) -> [(&'static str, f64, f64); 2] {
        let [near, far] = [counted, uncounted].map(|count| match count {
            0 => 0.0,
            _ => rounded((count as f64 * self.unit).max(SEEN_MIN)),
        });
        [(kind, 0.0, near), ("uncounted", near, far)]
    }
}

/// In the order of their beginnings, so that an epoch within another one is in front of it.
fn bands(epochs: &[EpochSummary], axis: &TimeAxis, zone: &TimeZone) -> Vec<EpochBand> {
    let mut factories: Vec<&str> = Vec::new();
    let place = |at: &Option<String>| {
        let at: Timestamp = at.as_deref()?.parse().ok()?;
        Some(axis.x(zone.to_datetime(at)))
    };
    let mut bands = Vec::new();
    for (epoch, number) in epochs.iter().zip(1..) {
        if !factories.contains(&epoch.factory.as_str()) {
            factories.push(&epoch.factory);
        }
        let row = factories.iter().position(|factory| *factory == epoch.factory);
        if let (Some(first), Some(last)) = (place(&epoch.first), place(&epoch.last))
            && last >= 0.0
        {
            let (left, right) = (first.clamp(0.0, 100.0), last.clamp(0.0, 100.0));
            let width = (right - left).max(0.4);
            let row = row.unwrap_or_default().min(ROWS_MAX - 1);
            bands.push((
                row,
                EpochBand {
                    number,
                    is_numbered: width >= NUMBERED_MIN,
                    is_current: epoch.is_current,
                    x: rounded(left),
                    width: rounded(width),
                    y: 0.0,
                    height: 0.0,
                },
            ));
        }
    }
    let height = HEIGHT / factories.len().clamp(1, ROWS_MAX) as f64;
    let mut bands: Vec<EpochBand> = bands
        .into_iter()
        .map(|(row, band)| EpochBand {
            y: rounded(row as f64 * height),
            height: rounded(height),
            ..band
        })
        .collect();
    bands.sort_by(|one, other| one.x.total_cmp(&other.x));
    bands
}

/// A hundredth of a pixel is seen by nobody.
fn rounded(number: f64) -> f64 {
    (number * 100.0).round() / 100.0
}

#[cfg(test)]
mod tests;
