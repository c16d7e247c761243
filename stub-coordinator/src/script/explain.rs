//! Which rule would fire on a request, and why the others would not. Looking changes nothing.

use serde::Serialize;

use super::judge::WhyNot;
use super::{Armed, Fault, Script};
use super::{Facts, Phase};
use crate::ids::RuleId;
use crate::moment::Moment;
use crate::operation::Operation;

/// What one armed rule has to do with a request.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Explanation {
    /// The rule.
    pub id: RuleId,
    /// Whether it is the one that would fire.
    pub fires: bool,
    /// What would go wrong, where it fires: a step, where the rule has a sequence.
    pub fault: Option<Fault>,
    /// Before the operation is carried out, or after.
    pub phase: Phase,
    /// Why, in words.
    pub why: String,
}

impl Script {
    /// What each armed rule has to do with a request, in order.
    pub(crate) fn explain(&self, operation: Operation, facts: &Facts<'_>, now: Moment) -> Vec<Explanation> {
        let armoury = self.armoury();
        let mut first: Option<RuleId> = None;
        let mut explained = Vec::new();
        for armed in &armoury.rules {
            let why_not = armed
                .mismatch(operation, facts)
                .or_else(|| armed.reluctance(armed.matched + 1, self.seed, now));
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
            explained.push(Explanation {
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

fn in_words(why_not: WhyNot, armed: &Armed, operation: Operation, facts: &Facts<'_>) -> String {
    let rule = &armed.rule;
    match why_not {
        WhyNot::OtherOperation => format!("it is on `{}`, not on `{}`", rule.on, operation.name()),
        WhyNot::WrongFault => format!("`{}` can't happen to `{}`", rule.fault.kind(), operation.name()),
        WhyNot::Field(field) => {
            let wanted = rule.matching.fields().into_iter().zip(facts.about());
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
        WhyNot::Opens(at) => format!("its window opens at {at}"),
        WhyNot::Closed(at) => format!("its window closed at {at}"),
        WhyNot::Skips(left) => format!("it lets {left} more through first, this one included"),
        WhyNot::Spent(times) => format!("it has fired its {times} times"),
        WhyNot::Through => "its sequence is through".to_owned(),
        WhyNot::Chance(chance) => format!("its chance of {chance} decides against this one"),
    }
}
