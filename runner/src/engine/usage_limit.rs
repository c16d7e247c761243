//! Whether an engine stopped because its user has used it up for a while, and for how long: pure, on what it printed.

use std::time::Duration;

use jiff::Timestamp;
use jiff::tz::TimeZone;

use super::reset_time;

/// The pause where the engine doesn't say when it may be used again.
const UNKNOWN_WAIT: Duration = Duration::from_secs(15 * 60);
/// Added to the time that an engine names, because engines round and clocks differ.
const WAIT_MIN: Duration = Duration::from_secs(60);
const WAIT_MAX: Duration = Duration::from_secs(8 * 24 * 60 * 60);

/// How long an engine has to pause, if the end of its output has one of these words. `host` is the time zone of its
/// times of day.
pub(super) fn wait(tail: &str, phrases: &[String], now: Timestamp, host: &TimeZone) -> Option<Duration> {
    let low = tail.to_lowercase();
    let says = |line: &&str| phrases.iter().any(|phrase| line.contains(&phrase.to_lowercase()));
    let line = low.lines().rev().find(says)?;
    let named = instant(line)
        .or_else(|| reset_time::instant(line, now, host))
        .map(|at| Duration::try_from(at.duration_since(now)).unwrap_or_default())
        .or_else(|| length(line));
    Some(named.unwrap_or(UNKNOWN_WAIT).clamp(WAIT_MIN, WAIT_MAX))
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

    #[test]
    fn a_limit_is_seen_with_the_time_that_the_engine_tells() {
        let phrases = [String::from("usage limit")];
        let now = Timestamp::from_second(1_772_443_845).unwrap();
        for (tail, seconds) in [
            ("working\nAI usage limit reached|1772447445\n", Some(3600)),
            (
                "You've hit your usage limit. Try again in 1 day 3 hours 5 minutes.",
                Some(97_500),
            ),
            ("Usage limit: resets in 3h5m", Some(11_100)),
            ("usage limit reached", Some(900)),
            // 09:30:45 in UTC.
            ("Usage limit · resets 10am (UTC)", Some(1755)),
            (
                "5 hour usage limit reached. It will reset in 2 hours 5 minutes. To go on now, pay.",
                Some(7500),
            ),
            // Past already, and absurd.
            ("usage limit reached|1772443000", Some(60)),
            ("usage limit, again in 4000 days", Some(691_200)),
            ("the test of limits failed", None),
        ] {
            assert_eq!(
                wait(tail, &phrases, now, &TimeZone::UTC),
                seconds.map(Duration::from_secs),
                "{tail}"
            );
        }
    }
}
