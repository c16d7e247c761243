//! The rules: which of them are armed, and which of them, if any, fires on a request. What a fault then does to the
//! exchange is left to `faults`.

mod explain_rules;
mod firing_decision;
mod preset;
mod rule;
mod rule_overlap;
#[cfg(test)]
mod tests;
mod validate_rule;

use std::sync::{Mutex, MutexGuard};

use serde::Serialize;
use siphasher::sip128::{Hasher128, SipHasher13};
use std::hash::Hasher;
use tokio::sync::watch;

pub use explain_rules::RuleExplanation;
pub use preset::{PRESETS, preset};
pub use rule::{FiringCondition, Rule, RuleMatch};
pub use validate_rule::RuleError;

use crate::contract::ids::RuleId;
use crate::contract::match_fields::RequestFacts;
use crate::contract::operation::{MatchField, Operation};
use crate::contract::timestamp::UtcTimestamp;
use crate::faults::{Fault, FaultPhase};

/// The most rules that are armed at a time.
const RULE_LIMIT: usize = 1_000;

/// A rule that fires on a request.
#[derive(Debug, Clone)]
pub(crate) struct FiredRule {
    pub(crate) rule: RuleId,
    pub(crate) fault: Fault,
    pub(crate) phase: FaultPhase,
    /// When, on the stub's clock.
    pub(crate) at: UtcTimestamp,
    /// A number from 0 up to 1, the same in every run with the same seed.
    pub(crate) draw: f64,
    /// Ends when the rule is disarmed.
    pub(crate) disarmed: watch::Receiver<()>,
}

/// An armed rule and how often it came up.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct RuleStatus {
    /// Its name.
    pub id: RuleId,
    /// The rule as it was written.
    pub rule: Rule,
    /// Requests that it matched.
    pub matched: u64,
    /// Requests that it fired on.
    pub fired: u64,
    /// The earlier rules that may fire first on a request that this one matches too.
    pub behind: Vec<RuleId>,
}

/// The armed rules of one stub.
#[derive(Debug)]
pub(crate) struct RuleEngine {
    /// What chance is decided by; never changes.
    seed: Option<u64>,
    /// Held for one question or change at a time.
    armed: Mutex<ArmedRules>,
}

#[derive(Debug, Default)]
struct ArmedRules {
    /// In the order in which they were armed, which is the order in which they fire.
    rules: Vec<ArmedRule>,
    /// How many names were made up.
    made_up: u64,
}

#[derive(Debug)]
struct ArmedRule {
    /// Its name, given or made up.
    id: RuleId,
    /// As it was written.
    rule: Rule,
    /// The operation that it is on; none for all.
    operation: Option<Operation>,
    /// When, on the stub's clock: its window is counted from there.
    armed_at: UtcTimestamp,
    /// How many requests it matched.
    matched: u64,
    /// On how many of them it fired.
    fired: u64,
    /// Earlier rules that it overlaps with and that are still armed.
    behind: Vec<RuleId>,
    /// Dropped with the rule, which ends what waits because of it.
    disarmed: watch::Sender<()>,
}

impl RuleEngine {
    pub(crate) fn new(seed: Option<u64>) -> RuleEngine {
        RuleEngine {
            seed,
            armed: Mutex::default(),
        }
    }

    /// Arms a rule behind those that are armed already.
    pub(crate) fn arm(&self, rule: Rule, now: UtcTimestamp) -> Result<RuleId, RuleError> {
        validate_rule::check(&rule, self.seed.is_some())?;
        let operation = validate_rule::operation_of(&rule)?;
        let mut armed_rules = self.armed_rules();
        if armed_rules.rules.len() >= RULE_LIMIT {
            return Err(RuleError::TooMany(RULE_LIMIT));
        }
        if let Some(earlier) = rule_overlap::shadowed_by(&armed_rules.rules, &rule) {
            return Err(RuleError::Overshadowed(earlier));
        }
        let id = armed_rules.name(&rule)?;
        let behind = rule_overlap::earlier_overlapping(&armed_rules.rules, &rule);
        let (disarmed, _) = watch::channel(());
        armed_rules.rules.push(ArmedRule {
            id: id.clone(),
            rule,
            operation,
            armed_at: now,
            matched: 0,
            fired: 0,
            behind,
            disarmed,
        });
        Ok(id)
    }

