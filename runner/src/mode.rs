//! What the three flags mean together (clauses F-1 to F-5).

use std::fmt;

use serde::Serialize;

/// One flag, after all spellings of it have been understood.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum SwitchState {
    Off,
    On,
}

impl fmt::Display for SwitchState {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            SwitchState::Off => "0",
            SwitchState::On => "1",
        })
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Mode {
    /// `AQ_FLEET=0`: no connection to the coordinator, whatever the other flags say.
    Offline,
    /// The fleet is on, but nothing is asked of it: work is local.
    Local,
    /// Work is local; the coordinator is asked what it would have assigned, and the answers are compared.
    Shadow,
    /// The coordinator is the one source of work.
    Route,
}

impl Mode {
    pub(crate) const ALL: [Mode; 4] = [Mode::Offline, Mode::Local, Mode::Shadow, Mode::Route];

    pub(crate) fn of(fleet: SwitchState, route: SwitchState, shadow: SwitchState) -> Mode {
        match (fleet, route, shadow) {
            (SwitchState::Off, _, _) => Mode::Offline,
            (SwitchState::On, SwitchState::On, _) => Mode::Route,
            (SwitchState::On, SwitchState::Off, SwitchState::On) => Mode::Shadow,
            (SwitchState::On, SwitchState::Off, SwitchState::Off) => Mode::Local,
        }
    }
}

impl fmt::Display for Mode {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.serialize(formatter)
    }
}

#[cfg(test)]
mod tests {
    use super::{Mode, SwitchState};

    #[test]
    fn the_master_switch_beats_route_and_route_beats_shadow() {
        let (off, on) = (SwitchState::Off, SwitchState::On);
        for (fleet, route, shadow, mode) in [
            (off, off, off, Mode::Offline),
            (off, off, on, Mode::Offline),
            (off, on, off, Mode::Offline),
            (off, on, on, Mode::Offline),
            (on, off, off, Mode::Local),
            (on, off, on, Mode::Shadow),
            (on, on, off, Mode::Route),
            (on, on, on, Mode::Route),
        ] {
            assert_eq!(Mode::of(fleet, route, shadow), mode, "{fleet} {route} {shadow}");
        }
    }
}
