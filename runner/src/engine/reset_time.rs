//! The time of day, or the date with it, at which an engine says that it may be used again: `resets 3pm (Europe/Paris)`,
//! `try again at Nov 30th, 2026 3:05 PM`. Pure: instant and time zone are handed in.

use jiff::civil::{Date, Time};
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};

/// The words that stand before the time.
const RESET_PHRASES: [&str; 3] = ["resets ", "reset at ", "again at "];
const MONTHS: [&str; 12] = [
    "jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec",
];
/// A time of day that was so recently means that one, and not the next: engines round it, and the run that tells it took
/// its time.
const JUST_PAST: SignedDuration = SignedDuration::from_hours(1);

/// What a line tells.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum ResetInstant {
    TimeOfDay(Timestamp),
    Dated(Timestamp),
    /// The time is told in this zone.
    UnknownZone(String),
}

/// The instant that the line means. `host` is the zone of a line that names none.
pub(super) fn read(line: &str, now: Timestamp, host: &TimeZone) -> Option<ResetInstant> {
    // No byte changes its place by it.
    let low = line.to_ascii_lowercase();
    let place = RESET_PHRASES
        .iter()
        .find_map(|phrase| Some(low.rfind(phrase)? + phrase.len()))?;
    let reset = ResetTime::read(&low[place..]);
    let time = reset.time?;
    let zone = match zone_name(&line[place..]) {
        None => host.clone(),
        Some(name) => match TimeZone::get(name) {
            Ok(zone) => zone,
            Err(_) => return Some(ResetInstant::UnknownZone(name.to_owned())),
        },
    };
    let today = now.to_zoned(zone.clone()).date();
    let at = |date: Date| Some(date.to_datetime(time).to_zoned(zone.clone()).ok()?.timestamp());
    let (Some(month), Some(day)) = (reset.month, reset.day) else {
        let days = [today.yesterday(), Ok(today), today.tomorrow()];
        let mut instants = days.into_iter().flatten().filter_map(at);
        let next = instants.find(|at| now.duration_since(*at) < JUST_PAST);
        return next.map(ResetInstant::TimeOfDay);
    };
    let in_year = |year: i16| at(Date::new(year, month, day).ok()?);
    let dated = match reset.year {
        Some(year) => in_year(year),
        // The nearest one: at the turn of the year that is another year than this one.
        None => {
            let years = [today.year() - 1, today.year(), today.year() + 1];
            let found = years.into_iter().filter_map(in_year);
            found.min_by_key(|at| at.duration_since(now).abs())
        }
    };
    dated.map(ResetInstant::Dated)
}

/// `... (Europe/Paris)`, `... Europe/Paris`, `... UTC`.
fn zone_name(text: &str) -> Option<&str> {
    let in_brackets = text
        .split_once('(')
        .and_then(|(_, rest)| Some(rest.split_once(')')?.0));
    match in_brackets {
        Some(name) => Some(name.trim()).filter(|name| !name.is_empty() && !name.contains(' ')),
        None => text
            .split_whitespace()
            .map(|word| word.trim_end_matches(['.', ',', ';']))
            .take_while(|word| !word.contains("://"))
            .find(|word| ["UTC", "GMT"].contains(word) || is_place(word)),
    }
}

fn is_place(word: &str) -> bool {
    word.contains('/') && word.starts_with(|first: char| first.is_ascii_uppercase())
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

    fn instant(line: &str, now: &str, host: &TimeZone) -> Option<Timestamp> {
        match read(line, now.parse().unwrap(), host)? {
            ResetInstant::TimeOfDay(at) | ResetInstant::Dated(at) => Some(at),
            ResetInstant::UnknownZone(_) => None,
        }
    }

    fn check(now: &str, cases: &[(&str, Option<&str>)]) {
        for (line, expected) in cases {
            let expected = expected.map(|text| text.parse::<Timestamp>().unwrap());
            assert_eq!(instant(line, now, &TimeZone::UTC), expected, "{line}");
        }
    }

    #[test]
    fn the_next_instant_that_is_meant_is_found_in_its_own_time_zone() {
        let cases = [
            ("limit · resets 3:30pm", Some("2026-11-26T15:30:00Z")),
            ("limit · resets 3pm (UTC)", Some("2026-11-26T15:00:00Z")),
            ("limit · resets 2pm", Some("2026-11-27T14:00:00Z")),
            ("limit · resets 12am", Some("2026-11-27T00:00:00Z")),
            ("limit · resets Nov 28, 3pm", Some("2026-11-28T15:00:00Z")),
            ("limit · resets Jan 2, 12pm", Some("2027-01-02T12:00:00Z")),
            (
                "or try again at Nov 30th, 2026 3:05 PM.",
                Some("2026-11-30T15:05:00Z"),
            ),
            ("try again at 3:05 pm.", Some("2026-11-26T15:05:00Z")),
            ("try again at 16:20", Some("2026-11-26T16:20:00Z")),
            ("resets 5pm Europe/Paris", Some("2026-11-26T16:00:00Z")),
            ("resets at 4pm UTC.", Some("2026-11-26T16:00:00Z")),
            ("it resets soon", None),
            ("resets 13pm", None),
            ("resets 3", None),
            ("try again later", None),
            ("resets 3pm (Mars/Olympus)", None),
        ];
        check("2026-11-26T15:00:00Z", &cases);
        let ahead = TimeZone::fixed(jiff::tz::offset(2));
        let found = instant("resets 6pm", "2026-11-26T15:00:00Z", &ahead).unwrap();
        assert_eq!(found, "2026-11-26T16:00:00Z".parse().unwrap());
    }

    #[test]
    fn an_instant_that_is_just_past_is_not_one_of_tomorrow_or_next_year() {
        let cases = [
            ("resets 8:14pm", Some("2026-11-26T20:14:00Z")),
            ("resets 8:16pm", Some("2026-11-26T20:16:00Z")),
            ("resets 7:15pm", Some("2026-11-27T19:15:00Z")),
            ("resets Nov 26, 8:14pm", Some("2026-11-26T20:14:00Z")),
            ("resets Nov 20, 8pm", Some("2026-11-20T20:00:00Z")),
        ];
        check("2026-11-26T20:15:00Z", &cases);
        check(
            "2027-01-01T00:01:00Z",
            &[("resets Dec 31, 11:59pm", Some("2026-12-31T23:59:00Z"))],
        );
        // Just past midnight, of a time before it.
        check(
            "2026-11-27T00:01:00Z",
            &[("resets 11:59pm", Some("2026-11-26T23:59:00Z"))],
        );
    }
}