    /// Disarms a rule; whether it was armed. What hangs by it ends.
    pub(crate) fn disarm(&self, id: &RuleId) -> Option<Rule> {
        let mut armed_rules = self.armed_rules();
        let at = armed_rules.rules.iter().position(|armed| armed.id == *id)?;
        let rule = armed_rules.rules.remove(at).rule;
        armed_rules
            .rules
            .iter_mut()
            .for_each(|armed| armed.behind.retain(|behind| behind != id));
        Some(rule)
    }

    pub(crate) fn rules(&self) -> Vec<RuleStatus> {
        let status = |armed: &ArmedRule| RuleStatus {
            id: armed.id.clone(),
            rule: armed.rule.clone(),
            matched: armed.matched,
            fired: armed.fired,
            behind: armed.behind.clone(),
        };
        self.armed_rules().rules.iter().map(status).collect()
    }

    /// The first rule that fires on this request. Every rule that matches it counts the match, so that what `skip`
    /// and `chance` decide does not depend on the other rules.
    pub(crate) fn decide(
        &self,
        operation: Operation,
        facts: &RequestFacts<'_>,
        now: UtcTimestamp,
    ) -> Option<FiredRule> {
        let mut armed_rules = self.armed_rules();
        let mut first = None;
        for armed in &mut armed_rules.rules {
            if armed.mismatch(operation, facts).is_some() {
                continue;
            }
            armed.matched += 1;
            if first.is_none()
                && armed.not_firing_reason(armed.matched, self.seed, now).is_none()
                && let Some(fault) = armed.rule.fault.after_firings(armed.fired).cloned()
            {
                armed.fired += 1;
                first = Some(FiredRule {
                    rule: armed.id.clone(),
                    fault,
                    phase: armed.rule.phase,
                    at: now,
                    draw: draw(self.seed.unwrap_or_default(), &armed.id, armed.matched, "length"),
                    disarmed: armed.disarmed.subscribe(),
                });
            }
        }
        first
    }

    fn armed_rules(&self) -> MutexGuard<'_, ArmedRules> {
        self.armed.lock().expect("no holder of the rules' lock panics")
    }
}

impl ArmedRules {
    fn name(&mut self, rule: &Rule) -> Result<RuleId, RuleError> {
        let taken = |rules: &[ArmedRule], id: &RuleId| rules.iter().any(|armed| armed.id == *id);
        let Some(wanted) = &rule.id else {
            loop {
                self.made_up += 1;
                let id =
                    RuleId::parse(&format!("rule-{}", self.made_up)).expect("`rule-` and a number is an id");
                if !taken(&self.rules, &id) {
                    return Ok(id);
                }
            }
        };
        let id = RuleId::parse(wanted).map_err(|_| RuleError::BadId(wanted.clone(), "is no id"))?;
        if taken(&self.rules, &id) {
            return Err(RuleError::BadId(wanted.clone(), "is taken by another armed rule"));
        }
        Ok(id)
    }
}

/// A number from 0 up to 1 that depends on nothing but its arguments.
fn draw(seed: u64, rule: &RuleId, ordinal: u64, purpose: &str) -> f64 {
    let mut hasher = SipHasher13::new_with_keys(seed, ordinal);
    hasher.write(rule.as_str().as_bytes());
    hasher.write_u8(0xff);
    hasher.write(purpose.as_bytes());
    #[expect(clippy::cast_precision_loss, reason = "53 bits fit a double exactly")]
    let draw = (hasher.finish128().h1 >> 11) as f64 / (1_u64 << 53) as f64;
    draw
}
