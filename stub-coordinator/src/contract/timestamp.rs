//! A point in time as the coordinator counts it: whole milliseconds, written as the contract wants it.

use std::fmt;
use std::time::Duration;

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

/// Milliseconds since 1970 in UTC.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct UtcTimestamp(i64);

impl UtcTimestamp {
    /// Where a manual clock starts, so that two runs of a test write the same times: 2026-01-01.
    pub(crate) const MANUAL_START: UtcTimestamp = UtcTimestamp(1_767_225_600_000);

    /// As late as can be written and read again. No clock goes further, however far it is moved.
    pub(crate) const LAST: UtcTimestamp = UtcTimestamp(253_402_207_200_000);

    /// As early as four digits of a year can tell.
    const FIRST: UtcTimestamp = UtcTimestamp(-62_167_219_200_000);

    pub(crate) fn from_millis(millis: i64) -> UtcTimestamp {
        UtcTimestamp(millis)
    }

    pub(crate) fn millis(self) -> i64 {
        self.0
    }

    pub(crate) fn after(self, by: Duration) -> UtcTimestamp {
        let by = i64::try_from(by.as_millis()).unwrap_or(i64::MAX);
        UtcTimestamp(self.0.saturating_add(by)).min(UtcTimestamp::LAST)
    }

    pub(crate) fn after_ms(self, by_ms: u64) -> UtcTimestamp {
        self.after(Duration::from_millis(by_ms))
    }

    /// Time from `earlier` to here; none where `earlier` is later.
    pub(crate) fn since(self, earlier: UtcTimestamp) -> Duration {
        Duration::from_millis(u64::try_from(self.0.saturating_sub(earlier.0)).unwrap_or(0))
    }

    /// Reads the form that the contract writes, and the same without its decimals; anything else is none.
    pub(crate) fn parse(text: &str) -> Option<UtcTimestamp> {
        let has_form = |form: &[u8]| {
            let fits = |(byte, form): (u8, &u8)| match form {
                b'0' => byte.is_ascii_digit(),
                form => byte == *form,
            };
            text.len() == form.len() && text.bytes().zip(form).all(fits)
        };
        let exact = has_form(b"0000-00-00T00:00:00.000Z") || has_form(b"0000-00-00T00:00:00Z");
        let timestamp: jiff::Timestamp = if exact { text.parse().ok()? } else { return None };
        Some(UtcTimestamp(timestamp.as_millisecond()))
    }
}

impl fmt::Display for UtcTimestamp {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Only an absurd skew leaves the years that four digits can tell.
        let told = (*self).clamp(UtcTimestamp::FIRST, UtcTimestamp::LAST);
        let timestamp = jiff::Timestamp::from_millisecond(told.0).unwrap_or_default();
        write!(formatter, "{timestamp:.3}")
    }
}

impl Serialize for UtcTimestamp {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for UtcTimestamp {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        UtcTimestamp::parse(&text)
            .ok_or_else(|| de::Error::custom(format!("{text:?} is no instant of the contract")))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_moment_is_written_in_utc_with_three_decimals() {
        assert_eq!(UtcTimestamp::MANUAL_START.to_string(), "2026-01-01T00:00:00.000Z");
        assert_eq!(
            UtcTimestamp::MANUAL_START.after_ms(61_250).to_string(),
            "2026-01-01T00:01:01.250Z"
        );
        assert_eq!(UtcTimestamp(-1).to_string(), "1969-12-31T23:59:59.999Z");
    }

    #[test]
    fn beyond_what_can_be_written_there_is_the_last_moment_and_the_first() {
        for (beyond, told, edge) in [
            (i64::MAX, "9999-12-30T22:00:00.000Z", UtcTimestamp::LAST),
            (i64::MIN, "0000-01-01T00:00:00.000Z", UtcTimestamp::FIRST),
        ] {
            assert_eq!(UtcTimestamp(beyond).to_string(), told);
            assert_eq!(UtcTimestamp::parse(told), Some(edge), "{told}");
        }
        assert_eq!(
            UtcTimestamp::MANUAL_START.after(Duration::MAX),
            UtcTimestamp::LAST
        );
    }

    #[test]
    fn every_moment_is_read_back_as_it_was_written() {
        // Steps of about 21 days and some odd milliseconds, over six hundred years and every field's range.
        for step in 0..10_000_i64 {
            let moment = UtcTimestamp(step * 1_834_567_891);
            assert_eq!(
                UtcTimestamp::parse(&moment.to_string()),
                Some(moment),
                "{}",
                moment.0
            );
        }
    }

    #[test]
    fn only_the_contracts_form_is_read() {
        assert_eq!(
            UtcTimestamp::parse("2026-01-01T00:00:00.000Z"),
            Some(UtcTimestamp::MANUAL_START)
        );
        assert_eq!(
            UtcTimestamp::parse("2026-01-01T00:00:01Z"),
            Some(UtcTimestamp::MANUAL_START.after_ms(1_000))
        );
        for text in [
            "2026-01-01T00:00:00",
            "2026-01-01T00:00:00.Z",
            "2026-01-01T00:00:00.0Z",
            "2026-01-01T00:00:00.000000Z",
            "2026-01-01 00:00:00.000Z",
            "2026-01-01T00:00:00.000+01:00",
            "2026-13-01T00:00:00.000Z",
            "now",
            "",
            "２026-01-01T00:00:00.000",
        ] {
            assert_eq!(UtcTimestamp::parse(text), None, "{text}");
        }
    }
}
