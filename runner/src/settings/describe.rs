//! Describes the settings to a person: the three flags with their effects, and what deserves a warning.

use serde::Serialize;

use super::bearer_token::FileAccess;
use super::{SettingValue, Settings};
use crate::mode::{Mode, SwitchState};

/// One of the three flags, resolved (clause F-7).
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct FlagLine {
    pub(crate) name: &'static str,
    /// `0` or `1`.
    pub(crate) value: String,
    pub(crate) origin: String,
    /// What it brings about, or why it has no effect although it is set.
    pub(crate) effect: &'static str,
}

impl Settings {
    pub(crate) fn describe_flags(&self) -> Vec<FlagLine> {
        let switches = &self.switches;
        let line = |name, setting: &SettingValue<SwitchState>, effect| FlagLine {
            name,
            value: setting.value.to_string(),
            origin: setting.origin.to_string(),
            effect,
        };
        let fleet = match switches.fleet.value {
            SwitchState::Off => "no call to the coordinator, by any command",
            SwitchState::On => "the coordinator may be called",
        };
        let route = match (switches.route.value, self.mode) {
            (SwitchState::On, Mode::Offline) => "no effect: AQ_FLEET is 0",
            (SwitchState::On, _) => "work comes from the coordinator",
            (SwitchState::Off, _) => "work comes from the local inbox",
        };
        let shadow = match (switches.shadow.value, self.mode) {
            (SwitchState::On, Mode::Offline) => "no effect: AQ_FLEET is 0",
            (SwitchState::On, Mode::Route) => "no effect: AQ_FLEET_ROUTE is 1 and wins",
            (SwitchState::On, _) => "each local decision is compared with the coordinator's",
            (SwitchState::Off, _) => "nothing is compared",
        };
        vec![
            line("AQ_FLEET", &switches.fleet, fleet),
            line("AQ_FLEET_ROUTE", &switches.route, route),
            line("AQ_FLEET_SHADOW", &switches.shadow, shadow),
        ]
    }

    /// Warnings about settings that are no errors; each is printed once in a process. There are none about the fleet
    /// while it is off.
    pub(crate) fn warnings(&self) -> Vec<String> {
        let mut warnings = Vec::new();
        if self.mode == Mode::Offline {
            return warnings;
        }
        if self.mode == Mode::Route && self.switches.shadow.value == SwitchState::On {
            warnings.push(String::from(
                "AQ_FLEET_ROUTE and AQ_FLEET_SHADOW are both 1: route wins, and nothing is compared until AQ_FLEET_ROUTE is 0",
            ));
        }
        if let Some(url) = self.fleet.plain_http() {
            let more = match self.mode {
                Mode::Route => ", and whoever can change an answer there runs commands here",
                Mode::Offline | Mode::Local | Mode::Shadow => "",
            };
            warnings.push(format!(
                "{} is plain http to another host: the token and all jobs can be read on the way{more}; use https",
                url.value
            ));
        }
        if self.fleet.token_twice {
            let used = match &self.fleet.token {
                Some(token) => token.origin.to_string(),
                None => String::from("neither"),
            };
            warnings.push(format!(
                "a token and a token file are both set: the one of {used} is used"
            ));
        }
        if let (FileAccess::Others, Some(file)) = (self.fleet.token_access, &self.fleet.token_file) {
            let path = file.value.display();
            warnings.push(format!(
                "others can read the token file {path}: `chmod 600 {path}` keeps it to its owner"
            ));
        }
        warnings
    }
}
