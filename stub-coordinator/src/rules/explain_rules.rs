//! Which rule would fire on a request, and why the others would not. Looking changes nothing.

use serde::Serialize;

use super::firing_decision::NotFiredReason;
use super::{ArmedRule, RuleEngine};
use crate::contract::ids::RuleId;
use crate::contract::match_fields::RequestFacts;
use crate::contract::operation::Operation;
use crate::contract::timestamp::UtcTimestamp;
use crate::faults::{Fault, FaultPhase};

/// What one armed rule has to do with a request.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct RuleExplanation {
    /// The rule.
    pub id: RuleId,
    /// Whether it is the one that would fire.
    pub fires: bool,
    /// What would go wrong, where it fires: a step, where the rule has a sequence.
    pub fault: Option<Fault>,
    /// Before the operation is carried out, or after.
    pub phase: FaultPhase,
    /// Why, in words.
    pub why: String,
}

impl RuleEngine {
    /// What each armed rule has to do with a request, in order.
    pub(crate) fn explain(
        &self,
        operation: Operation,
        facts: &RequestFacts<'_>,
        now: UtcTimestamp,
    ) -> Vec<RuleExplanation> {
        let armed_rules = self.armed_rules();
        let mut first: Option<RuleId> = None;
        let mut explained = Vec::new();
        for armed in &armed_rules.rules {
            let why_not = armed
                .mismatch(operation, facts)
                .or_else(|| armed.not_firing_reason(armed.matched + 1, self.seed, now));
            let (fires, why) = match (why_not, &first) {
                (Some(why_not), _) => (false, in_words(why_not, armed, operation, facts)),
                (None, Some(first)) => (
                    false,
                    format!("it would fire, but `{first}` stands in front of it"),
                ),
                (None, None) => (true, "it is the first that matches and is due".to_owned()),
            };
            if fires {
                first = Some(armed.id.clone());
            }
            let fault = armed.rule.fault.after_firings(armed.fired).filter(|_| fires);
            explained.push(RuleExplanation {
                id: armed.id.clone(),
                fires,
                fault: fault.cloned(),
                phase: armed.rule.phase,
                why,
            });
        }
        explained
    }
}

fn in_words(
    why_not: NotFiredReason,
    armed: &ArmedRule,
    operation: Operation,
    facts: &RequestFacts<'_>,
) -> String {
    let rule = &armed.rule;
    match why_not {
        NotFiredReason::OtherOperation => format!("it is on `{}`, not on `{}`", rule.on, operation.name()),
        NotFiredReason::WrongFault => {
            format!("`{}` can't happen to `{}`", rule.fault.kind(), operation.name())
        }
        NotFiredReason::Field(field) => {
            let wanted = rule.matching.fields().into_iter().zip(facts.match_values());
            let named = wanted.map(|((_, name, wanted), said)| (name, wanted.unwrap_or_default(), said));
            let (_, wanted, said) = named
                .into_iter()
                .find(|(name, ..)| *name == field)
                .unwrap_or_default();
            match said {
                Some(said) => format!("it wants the {field} {wanted:?}, the request says {said:?}"),
                None => format!("it wants the {field} {wanted:?}, the request says none"),
            }
        }
        NotFiredReason::WindowNotOpen(at) => format!("its window opens at {at}"),
        NotFiredReason::WindowClosed(at) => format!("its window closed at {at}"),
        NotFiredReason::StillSkipping(left) => {
            format!("it lets {left} more through first, this one included")
        }
        NotFiredReason::TimesReached(times) => format!("it has fired its {times} times"),
        NotFiredReason::SequenceEnded => "its sequence is through".to_owned(),
        NotFiredReason::ChanceMissed(chance) => format!("its chance of {chance} decides against this one"),
    }
}
