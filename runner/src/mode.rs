//! What the three flags mean together (clauses F-1 to F-5).

use std::fmt;

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
    pub(crate) fn of(fleet: bool, route: bool, shadow: bool) -> Mode {
        match (fleet, route, shadow) {
            (false, _, _) => Mode::Offline,
            (true, true, _) => Mode::Route,
            (true, false, true) => Mode::Shadow,
            (true, false, false) => Mode::Local,
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
