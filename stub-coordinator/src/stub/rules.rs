//! Arm a rule, disarm it, open a gate.

use super::{RuleGuard, Stub};
use crate::contract::ids::RuleId;
use crate::rules::{Rule, RuleError, RuleStatus};

impl Stub {
    /// Arms a rule behind those that are armed.
    pub fn arm(&self, rule: Rule) -> Result<RuleId, RuleError> {
        let armed = self.shared.arm(rule);
        self.wait_until_listening_settled();
        armed
    }

    /// Arms a rule that is disarmed when what is returned is dropped.
    pub fn arm_guarded(&self, rule: Rule) -> Result<RuleGuard, RuleError> {
        RuleGuard::arm(&self.shared, rule)
    }

    /// Disarms a rule, and lets go of what it holds; false where it was not armed.
    pub fn disarm(&self, id: &RuleId) -> bool {
        let disarmed = self.shared.disarm(id);
        self.wait_until_listening_settled();
        disarmed
    }

    /// The armed rules in order, with their hits.
    pub fn rules(&self) -> Vec<RuleStatus> {
        self.shared.rule_engine.rules()
    }

    /// Arms these rules, a preset's for example, instead of those that are armed; where one of them can't be, nothing
    /// changes.
    pub fn replace_rules(&self, rules: Vec<Rule>) -> Result<Vec<RuleStatus>, RuleError> {
        let replaced = self.shared.replace_rules(rules);
        self.wait_until_listening_settled();
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
}
