//! The time of day, or the date with it, at which an engine says that it may be used again: `resets 3pm (Europe/Paris)`,
//! `try again at Nov 30th, 2026 3:05 PM`. Pure: instant and time zone are handed in.

use jiff::Timestamp;
use jiff::civil::{Date, Time};
use jiff::tz::TimeZone;

/// The words that stand before the time.
const RESET_PHRASES: [&str; 3] = ["resets ", "reset at ", "again at "];
const MONTHS: [&str; 12] = [
    "jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec",
];

/// The next instant that the line can mean. `line` is in lower case; `host` is the zone of a line that names none.
pub(super) fn instant(line: &str, now: Timestamp, host: &TimeZone) -> Option<Timestamp> {
    let rest = RESET_PHRASES
        .iter()
        .find_map(|mark| Some(line.rsplit_once(mark)?.1))?;
    let zone = named_zone(rest).unwrap_or_else(|| host.clone());
    let reset = ResetTime::read(rest);
    let time = reset.time?;
    let today = now.to_zoned(zone.clone()).date();
    let at = |date: Date| Some(date.to_datetime(time).to_zoned(zone.clone()).ok()?.timestamp());
    match (reset.month, reset.day) {
        (Some(month), Some(day)) => {
            let year = reset.year.unwrap_or(today.year());
            let first = at(Date::new(year, month, day).ok()?)?;
            match reset.year {
                None if first < now => at(Date::new(year.checked_add(1)?, month, day).ok()?),
                _ => Some(first),
            }
        }
        _ => match at(today)? {
            first if first < now => at(today.tomorrow().ok()?),
            first => Some(first),
        },
    }
}

/// `... (Europe/Paris)`
fn named_zone(text: &str) -> Option<TimeZone> {
    let (_, rest) = text.split_once('(')?;
    TimeZone::get(rest.split_once(')')?.0).ok()
}

#[derive(Default)]
struct ResetTime {
    year: Option<i16>,
    month: Option<i8>,
    day: Option<i8>,
    time: Option<Time>,
}

impl ResetTime {
    /// Cuts at the first word that belongs to no date or time.
    fn read(text: &str) -> ResetTime {
        let mut reset = ResetTime::default();
        let mut words = text
            .split(|letter: char| letter.is_whitespace() || letter == ',')
            .map(|word| word.trim_end_matches(['.', ';']))
            .filter(|word| !word.is_empty())
            .peekable();
        while let Some(word) = words.next() {
            let month = MONTHS.iter().position(|month| {
                word.starts_with(month) && word.bytes().all(|byte| byte.is_ascii_lowercase())
            });
            let day = word.trim_end_matches(['s', 't', 'n', 'd', 'r', 'h']);
            match (month, word, day.parse::<i16>()) {
                (Some(month), ..) => reset.month = i8::try_from(month + 1).ok(),
                (_, "at", _) => {}
                (_, _, Ok(year)) if year > 31 && reset.month.is_some() => reset.year = Some(year),
                (_, _, Ok(day)) if reset.month.is_some() && reset.day.is_none() => {
                    reset.day = i8::try_from(day).ok();
                }
                _ => {
                    reset.time = time(word, words.peek().copied());
                    return reset;
                }
            }
        }
        reset
    }
}

/// `3pm`, `3:05 pm`, `15:05`.
fn time(word: &str, next: Option<&str>) -> Option<Time> {
    let half = |text: &str| ["am", "pm"].into_iter().find(|half| text == *half);
    let (digits, half) = match ["am", "pm"].into_iter().find(|half| word.ends_with(half)) {
        Some(found) => (word.strip_suffix(found)?, Some(found)),
        None => (word, next.and_then(half)),
    };
    let (hour, minute) = digits.split_once(':').unwrap_or((digits, "0"));
    let (hour, minute): (i8, i8) = (hour.parse().ok()?, minute.parse().ok()?);
    let hour = match half {
        Some(half) if (1..=12).contains(&hour) => hour % 12 + if half == "pm" { 12 } else { 0 },
        Some(_) => return None,
        // A bare number is no time of day.
        None => digits.contains(':').then_some(hour)?,
    };
    Time::new(hour, minute, 0, 0).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_next_instant_that_is_meant_is_found_in_its_own_time_zone() {
        let now: Timestamp = "2026-11-26T15:00:00Z".parse().unwrap();
        for (line, expected) in [
            ("limit · resets 3:30pm", Some("2026-11-26T15:30:00Z")),
            ("limit · resets 3pm (utc)", Some("2026-11-26T15:00:00Z")),
            ("limit · resets 2pm", Some("2026-11-27T14:00:00Z")),
            ("limit · resets 12am", Some("2026-11-27T00:00:00Z")),
            ("limit · resets nov 28, 3pm", Some("2026-11-28T15:00:00Z")),
            ("limit · resets jan 2, 12pm", Some("2027-01-02T12:00:00Z")),
            (
                "or try again at nov 30th, 2026 3:05 pm.",
                Some("2026-11-30T15:05:00Z"),
            ),
            ("try again at 3:05 pm.", Some("2026-11-26T15:05:00Z")),
            ("try again at 16:20", Some("2026-11-26T16:20:00Z")),
            ("it resets soon", None),
            ("resets 13pm", None),
            ("resets 3", None),
            ("try again later", None),
        ] {
            let expected = expected.map(|text| text.parse::<Timestamp>().unwrap());
            assert_eq!(instant(line, now, &TimeZone::UTC), expected, "{line}");
        }
        let ahead = TimeZone::fixed(jiff::tz::offset(2));
        let found = instant("resets 6pm", now, &ahead).unwrap();
        assert_eq!(found, "2026-11-26T16:00:00Z".parse().unwrap());
    }
}
