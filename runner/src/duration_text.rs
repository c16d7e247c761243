//! Parses lengths of time as people write them.

use std::time::Duration;

pub(crate) const DAY: Duration = Duration::from_secs(86_400);

/// Understands `500ms`, `90s`, `15m`, `4h` and sequences of these such as `1h30m`, larger units first.
pub(crate) fn parse_duration(text: &str) -> Option<Duration> {
    if text == "0" {
        return Some(Duration::ZERO);
    }
    // jiff reads more than the contract allows: fractions, spaces, signs, and the names of units in full.
    let is_plain = |byte: u8| byte.is_ascii_digit() || b"hms".contains(&byte);
    let length: jiff::SignedDuration = text.bytes().all(is_plain).then(|| text.parse().ok())??;
    Duration::try_from(length).ok()
}

/// Understands `30d`, and whatever else is a duration.
pub(crate) fn parse_age(text: &str) -> Option<Duration> {
    let days = text.strip_suffix('d').and_then(|days| days.parse::<u64>().ok());
    days.and_then(|days| Some(Duration::from_secs(days.checked_mul(DAY.as_secs())?)))
        .or_else(|| parse_duration(text))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_read_with_their_units() {
        for (text, ms) in [
            ("500ms", Some(500)),
            ("90s", Some(90_000)),
            ("15m", Some(900_000)),
            ("1h30m", Some(5_400_000)),
            ("1m500ms", Some(60_500)),
            ("0", Some(0)),
            ("0s", Some(0)),
            ("", None),
            ("5", None),
            ("s", None),
            ("-5s", None),
            ("5 s", None),
            ("1.5s", None),
            ("30m1h", None),
            ("5s5s", None),
            ("99999999999999999999s", None),
            ("9999999999999999h", None),
            ("5\u{a0}s", None),
            ("5d", None),
        ] {
            assert_eq!(parse_duration(text), ms.map(Duration::from_millis), "{text:?}");
        }
    }
}
