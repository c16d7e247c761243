//! The script: which rules are armed, and which of them, if any, fires on a request. What a fault then does to the
//! exchange is left to `faults`.

mod explain;
mod fault;
mod gates;
mod judge;
mod overlap;
mod preset;
mod rule;
mod schema;
mod syntax;
#[cfg(test)]
mod tests;
mod validate;

use std::sync::{Mutex, MutexGuard};

use serde::Serialize;
use siphasher::sip128::{Hasher128, SipHasher13};
use std::hash::Hasher;
use tokio::sync::watch;

pub use explain::Explanation;
pub use fault::{Delay, Diverge, Fault, Malformed, SequenceEnd, StatusFault};
pub(crate) use gates::Gates;
pub use preset::{PRESETS, preset};
pub use rule::{Phase, Rule, RuleMatch, When};
pub use validate::RuleError;

use crate::ids::RuleId;
use crate::moment::Moment;
use crate::operation::{Field, Operation};

/// The most rules that are armed at a time.
const RULE_LIMIT: usize = 1_000;

/// What a request says that rules look at.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Facts<'a> {
    pub(crate) factory: Option<&'a str>,
    pub(crate) job: Option<&'a str>,
    pub(crate) stage: Option<&'a str>,
    pub(crate) lease: Option<&'a str>,
}

impl<'a> Facts<'a> {
    /// In the order factory, job, stage, lease.
    fn about(&self) -> [Option<&'a str>; 4] {
        [self.factory, self.job, self.stage, self.lease]
    }
}

/// A rule that fires on a request.
#[derive(Debug, Clone)]
pub(crate) struct Fired {
    pub(crate) rule: RuleId,
    pub(crate) fault: Fault,
    pub(crate) phase: Phase,
    /// When, on the stub's clock.
    pub(crate) at: Moment,
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

#[derive(Debug)]
pub(crate) struct Script {
    seed: Option<u64>,
    armed: Mutex<Armoury>,
}

#[derive(Debug, Default)]
struct Armoury {
    rules: Vec<Armed>,
    made_up: u64,
}

#[derive(Debug)]
struct Armed {
    id: RuleId,
    rule: Rule,
    operation: Option<Operation>,
    armed_at: Moment,
    matched: u64,
    fired: u64,
    /// Earlier rules that it overlaps with.
    behind: Vec<RuleId>,
    disarmed: watch::Sender<()>,
}

impl Script {
    pub(crate) fn new(seed: Option<u64>) -> Script {
        Script {
            seed,
            armed: Mutex::default(),
        }
    }

    /// Arms a rule behind those that are armed already.
    pub(crate) fn arm(&self, rule: Rule, now: Moment) -> Result<RuleId, RuleError> {
        validate::check(&rule, self.seed.is_some())?;
        let operation = validate::operation_of(&rule)?;
        let mut armoury = self.armoury();
        if armoury.rules.len() >= RULE_LIMIT {
            return Err(RuleError::TooMany(RULE_LIMIT));
        }
        if let Some(earlier) = overlap::overshadowing(&armoury.rules, &rule) {
            return Err(RuleError::Overshadowed(earlier));
        }
        let id = armoury.name(&rule)?;
        let behind = overlap::in_front(&armoury.rules, &rule);
        let (disarmed, _) = watch::channel(());
        armoury.rules.push(Armed {
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
        let mut armoury = self.armoury();
        let at = armoury.rules.iter().position(|armed| armed.id == *id)?;
        let rule = armoury.rules.remove(at).rule;
        armoury
            .rules
            .iter_mut()
            .for_each(|armed| armed.behind.retain(|behind| behind != id));
        Some(rule)
    }

    pub(crate) fn rules(&self) -> Vec<RuleStatus> {
        let status = |armed: &Armed| RuleStatus {
            id: armed.id.clone(),
            rule: armed.rule.clone(),
            matched: armed.matched,
            fired: armed.fired,
            behind: armed.behind.clone(),
        };
        self.armoury().rules.iter().map(status).collect()
    }

    /// The first rule that fires on this request. Every rule that matches it counts the match, so that what `skip`
    /// and `chance` decide does not depend on the other rules.
    pub(crate) fn decide(&self, operation: Operation, facts: &Facts<'_>, now: Moment) -> Option<Fired> {
        let mut armoury = self.armoury();
        let mut first = None;
        for armed in &mut armoury.rules {
            if armed.mismatch(operation, facts).is_some() {
                continue;
            }
            armed.matched += 1;
            if first.is_none()
                && armed.reluctance(armed.matched, self.seed, now).is_none()
                && let Some(fault) = armed.rule.fault.after_firings(armed.fired).cloned()
            {
                armed.fired += 1;
                first = Some(Fired {
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

    fn armoury(&self) -> MutexGuard<'_, Armoury> {
        self.armed.lock().expect("no holder of the script's lock panics")
    }
}

impl Armoury {
    fn name(&mut self, rule: &Rule) -> Result<RuleId, RuleError> {
        let taken = |rules: &[Armed], id: &RuleId| rules.iter().any(|armed| armed.id == *id);
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
