//! `[gate]` of `aq.toml`: what a coordinator has to have shown before it may decide (clause R-3).
//!
//! A policy has a name, so that a verdict can say by which numbers it was reached. Each number has a floor: below it the
//! verdict would say nothing, so such a number is refused.

use std::time::Duration;

use serde::Serialize;

use super::SettingsError;
use super::config_file::ConfigFile;
use super::known_keys::{self, SettingKey};
use super::setting_value::{RawSetting, TypedValue};
use crate::duration_text::parse_duration;

const HOUR: Duration = Duration::from_secs(3600);
const SPAN_FLOOR: Duration = HOUR.saturating_mul(24);
const SPAN_CEILING: Duration = HOUR.saturating_mul(24 * 365);

/// What the gate asks for, as a verdict shows it.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct GatePolicy {
    pub(crate) name: PolicyName,
    /// The agreement that has to be beaten; also that of the alarm.
    pub(crate) agreement_min: f64,
    /// The chance of promoting a coordinator that is not better than that, however often one looks.
    pub(crate) risk: f64,
    /// From the first to the last decision, at least; in seconds where it is serialized.
    #[serde(rename = "spanSeconds", serialize_with = "whole_seconds")]
    pub(crate) span_min: Duration,
    /// What each engine, with and without a lock, has to beat alone.
    pub(crate) stratum_agreement_min: f64,
    /// From this share of the decisions on.
    pub(crate) stratum_share_min: f64,
    pub(crate) coverage_min: f64,
    /// Of all decisions, those that could not be compared counted as disagreements.
    pub(crate) worst_case_min: f64,
    pub(crate) unexplained_max: f64,
    pub(crate) unreadable_max: f64,
    /// The share of decisions that a person may have acknowledged.
    pub(crate) acknowledged_max: f64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, clap::ValueEnum)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum PolicyName {
    /// More than 99 % agreement, over a day at least
    Strict,
    /// More than 95 % agreement, over three days at least
    SmallTeam,
    /// The numbers under `[gate]` in aq.toml
    #[value(skip)]
    Own,
}

impl PolicyName {
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            PolicyName::Strict => "strict",
            PolicyName::SmallTeam => "small-team",
            PolicyName::Own => "own",
        }
    }
}

impl GatePolicy {
    pub(crate) fn named(name: PolicyName) -> GatePolicy {
        let strict = GatePolicy {
            name: PolicyName::Strict,
            agreement_min: 0.99,
            risk: 0.05,
            span_min: HOUR * 24,
            stratum_agreement_min: 0.95,
            stratum_share_min: 0.05,
            coverage_min: 0.98,
            worst_case_min: 0.97,
            unexplained_max: 0.005,
            unreadable_max: 0.005,
            acknowledged_max: 0.01,
        };
        match name {
            PolicyName::Strict | PolicyName::Own => strict,
            // Two points below what has to be beaten, as with `strict`.
            PolicyName::SmallTeam => GatePolicy {
                name,
                agreement_min: 0.95,
                span_min: HOUR * 72,
                stratum_agreement_min: 0.9,
                worst_case_min: 0.93,
                ..strict
            },
        }
    }

    pub(super) fn resolve(file: &ConfigFile) -> Result<GatePolicy, SettingsError> {
        let name = file.parsed(known_keys::GATE_POLICY, policy_name)?;
        let named = GatePolicy::named(name.unwrap_or(PolicyName::Strict));
        let mut own = named.clone();
        for (key, number, floor) in [
            (
                known_keys::GATE_AGREEMENT,
                &mut own.agreement_min,
                NumberRange::at_least(0.9),
            ),
            (known_keys::GATE_RISK, &mut own.risk, NumberRange::at_most(0.1)),
            (
                known_keys::GATE_STRATUM,
                &mut own.stratum_agreement_min,
                NumberRange::at_least(0.8),
            ),
            (
                known_keys::GATE_COVERAGE,
                &mut own.coverage_min,
                NumberRange::at_least(0.9),
            ),
            (
                known_keys::GATE_WORST_CASE,
                &mut own.worst_case_min,
                NumberRange::at_least(0.85),
            ),
            (
                known_keys::GATE_UNEXPLAINED,
                &mut own.unexplained_max,
                NumberRange::at_most(0.02),
            ),
        ] {
            if let Some(raw) = file.get(key.file) {
                *number = floor.parse(&raw, key)?;
            }
        }
        if let Some(span) = file.parsed(known_keys::GATE_SPAN, span)? {
            own.span_min = span;
        }
        if own != named {
            own.name = PolicyName::Own;
        }
        Ok(own)
    }
}

