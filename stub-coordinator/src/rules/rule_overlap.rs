//! Which requests a rule can fire on at all, and which earlier rules come before it there.

use std::collections::BTreeSet;

use super::rule::{Rule, RuleMatch};
use super::{ArmedRule, FiringCondition, MatchField, Operation};
use crate::contract::ids::RuleId;
use crate::contract::match_fields::all_match;
use crate::faults::Fault;

impl RuleMatch {
    /// What it asks for, each with its name.
    pub(super) fn fields(&self) -> [(MatchField, &'static str, Option<&str>); 4] {
        let [factory, job, stage, lease] = self.facts().match_values();
        [
            (MatchField::Factory, "factory", factory),
            (MatchField::Job, "job", job),
            (MatchField::Stage, "stage", stage),
            (MatchField::Lease, "lease", lease),
        ]
    }
}

/// The operations of which a request can be the rule's: they say all that it matches by, and the fault goes with them.
pub(super) fn reach(rule: &Rule) -> impl Iterator<Item = Operation> {
    let asked = rule.matching.fields();
    Operation::ALL.into_iter().filter(move |operation| {
        let is_said = |(field, _, wanted): &(MatchField, &str, Option<&str>)| {
            wanted.is_none() || operation.fields().contains(field)
        };
        (rule.on == "*" || rule.on == operation.name())
            && rule.fault.goes_with(*operation)
            && asked.iter().all(is_said)
    })
}

/// The earlier rules that leave nothing to this one: whatever request it matches, one of them fires on it.
pub(super) fn shadowed_by(earlier: &[ArmedRule], later: &Rule) -> Option<Vec<RuleId>> {
    if closes_at_once(later) {
        return None;
    }
    let takes = |armed: &ArmedRule, operation: Operation| {
        fires_always(&armed.rule)
            && reach(&armed.rule).any(|reached| reached == operation)
            && asks_no_more(&armed.rule.matching, &later.matching)
    };
    let mut earlier_overlapping = BTreeSet::new();
    for operation in reach(later) {
        earlier_overlapping.insert(earlier.iter().position(|armed| takes(armed, operation))?);
    }
    let named = earlier_overlapping.into_iter().map(|at| earlier[at].id.clone());
    Some(named.collect()).filter(|named: &Vec<_>| !named.is_empty())
}

/// The earlier rules that may fire first on a request that this one matches too.
pub(super) fn earlier_overlapping(earlier: &[ArmedRule], later: &Rule) -> Vec<RuleId> {
    let common = |armed: &&ArmedRule| {
        reach(&armed.rule).any(|operation| reach(later).any(|reached| reached == operation))
            && can_both_hold(&armed.rule.matching, &later.matching)
    };
    match closes_at_once(later) {
        true => Vec::new(),
        false => earlier
            .iter()
            .filter(common)
            .map(|armed| armed.id.clone())
            .collect(),
    }
}

/// Nobody listens from then on: that needs no request to fire on.
fn closes_at_once(rule: &Rule) -> bool {
    rule.fault == Fault::Down
        && rule.on == "*"
        && rule.matching.is_empty()
        && rule.when == FiringCondition::default()
}

/// Whether it fires on each request that it matches, for ever.
fn fires_always(rule: &Rule) -> bool {
    let when = &rule.when;
    when.skip == 0
        && when.times.is_none()
        && when.from.is_none_or(|from| from.millis() == 0)
        && when.lasting.is_none()
        && when.chance.is_none_or(|chance| chance >= 1.0)
        && !rule.fault.ends()
}

/// Whether all that holds for `other` holds for this as well.
fn asks_no_more(this: &RuleMatch, other: &RuleMatch) -> bool {
    all_match(this.facts().match_values(), other.facts().match_values())
}

fn can_both_hold(this: &RuleMatch, other: &RuleMatch) -> bool {
    let mut pairs = this
        .facts()
        .match_values()
        .into_iter()
        .zip(other.facts().match_values());
    pairs.all(|(this, other)| this.is_none() || other.is_none() || this == other)
}
