//! `rollback` and `rollback_after` under `[fleet]` of `aq.toml`: what a routed run does about harm by the coordinator
//! (clauses F-20 and F-21).
//!
//! They stand in the file alone: it is the file that is changed.

use std::time::Duration;

use super::SettingsError;
use super::config_file::ConfigFile;
use super::known_keys;
use super::setting_value::RawSetting;
use crate::duration_text::parse_duration;

const AFTER_DEFAULT: Duration = Duration::from_secs(15 * 60);

/// What is done about harm.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum RollbackPolicy {
    Off,
    /// It is told.
    Warn,
    /// It is told, and ROUTE is turned off.
    Act,
}

/// What is done, and when an outage becomes harm.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct RollbackSettings {
    pub(crate) policy: RollbackPolicy,
    /// How long no claim is answered, while local jobs wait, before that is harm.
    pub(crate) after: Duration,
}

impl RollbackSettings {
    pub(super) fn resolve(file: &ConfigFile) -> Result<RollbackSettings, SettingsError> {
        let policy = file.parsed(known_keys::ROLLBACK, policy)?;
        let after = file.parsed(known_keys::ROLLBACK_AFTER, after)?;
        Ok(RollbackSettings {
            policy: policy.unwrap_or(RollbackPolicy::Warn),
            after: after.unwrap_or(AFTER_DEFAULT),
        })
    }
}

fn policy(raw: &RawSetting) -> Result<RollbackPolicy, SettingsError> {
    match raw.text() {
        "off" => Ok(RollbackPolicy::Off),
        "warn" => Ok(RollbackPolicy::Warn),
        "act" => Ok(RollbackPolicy::Act),
        _ => Err(raw.refuse(r#"write "off", "warn" or "act""#)),
    }
}

fn after(raw: &RawSetting) -> Result<Duration, SettingsError> {
    parse_duration(raw.text())
        .filter(|time| !time.is_zero())
        .ok_or_else(|| raw.refuse("write how long an outage may last, such as 15m or 1h"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(lines: &str) -> Result<RollbackSettings, String> {
        let file = ConfigFile::parse("aq.toml".into(), &format!("[fleet]\n{lines}\n"));
        let file = file.map_err(|error| error.to_string())?;
        RollbackSettings::resolve(&file).map_err(|error| error.to_string())
    }

    #[test]
    fn harm_is_told_and_an_outage_is_harm_after_a_quarter_of_an_hour_unless_the_file_says_otherwise() {
        let settings = |policy, minutes: u64| RollbackSettings {
            policy,
            after: Duration::from_secs(60 * minutes),
        };
        for (lines, expected) in [
            ("", settings(RollbackPolicy::Warn, 15)),
            ("rollback = \"off\"", settings(RollbackPolicy::Off, 15)),
            (
                "rollback = \"act\"\nrollback_after = \"2h\"",
                settings(RollbackPolicy::Act, 120),
            ),
        ] {
            assert_eq!(read(lines), Ok(expected), "{lines}");
        }
    }

    #[test]
    fn what_could_be_meant_in_two_ways_is_refused() {
        for lines in [
            "rollback = true",
            "rollback = \"Act\"",
            "rollback = \"\"",
            "rollback_after = 15",
            "rollback_after = \"0s\"",
        ] {
            let refusal = read(lines).unwrap_err();
            assert!(refusal.starts_with("aq.toml:2: fleet.rollback"), "{refusal}");
        }
    }
}