/// The numbers that a setting may have.
struct NumberRange {
    floor: f64,
    is_least: bool,
}

impl NumberRange {
    fn at_least(floor: f64) -> NumberRange {
        NumberRange {
            floor,
            is_least: true,
        }
    }

    fn at_most(floor: f64) -> NumberRange {
        NumberRange {
            floor,
            is_least: false,
        }
    }

    /// A share: 0.97, or "97 %".
    fn parse(&self, raw: &RawSetting, key: SettingKey) -> Result<f64, SettingsError> {
        let number = match &raw.typed {
            TypedValue::Float(text) => text.parse().ok(),
            TypedValue::Text(text) => match text.trim().strip_suffix('%') {
                Some(percent) => percent.trim().parse::<f64>().ok().map(|percent| percent / 100.0),
                None => text.trim().parse().ok(),
            },
            TypedValue::Integer(_) | TypedValue::Bool(_) | TypedValue::List(_) => None,
        };
        let (floor, name) = (self.floor, key.file.trim_start_matches("gate."));
        let kept = number.filter(|number| match self.is_least {
            true => (floor..1.0).contains(number),
            false => *number > 0.0 && *number <= floor,
        });
        let want = match self.is_least {
            true => format!("write a share from {floor} on and below 1, such as {name} = 0.97"),
            false => format!("write a share above 0, and {floor} at most, such as {name} = {floor}"),
        };
        kept.ok_or_else(|| raw.refuse(&want))
    }
}

fn policy_name(raw: &RawSetting) -> Result<PolicyName, SettingsError> {
    let known = [PolicyName::Strict, PolicyName::SmallTeam];
    let named = known.into_iter().find(|name| name.as_str() == raw.text());
    named.ok_or_else(|| raw.refuse("write \"strict\" or \"small-team\", and own numbers beside it"))
}

fn span(raw: &RawSetting) -> Result<Duration, SettingsError> {
    let parsed = parse_duration(raw.text());
    let kept = parsed.filter(|span| (SPAN_FLOOR..=SPAN_CEILING).contains(span));
    kept.ok_or_else(|| raw.refuse("write a time from 24h on, such as 72h or 7d"))
}

fn whole_seconds<S: serde::Serializer>(length: &Duration, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_u64(length.as_secs())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn resolved(text: &str) -> Result<GatePolicy, String> {
        let file = ConfigFile::parse("/queue/aq.toml".into(), text).map_err(|error| error.to_string())?;
        GatePolicy::resolve(&file).map_err(|error| error.to_string())
    }

    #[test]
    fn own_numbers_go_beside_a_named_policy_and_change_its_name() {
        assert_eq!(resolved("").unwrap(), GatePolicy::named(PolicyName::Strict));
        let small = resolved("[gate]\npolicy = \"small-team\"").unwrap();
        assert_eq!(small, GatePolicy::named(PolicyName::SmallTeam));
        let own =
            resolved("[gate]\npolicy = \"small-team\"\nagreement = 0.97\nspan = \"5d\"\nrisk = \"1 %\"")
                .unwrap();
        assert_eq!(
            own,
            GatePolicy {
                name: PolicyName::Own,
                agreement_min: 0.97,
                span_min: HOUR * 120,
                risk: 0.01,
                ..small
            }
        );
        let same = resolved("[gate]\nagreement = 0.99").unwrap();
        assert_eq!(same.name, PolicyName::Strict);
    }

    #[test]
    fn a_number_below_its_floor_is_refused_and_not_clamped() {
        for wrong in [
            "agreement = 0.89",
            "agreement = 1.0",
            "agreement = 1",
            "agreement = nan",
            "risk = 0.11",
            "risk = 0.0",
            "risk = -0.1",
            "stratum_agreement = 0.7",
            "coverage = 0.5",
            "worst_case = 0.8",
            "unexplained = 0.5",
            "span = \"23h\"",
            "span = \"0s\"",
            "span = \"2y\"",
            "policy = \"lax\"",
            "policy = \"own\"",
        ] {
            let told = resolved(&format!("[gate]\n{wrong}")).unwrap_err();
            let key = format!("gate.{}", wrong.split(' ').next().unwrap());
            assert!(told.contains(&key) && told.contains("write "), "{told}");
        }
    }
}
