//! Arm a rule, disarm it, open a gate.

use super::{RuleGuard, Stub};
use crate::contract::ids::RuleId;
use crate::rules::{Rule, RuleError, RuleStatus};

impl Stub {
    /// Arms a rule behind those that are armed, and returns its name. An error where it could never fire.
    /// ```
    #[doc = include_str!("dry_run_example.txt")]
    /// use stub_coordinator::{Rule, StatusFault, Stub, StubConfig};
    ///
    /// let stub = Stub::start(StubConfig::default())?;
    /// let unavailable = StatusFault { status: 503, code: None, retry_after: None };
    /// let id = stub.arm(Rule::on("shadow.claim", unavailable).times(1))?;
    /// assert_eq!(dry_run(&stub)?.status(), 503);
    /// assert_eq!(dry_run(&stub)?.status(), 204, "it fires once, and the queue is empty");
    /// assert!(stub.disarm(&id));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn arm(&self, rule: Rule) -> Result<RuleId, RuleError> {
        let armed = self.shared.arm(rule);
        self.wait_until_listening_settled();
        armed
    }

    /// Arms a rule that is disarmed when what is returned is dropped. An error where it could never fire.
    /// ```
    #[doc = include_str!("dry_run_example.txt")]
    /// use stub_coordinator::{Fault, Rule, Stub, StubConfig};
    ///
    /// let stub = Stub::start(StubConfig::default())?;
    /// {
    ///     let guard = stub.arm_guarded(Rule::on("shadow.claim", Fault::Close))?;
    ///     assert!(dry_run(&stub).is_err(), "the connection is closed without an answer");
    ///     assert_eq!(guard.fired(), 1);
    /// }
    /// assert_eq!(dry_run(&stub)?.status(), 204);
    /// // Every rule has fired, and nothing was sent that is none of the contract.
    /// stub.finish()?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
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
    /// ```
    #[doc = include_str!("dry_run_example.txt")]
    /// use stub_coordinator::{Stub, StubConfig, preset};
    ///
    /// let stub = Stub::start(StubConfig::default())?;
    /// stub.replace_rules(preset("5xx")?)?;
    /// assert_eq!(dry_run(&stub)?.status(), 500);
    /// stub.replace_rules(preset("agree")?)?;
    /// assert_eq!(dry_run(&stub)?.status(), 204);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn replace_rules(&self, rules: Vec<Rule>) -> Result<Vec<RuleStatus>, RuleError> {
        let replaced = self.shared.replace_rules(rules);
        self.wait_until_listening_settled();
        replaced
    }

    /// Opens a gate, for later arrivals too until a rule with it is armed, and says how many were waiting.
    /// ```
    #[doc = include_str!("dry_run_example.txt")]
    /// use std::time::Duration;
    /// use stub_coordinator::{ExchangeMatch, GateFault, Rule, Stub, StubConfig};
    ///
    /// let stub = Stub::start(StubConfig::default())?;
    /// stub.arm(Rule::on("shadow.claim", GateFault { name: "hold".to_owned() }))?;
    /// std::thread::scope(|scope| -> Result<(), Box<dyn std::error::Error>> {
    ///     let client = scope.spawn(|| dry_run(&stub).map(|answer| answer.status()));
    ///     // It has arrived, and gets no answer before the gate is open: no test has to sleep.
    ///     stub.wait(&ExchangeMatch::operation("shadow.claim"), 1, Duration::from_secs(10))?;
    ///     assert!(!client.is_finished());
    ///     stub.release_gate("hold");
    ///     assert_eq!(client.join().map_err(|_| "the client panicked")??, 204);
    ///     Ok(())
    /// })?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn release_gate(&self, name: &str) -> usize {
        self.shared.gates.release(name)
    }

    /// Every gate with how many wait at it.
    pub fn gates(&self) -> Vec<(String, usize)> {
        self.shared.gates.waiting()
    }
}
