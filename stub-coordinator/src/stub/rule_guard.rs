//! A rule that is armed for as long as somebody holds on to it.

use std::sync::Arc;

use crate::contract::ids::RuleId;
use crate::rules::{Rule, RuleError};
use crate::shared_stub::SharedStub;

/// Disarms its rule when it is dropped. Where the rule never fired by then, [`crate::Stub::finish`] says so, unless it
/// was [`optional`](RuleGuard::optional).
#[must_use = "the rule is disarmed as soon as this is dropped; keep it in a variable"]
pub struct RuleGuard {
    shared: Arc<SharedStub>,
    id: RuleId,
}

impl RuleGuard {
    pub(super) fn arm(shared: &Arc<SharedStub>, rule: Rule) -> Result<RuleGuard, RuleError> {
        Ok(RuleGuard {
            id: shared.arm(rule)?,
            shared: Arc::clone(shared),
        })
    }

    /// The rule's name.
    pub fn id(&self) -> &RuleId {
        &self.id
    }

    /// How often it fired.
    pub fn fired(&self) -> u64 {
        let rules = self.shared.rule_engine.rules();
        rules
            .iter()
            .find(|rule| rule.id == self.id)
            .map_or(0, |rule| rule.fired)
    }

    /// The same rule, of which nobody expects that it fires.
    pub fn optional(self) -> RuleGuard {
        self.shared.expectations().optional.insert(self.id.clone());
        self
    }
}

impl Drop for RuleGuard {
    fn drop(&mut self) {
        let armed = self.shared.rule_engine.rules();
        let status = armed.into_iter().find(|rule| rule.id == self.id);
        if let Some(status) = status.filter(|status| status.fired == 0) {
            self.shared.expectations().never_fired.push(status);
        }
        // Somebody else may have disarmed it.
        self.shared.disarm(&self.id);
    }
}
