//! Arming and disarming: what a rule does to the stub as a whole.

use super::SharedStub;
use crate::contract::ids::RuleId;
use crate::faults::{ArmEffect, Fault};
use crate::rules::{Rule, RuleEngine, RuleError, RuleStatus};

impl SharedStub {
    pub(crate) fn arm(&self, rule: Rule) -> Result<RuleId, RuleError> {
        // On certain requests only, it goes down when one of them comes; on all of them, at once.
        let is_down = rule
            == Rule {
                id: rule.id.clone(),
                ..Rule::on("*", Fault::Down)
            };
        let effects = rule.fault.steps().iter().filter_map(Fault::arm_effect);
        let mut gates = Vec::new();
        let mut is_stale = false;
        for effect in effects {
            match effect {
                ArmEffect::CloseGate(name) => gates.push(name.to_owned()),
                ArmEffect::KeepPastState => is_stale = true,
                ArmEffect::StopListening => {}
            }
        }
        let id = self
            .gates
            .closing(&gates, || self.rule_engine.arm(rule, self.clock.now()))?;
        if is_stale {
            self.coordinator().keep_past();
        }
        if is_down {
            self.journal.faulted("down");
            self.listening.send_replace(false);
        }
        Ok(id)
    }

    pub(crate) fn disarm(&self, id: &RuleId) -> bool {
        let Some(rule) = self.rule_engine.disarm(id) else {
            return false;
        };
        if rule.fault == Fault::Down
            && !self
                .rule_engine
                .rules()
                .iter()
                .any(|armed| armed.rule.fault == Fault::Down)
        {
            self.listening.send_replace(true);
        }
        true
    }

    /// Arms these rules instead of those that are armed; where one of them can't be, nothing changes.
    pub(crate) fn replace_rules(&self, rules: Vec<Rule>) -> Result<Vec<RuleStatus>, RuleError> {
        let trial = RuleEngine::new(self.seed);
        for rule in &rules {
            trial.arm(rule.clone(), self.clock.now())?;
        }
        self.disarm_all();
        for rule in rules {
            self.arm(rule)?;
        }
        Ok(self.rule_engine.rules())
    }

    pub(crate) fn disarm_all(&self) {
        for rule in self.rule_engine.rules() {
            self.disarm(&rule.id);
        }
    }
}
