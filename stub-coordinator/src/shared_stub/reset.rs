//! Back to the beginning: state, rules, journal, or all.

use serde::{Deserialize, Serialize};

use super::{RuleExpectations, SharedStub};

/// What a reset puts back.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ResetScope {
    /// Jobs, leases, factories, shadow views and remembered answers, to what the stub was started with.
    State,
    /// No rule is armed, every gate is closed.
    Rules,
    /// Journal, counters, unexpected requests and violations are empty.
    Journal,
    /// All of it, and the policy that it tells.
    All,
}

impl SharedStub {
    /// Keeps the coordinator as it is now for what a reset goes back to.
    pub(crate) fn save_initial_state(&self) {
        let initial_state = Box::new(self.coordinator().clone());
        *self
            .initial_state
            .lock()
            .expect("no holder of the initial state's lock panics") = Some(initial_state);
    }

    /// Puts things back to what they were at the start, and ends what is under way. To be called on the server's
    /// thread: no handler is in the middle of anything then, so none acts on a life that it does not belong to.
    pub(crate) fn reset(&self, scope: ResetScope) {
        self.epoch.send_modify(|epoch| *epoch += 1);
        if matches!(scope, ResetScope::Rules | ResetScope::All) {
            self.disarm_all();
            self.gates.reset();
            *self.expectations() = RuleExpectations::default();
        }
        if matches!(scope, ResetScope::State | ResetScope::All) {
            let initial_state = self
                .initial_state
                .lock()
                .expect("no holder of the initial state's lock panics");
            if let Some(initial_state) = &*initial_state {
                *self.coordinator() = (**initial_state).clone();
            }
        }
        if matches!(scope, ResetScope::Journal | ResetScope::All) {
            self.journal.reset();
        }
        if scope == ResetScope::All {
            self.policy.reset();
        }
        self.write_state();
        self.changed.notify_waiters();
    }
}
