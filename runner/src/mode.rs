//! What the three flags mean together (clauses F-1 to F-5).

use std::fmt;

/// One flag, after all spellings of it have been understood.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Switch {
    Off,
    On,
}

impl fmt::Display for Switch {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Switch::Off => "0",
            Switch::On => "1",
        })
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
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
    pub(crate) fn of(fleet: Switch, route: Switch, shadow: Switch) -> Mode {
        match (fleet, route, shadow) {
            (Switch::Off, _, _) => Mode::Offline,
            (Switch::On, Switch::On, _) => Mode::Route,
            (Switch::On, Switch::Off, Switch::On) => Mode::Shadow,
            (Switch::On, Switch::Off, Switch::Off) => Mode::Local,
        }
    }
}

impl fmt::Display for Mode {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Mode::Offline => "offline",
            Mode::Local => "local",
            Mode::Shadow => "shadow",
            Mode::Route => "route",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::{Mode, Switch};

    #[test]
    fn the_master_switch_beats_route_and_route_beats_shadow() {
        let (off, on) = (Switch::Off, Switch::On);
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
