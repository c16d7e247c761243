//! Parses lengths of time as people write them.

use std::time::Duration;

pub(crate) const DAY: Duration = Duration::from_secs(86_400);

/// Understands `500ms`, `90s`, `15m`, `4h`, `30d` and sequences of these such as `1h30m`, larger units first.
pub(crate) fn parse_duration(text: &str) -> Option<Duration> {
    if text == "0" {
        return Some(Duration::ZERO);
    }
    let (days, rest) = match text.split_once('d') {
        Some((days, rest)) if days.bytes().all(|byte| byte.is_ascii_digit()) => (days.parse().ok()?, rest),
        _ => (0_u64, text),
    };
    let days = Duration::from_secs(days.checked_mul(DAY.as_secs())?);
    if rest.is_empty() && !text.is_empty() {
        return Some(days);
    }
    // jiff reads more than the contract allows: fractions, spaces, signs, and the names of units in full.
    let is_plain = |byte: u8| byte.is_ascii_digit() || b"hms".contains(&byte);
    let length: jiff::SignedDuration = rest.bytes().all(is_plain).then(|| rest.parse().ok())??;
    days.checked_add(Duration::try_from(length).ok()?)
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
            ("1d", Some(86_400_000)),
            ("1d12h", Some(129_600_000)),
            ("0d", Some(0)),
            ("d", None),
            ("1h1d", None),
            ("1.5d", None),
            ("99999999999999999999d", None),
            ("999999999999999999d", None),
        ] {
            assert_eq!(parse_duration(text), ms.map(Duration::from_millis), "{text:?}");
        }
    }
}
