//! What a stub in this process can be told: rules, gates, clock, reset, state. Each means what it means over HTTP.

use std::sync::Arc;
use std::sync::mpsc::{RecvError, sync_channel};
use std::time::Duration;

use serde::Deserialize;
use thiserror::Error;

use super::{RuleGuard, Stub};
use crate::clock::ClockKind;
use crate::contract::ids::RuleId;
use crate::coordinator::saved_state::SavedState;
use crate::rules::{Rule, RuleError, RuleStatus};
use crate::shared_stub::{DueEvent, ResetScope, SharedStub};

/// Why the clock was not advanced.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum ClockError {
    /// Only a manual clock can be moved.
    #[error("the stub's clock is the real one; start it with a manual clock to move it")]
    NotManual,
}

/// Why a state was not taken; nothing has changed then.
#[derive(Debug, Error)]
#[error("this is no state to go on from; take one that a stub exported")]
pub struct ImportError(#[source] Box<dyn std::error::Error + Send + Sync>);

impl Stub {
    /// Arms a rule behind those that are armed.
    pub fn arm(&self, rule: Rule) -> Result<RuleId, RuleError> {
        let armed = self.shared.arm(rule);
        self.heeded();
        armed
    }

    /// Arms a rule that is disarmed when what is returned is dropped.
    pub fn arm_guarded(&self, rule: Rule) -> Result<RuleGuard, RuleError> {
        RuleGuard::arm(&self.shared, rule)
    }

    /// Disarms a rule, and lets go of what it holds; false where it was not armed.
    pub fn disarm(&self, id: &RuleId) -> bool {
        let disarmed = self.shared.disarm(id);
        self.heeded();
        disarmed
    }

    /// The armed rules in order, with their hits.
    pub fn rules(&self) -> Vec<RuleStatus> {
        self.shared.script.rules()
    }

    /// Arms these rules, a preset's for example, instead of those that are armed; where one of them can't be, nothing
    /// changes.
    pub fn replace_rules(&self, rules: Vec<Rule>) -> Result<Vec<RuleStatus>, RuleError> {
        let replaced = self.shared.replace_rules(rules);
        self.heeded();
        replaced
    }

    /// Opens a gate, for later arrivals too until a rule with it is armed, and says how many were waiting.
    pub fn release_gate(&self, name: &str) -> usize {
        self.shared.gates.release(name)
    }

    /// Every gate with how many wait at it.
    pub fn gates(&self) -> Vec<(String, usize)> {
        self.shared.gates.waiting()
    }

    /// What time it is for the stub.
    pub fn now(&self) -> String {
        self.shared.clock.now().to_string()
    }

    /// Moves a manual clock; returns when all that fell due has happened, and says what did.
    pub fn advance(&self, by: Duration) -> Result<Vec<DueEvent>, ClockError> {
        if self.shared.clock.kind() != ClockKind::Manual {
            return Err(ClockError::NotManual);
        }
        Ok(self.runtime.block_on(self.shared.advance(by)))
    }

    /// Puts things back to what they were at the start; requests under way end without an answer.
    pub fn reset(&self, scope: ResetScope) {
        // A server that is gone has nothing under way, and nobody who would see the difference.
        let _ = self.on_the_server(move |shared| shared.reset(scope));
        self.heeded();
    }

    /// All state as one document: what `GET /_stub/state` gives.
    pub fn export_state(&self) -> serde_json::Value {
        serde_json::to_value(self.shared.save()).expect("a state has nothing in it that JSON lacks")
    }

    /// Goes on from a document that [`Stub::export_state`] gave; requests under way end without an answer.
    pub fn import_state(&self, document: &serde_json::Value) -> Result<(), ImportError> {
        let saved = SavedState::deserialize(document).map_err(|error| ImportError(error.into()))?;
        match self.on_the_server(move |shared| shared.restore(saved)) {
            Ok(restored) => restored.map_err(|error| ImportError(error.into())),
            Err(gone) => Err(ImportError(gone.into())),
        }
    }

    /// Does something on the server's thread, where no handler is in the middle of anything.
    fn on_the_server<T: Send + 'static>(
        &self,
        act: impl FnOnce(&SharedStub) -> T + Send + 'static,
    ) -> Result<T, RecvError> {
        let shared = Arc::clone(&self.shared);
        let (tell, told) = sync_channel(1);
        self.runtime.spawn(async move {
            // Whoever asked waits for it, below.
            let _ = tell.send(act(&shared));
        });
        told.recv()
    }

    /// Whoever is told to be down or up again is so when the call returns.
    fn heeded(&self) {
        self.runtime.block_on(self.shared.until_listening_settled());
    }
}
