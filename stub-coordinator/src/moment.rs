//! A point in time as the coordinator counts it: whole milliseconds, written as the contract wants it.

use std::fmt;
use std::time::Duration;

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

/// Milliseconds since 1970 in UTC.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Moment(i64);

impl Moment {
    /// Where a manual clock starts, so that two runs of a test write the same times: 2026-01-01.
    pub(crate) const MANUAL_START: Moment = Moment(1_767_225_600_000);

    pub(crate) fn from_millis(millis: i64) -> Moment {
        Moment(millis)
    }

    pub(crate) fn millis(self) -> i64 {
        self.0
    }

    pub(crate) fn after(self, by: Duration) -> Moment {
        Moment(
            self.0
                .saturating_add(i64::try_from(by.as_millis()).unwrap_or(i64::MAX)),
        )
    }

    pub(crate) fn after_ms(self, by_ms: u64) -> Moment {
        self.after(Duration::from_millis(by_ms))
    }

    /// Time from `earlier` to here; none where `earlier` is later.
    pub(crate) fn since(self, earlier: Moment) -> Duration {
        Duration::from_millis(u64::try_from(self.0.saturating_sub(earlier.0)).unwrap_or(0))
    }

    /// Reads exactly the form that the contract writes; anything else is none.
    pub(crate) fn parse(text: &str) -> Option<Moment> {
        let shape: Vec<bool> = text.bytes().map(|byte| byte.is_ascii_digit()).collect();
        let exact = text.len() == 24
            && text.char_indices().all(|(at, letter)| match at {
                4 | 7 => letter == '-',
                10 => letter == 'T',
                13 | 16 => letter == ':',
                19 => letter == '.',
                23 => letter == 'Z',
                _ => shape[at],
            });
        let timestamp: jiff::Timestamp = if exact { text.parse().ok()? } else { return None };
        Some(Moment(timestamp.as_millisecond()))
    }
}

impl fmt::Display for Moment {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match jiff::Timestamp::from_millisecond(self.0) {
            Ok(timestamp) => write!(formatter, "{timestamp:.3}"),
            // Only an absurdly advanced clock gets here.
            Err(_) => formatter.write_str("9999-12-31T23:59:59.999Z"),
        }
    }
}

impl Serialize for Moment {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Moment {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        Moment::parse(&text)
            .ok_or_else(|| de::Error::custom(format!("{text:?} is no instant of the contract")))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_moment_is_written_in_utc_with_three_decimals() {
        assert_eq!(Moment::MANUAL_START.to_string(), "2026-01-01T00:00:00.000Z");
        assert_eq!(
            Moment::MANUAL_START.after_ms(61_250).to_string(),
            "2026-01-01T00:01:01.250Z"
        );
    }

    #[test]
    fn only_the_contracts_form_is_read() {
        assert_eq!(
            Moment::parse("2026-01-01T00:00:00.000Z"),
            Some(Moment::MANUAL_START)
        );
        for text in [
            "2026-01-01T00:00:00Z",
            "2026-01-01 00:00:00.000Z",
            "2026-01-01T00:00:00.000+01:00",
            "2026-13-01T00:00:00.000Z",
            "now",
            "",
            "２026-01-01T00:00:00.000",
        ] {
            assert_eq!(Moment::parse(text), None, "{text}");
        }
    }
}
