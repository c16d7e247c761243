//! A length of time as people write it in rules, options and requests.

use std::fmt;
use std::time::Duration;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

/// A length of time, written as text with a unit: `250ms`, `90s`, `1m30s`, `4h`; negative only where time may run back.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct SignedDuration {
    millis: i64,
}

impl SignedDuration {
    /// A span of whole milliseconds.
    pub fn of(time: Duration) -> SignedDuration {
        SignedDuration {
            millis: i64::try_from(time.as_millis()).unwrap_or(i64::MAX),
        }
    }

    /// Milliseconds, negative for a span back in time.
    pub fn millis(self) -> i64 {
        self.millis
    }

    /// The span as a duration; none where it runs back.
    pub fn forward(self) -> Option<Duration> {
        u64::try_from(self.millis).ok().map(Duration::from_millis)
    }

    /// Reads `1m30s` and its like.
    pub fn parse(text: &str) -> Option<SignedDuration> {
        let (sign, mut rest) = match text.strip_prefix(['-', '+']) {
            Some(rest) => (if text.starts_with('-') { -1 } else { 1 }, rest),
            None => (1, text),
        };
        let mut millis: i64 = 0;
        let mut any = false;
        while !rest.is_empty() {
            let digits = rest.bytes().take_while(u8::is_ascii_digit).count();
            let number: i64 = rest.get(..digits)?.parse().ok()?;
            rest = &rest[digits..];
            let units = [("ms", 1), ("s", 1_000), ("m", 60_000), ("h", 3_600_000)];
            let (unit, factor) = units.into_iter().find(|(unit, _)| rest.starts_with(unit))?;
            rest = &rest[unit.len()..];
            millis = millis.checked_add(number.checked_mul(factor)?)?;
            any = true;
        }
        any.then_some(SignedDuration {
            millis: sign * millis,
        })
    }
}

impl fmt::Display for SignedDuration {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let millis = self.millis;
        match millis {
            0 => formatter.write_str("0s"),
            _ if millis % 3_600_000 == 0 => write!(formatter, "{}h", millis / 3_600_000),
            _ if millis % 60_000 == 0 => write!(formatter, "{}m", millis / 60_000),
            _ if millis % 1_000 == 0 => write!(formatter, "{}s", millis / 1_000),
            _ => write!(formatter, "{millis}ms"),
        }
    }
}

impl Serialize for SignedDuration {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for SignedDuration {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        SignedDuration::parse(&text).ok_or_else(|| {
            de::Error::custom(format!(
                "{text:?} is no length of time; write it like 250ms, 90s, 1m30s or 4h"
            ))
        })
    }
}

impl JsonSchema for SignedDuration {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "SignedDuration".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "type": "string",
            "pattern": "^[+-]?([0-9]+(ms|s|m|h))+$",
            "description": "A length of time with its unit: 250ms, 90s, 1m30s, 4h."
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lengths_of_time_are_read_and_written_with_their_unit() {
        for (text, millis) in [
            ("250ms", 250),
            ("1m30s", 90_000),
            ("4h", 14_400_000),
            ("-10s", -10_000),
            ("0s", 0),
        ] {
            assert_eq!(
                SignedDuration::parse(text).map(SignedDuration::millis),
                Some(millis),
                "{text}"
            );
        }
        for text in ["", "10", "s", "1 s", "1d", "-", "1s2", "99999999999999999999h"] {
            assert_eq!(SignedDuration::parse(text), None, "{text}");
        }
        assert_eq!(SignedDuration { millis: 90_000 }.to_string(), "90s");
        assert_eq!(SignedDuration { millis: 1_250 }.to_string(), "1250ms");
    }
}
