//! A length of time as scenarios write it: `20ms`, `5s`, `1h30m`, with a leading `+` where a clock is moved.

use std::time::Duration;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer, de::Error};

/// A length of time written with its units.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DurationText(pub Duration);

impl DurationText {
    /// Reads `1h30m`; `None` where a number lacks its unit, a unit is unknown, or nothing is there.
    pub fn parse(text: &str) -> Option<DurationText> {
        let mut rest = text.strip_prefix('+').unwrap_or(text);
        let mut total = Duration::ZERO;
        if rest.is_empty() {
            return None;
        }
        while !rest.is_empty() {
            let digits = rest.find(|character: char| !character.is_ascii_digit())?;
            let number: u64 = rest[..digits].parse().ok()?;
            rest = &rest[digits..];
            let unit_ends = rest
                .find(|character: char| character.is_ascii_digit())
                .unwrap_or(rest.len());
            let milliseconds = match &rest[..unit_ends] {
                "ms" => 1,
                "s" => 1_000,
                "m" => 60_000,
                "h" => 3_600_000,
                _ => return None,
            };
            total = total.checked_add(Duration::from_millis(number.checked_mul(milliseconds)?))?;
            rest = &rest[unit_ends..];
        }
        Some(DurationText(total))
    }
}

impl<'de> Deserialize<'de> for DurationText {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<DurationText, D::Error> {
        let text = String::deserialize(deserializer)?;
        DurationText::parse(&text).ok_or_else(|| {
            D::Error::custom(format!(
                "`{text}` is no length of time; write one like `20ms`, `5s` or `1h30m`"
            ))
        })
    }
}

impl JsonSchema for DurationText {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Span".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": "string", "pattern": "^\\+?([0-9]+(ms|s|m|h))+$" })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn units_add_up() {
        assert_eq!(
            DurationText::parse("1h30m"),
            Some(DurationText(Duration::from_secs(5_400)))
        );
        assert_eq!(
            DurationText::parse("+60s"),
            Some(DurationText(Duration::from_secs(60)))
        );
        assert_eq!(
            DurationText::parse("20ms"),
            Some(DurationText(Duration::from_millis(20)))
        );
    }

    #[test]
    fn a_number_without_a_unit_is_refused() {
        for text in ["", "+", "20", "5 s", "s", "1d", "99999999999999999999s"] {
            assert_eq!(DurationText::parse(text), None, "{text:?}");
        }
    }
}
