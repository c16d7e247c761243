//! For how long an engine that is used up has to pause: pure, on what it tells.

use std::time::Duration;

use jiff::Timestamp;
use jiff::tz::TimeZone;

use super::reset_time::{self, ResetInstant};

/// The pause where the engine doesn't say when it may be used again.
const UNKNOWN_WAIT: Duration = Duration::from_secs(15 * 60);
/// Added to the time that an engine names, because engines round and clocks differ.
const WAIT_MIN: Duration = Duration::from_secs(60);
/// Where it tells no date, a mistake of its, or of the reading, costs half a day at most.
const WAIT_MAX: Duration = Duration::from_secs(12 * 60 * 60);
const WAIT_MAX_DATED: Duration = Duration::from_secs(8 * 24 * 60 * 60);

#[derive(Debug, PartialEq, Eq)]
pub(super) struct LimitPause {
    pub(super) pause: Duration,
    /// The zone of the time that it tells, if nobody here knows it: the time counts for nothing then.
    pub(super) unknown_zone: Option<String>,
}

/// `told`: the instant that the engine tells in an event; else it is looked for in its words. `host` is the time zone of a
/// time of day without one.
pub(super) fn read(line: &str, told: Option<Timestamp>, now: Timestamp, host: &TimeZone) -> LimitPause {
    let low = line.to_ascii_lowercase();
    let until = |at: Timestamp| Duration::try_from(at.duration_since(now)).unwrap_or_default();
    let (pause, unknown_zone) = match told.or_else(|| instant(&low)) {
        Some(at) => (until(at).min(WAIT_MAX_DATED), None),
        None => match reset_time::read(line, now, host) {
            Some(ResetInstant::Dated(at)) => (until(at).min(WAIT_MAX_DATED), None),
            Some(ResetInstant::TimeOfDay(at)) => (until(at).min(WAIT_MAX), None),
            Some(ResetInstant::UnknownZone(zone)) => (UNKNOWN_WAIT, Some(zone)),
            None => (length(&low).unwrap_or(UNKNOWN_WAIT).min(WAIT_MAX), None),
        },
    };
    LimitPause {
        pause: pause.max(WAIT_MIN),
        unknown_zone,
    }
}
/// `...|1772443845`: seconds since 1970.
fn instant(line: &str) -> Option<Timestamp> {
    let digits = line.rsplit('|').next().filter(|_| line.contains('|'))?.trim();
    let at = digits.get(..10).filter(|_| digits.len() == 10)?.parse().ok()?;
    Timestamp::from_second(at).ok()
}

/// `... in 2 days 3 hours 5 minutes`, `... in 90s`.
fn length(line: &str) -> Option<Duration> {
    let (_, rest) = line.rsplit_once(" in ")?;
    let mut seconds: u64 = 0;
    let mut number: Option<u64> = None;
    let spaced: String = split_units(rest);
    for word in spaced.split_whitespace() {
        match (word.parse::<u64>(), number) {
            (Ok(found), _) => number = Some(found),
            (Err(_), Some(count)) => {
                let unit = match word.trim_end_matches(['.', ',']) {
                    "d" | "day" | "days" => 86_400,
                    "h" | "hour" | "hours" => 3600,
                    "m" | "min" | "minute" | "minutes" => 60,
                    "s" | "sec" | "second" | "seconds" => 1,
                    _ => break,
                };
                seconds = seconds.saturating_add(count.saturating_mul(unit));
                number = None;
            }
            (Err(_), None) => {}
        }
    }
    (seconds > 0).then(|| Duration::from_secs(seconds))
}

/// `3h5m` becomes `3 h 5 m`.
fn split_units(text: &str) -> String {
    let mut spaced = String::new();
    let mut was_digit = None;
    for letter in text.chars() {
        if was_digit.is_some_and(|was| was != letter.is_ascii_digit()) {
            spaced.push(' ');
        }
        was_digit = Some(letter.is_ascii_digit());
        spaced.push(letter);
    }
    spaced
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pause(line: &str) -> u64 {
        let now = Timestamp::from_second(1_772_443_845).unwrap(); // 09:30:45 in UTC
        read(line, None, now, &TimeZone::UTC).pause.as_secs()
    }

    #[test]
    fn the_pause_lasts_until_the_time_that_the_engine_tells() {
        for (line, seconds) in [
            ("AI usage limit reached|1772447445", 3600),
            (
                "You've hit your usage limit. Try again in 1 hour 3 minutes.",
                3780,
            ),
            ("Usage limit: resets in 3h5m", 11_100),
            ("usage limit reached", 900),
            ("Usage limit · resets 10am (UTC)", 1755),
            (
                "5 hour usage limit reached. It will reset in 2 hours 5 minutes. To go on now, pay.",
                7500,
            ),
        ] {
            assert_eq!(pause(line), seconds, "{line}");
        }
    }

    #[test]
    fn a_pause_is_bounded_and_what_is_just_past_is_now() {
        let (half_a_day, eight_days) = (43_200, 691_200);
        for (line, seconds) in [
            ("usage limit reached|1772443000", 60),
            ("usage limit · resets 9:29am", 60),
            ("usage limit · resets 9:31am", 60),
            ("usage limit, again in 4000 days", half_a_day),
            ("usage limit, again in 2 days", half_a_day),
            ("usage limit · resets 8am", half_a_day),
            ("usage limit|1999999999", eight_days),
            ("usage limit, try again at Mar 3rd, 2027 3:05 PM", eight_days),
            ("usage limit, try again at Mar 4th, 2026 9:30 AM", 172_755),
        ] {
            assert_eq!(pause(line), seconds, "{line}");
        }
    }

    #[test]
    fn an_instant_in_an_event_goes_before_the_words() {
        let now = Timestamp::from_second(1_772_443_845).unwrap();
        let told = |seconds: i64| Timestamp::from_second(1_772_443_845 + seconds).ok();
        let pause = |seconds| {
            read("resets 3pm", told(seconds), now, &TimeZone::UTC)
                .pause
                .as_secs()
        };
        assert_eq!([pause(7200), pause(-5), pause(34_560_000)], [7200, 60, 691_200]);
    }

    #[test]
    fn a_time_zone_that_nobody_knows_is_told_and_no_other_takes_its_place() {
        let now = Timestamp::from_second(1_772_443_845).unwrap();
        let read = |line: &str| super::read(line, None, now, &TimeZone::UTC);
        let found = read("You've hit your limit · resets 10am (Mars/Olympus)");
        let zone = Some("Mars/Olympus".to_owned());
        assert_eq!((found.pause.as_secs(), found.unknown_zone), (900, zone));
        assert_eq!(read("limit · resets 7pm (Asia/Tokyo)").pause.as_secs(), 1755);
    }
}
