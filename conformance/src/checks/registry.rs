//! The register of checks: each by its name, with the clauses that it always rests on, and with whether the
//! clauses of the scenario that is judged come on top. What is not in here can't be reported.

/// A check's entry.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RegisteredCheck {
    pub name: &'static str,
    pub clauses: &'static [&'static str],
    pub basis: CheckBasis,
}

/// What a check rests on besides its own clauses.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CheckBasis {
    /// Nothing: it is made of every run that it applies to.
    Always,
    /// The clauses of the scenario, which says what to expect.
    Scenario,
    /// It is about the harness and its instruments; no contract has a clause for it.
    Instrument,
}

macro_rules! checks {
    ($($basis:ident $name:literal [$($clause:literal),*])*) => {
        /// Every check.
        pub const ALL: &[RegisteredCheck] = &[$(RegisteredCheck { name: $name, clauses: &[$($clause),*], basis: CheckBasis::$basis }),*];
    };
}

checks! {
    Scenario "ends-in-time" []
    Scenario "exit" []
    Scenario "exits" []
    Scenario "step-exit" []
    Scenario "output" []
    Always "report-exit" ["R-1", "R-2"]
    Scenario "report" ["R-1"]
    Always "add" ["O-1"]
    Always "one-stage" ["O-1"]
    Scenario "stages" ["O-4"]
    Scenario "runs" ["O-3"]
    Scenario "ships" ["O-4"]
    Scenario "verifies" ["O-4"]
    Scenario "quarantined" []
    Scenario "reasons" ["O-4"]
    Scenario "coordinator-stages" []
    Scenario "reported" []
    Always "no-shadow-log" ["F-1", "F-4", "F-5"]
    Always "log-lines" ["S-2", "S-11", "S-14"]
    Always "one-outcome" ["S-1"]
    Scenario "decisions" ["S-1"]
    Scenario "verdicts" ["S-1", "S-2"]
    Scenario "evidence" ["S-16"]
    Scenario "errors" ["S-5"]
    Scenario "skipped" ["S-1"]
    Scenario "events" []
    Scenario "connections" ["F-1"]
    Scenario "connects-with" ["F-1"]
    Scenario "calls" []
    Scenario "dry-runs" ["S-3"]
    Always "only-shadow-operations" ["S-3", "F-3"]
    Always "no-shadow-calls" ["F-5"]
    Scenario "mutations" ["S-3", "F-3"]
    Scenario "digest" ["S-3"]
    Scenario "shadow-seen" ["S-3"]
    Always "blind" ["S-15"]
    Always "offline-connections" ["F-1"]
    Scenario "offline-stages-as-expected" ["O-4"]
    Scenario "offline-runs-as-expected" ["O-3"]
    Always "offline-exit" ["S-4"]
    Always "offline-stages" ["S-4"]
    Always "offline-runs" ["S-4"]
    Always "token" ["O-9"]
    Always "engine-environment" ["O-9"]
    Always "working-folder" ["O-3", "O-17"]
    Always "no-stragglers" ["O-6", "O-8"]
    Always "engine-signals" ["O-3"]
    Always "stdin" ["O-11"]
    Always "locks" ["O-5"]
    Always "permissions" ["O-3"]
    Scenario "no-crash" []
    Always "known-requests" ["S-3"]
    Always "prompt" ["O-3"]
    Always "ship-environment" ["T-14"]
    Scenario "order" []
    Always "document-requests" ["C-30"]
    Instrument "document-answers" []
    Instrument "steps-done" []
    Instrument "steps-worked" []
    Instrument "rules-fired" []
    Instrument "outage-met" []
    Instrument "journal-whole" []
    Instrument "fake-is-honest" []
    Instrument "offline-did-something" []
    Instrument "can-be-run" []
    Instrument "known-failures" []
    Instrument "claimed" []
    Instrument "possible" []
}

/// The entry of this name.
pub fn named(name: &str) -> Option<&'static RegisteredCheck> {
    ALL.iter().find(|entry| entry.name == name)
}
