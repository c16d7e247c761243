//! Whether a rule fires on a request, and if not, why: one judgement for the deciding and for the explaining.

use super::{Armed, Facts, draw, validate};
use crate::moment::Moment;
use crate::operation::Operation;

/// Why a rule does not fire on a request.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum WhyNot {
    /// It is on another operation.
    OtherOperation,
    /// Its fault can't happen to this operation.
    WrongFault,
    /// The request says something else, or nothing, in this field of `match`.
    Field(&'static str),
    /// Its window has not opened.
    Opens(Moment),
    /// Its window has closed.
    Closed(Moment),
    /// It lets so many more matching requests through first, this one included.
    Skips(u64),
    /// It has fired as often as it should.
    Spent(u64),
    /// Its sequence is through.
    Through,
    /// The draw is against it.
    Chance(f64),
}

impl Armed {
    /// Why the request is none of the rule's.
    pub(super) fn mismatch(&self, operation: Operation, facts: &Facts<'_>) -> Option<WhyNot> {
        if self.operation.is_some_and(|on| on != operation) {
            return Some(WhyNot::OtherOperation);
        }
        if !validate::goes_with(&self.rule.fault, operation) {
            return Some(WhyNot::WrongFault);
        }
        let wanted = self.rule.matching.fields().into_iter();
        wanted
            .zip(facts.about())
            .find(|((_, _, wanted), said)| wanted.is_some() && wanted != said)
            .map(|((_, field, _), _)| WhyNot::Field(field))
    }

    /// Why it does not fire on its match of that ordinal, counted from 1.
    pub(super) fn reluctance(&self, ordinal: u64, seed: Option<u64>, now: Moment) -> Option<WhyNot> {
        let when = &self.rule.when;
        if when.sticky && self.fired > 0 {
            return None;
        }
        let from = when.from.and_then(|span| span.forward()).unwrap_or_default();
        let opens = self.armed_at.after(from);
        let closes = when
            .lasting
            .and_then(|span| span.forward())
            .map(|lasting| opens.after(lasting));
        if now < opens {
            return Some(WhyNot::Opens(opens));
        }
        if let Some(closes) = closes.filter(|closes| now >= *closes) {
            return Some(WhyNot::Closed(closes));
        }
        if ordinal <= when.skip {
            return Some(WhyNot::Skips(when.skip - ordinal + 1));
        }
        if let Some(times) = when.times.filter(|times| self.fired >= *times) {
            return Some(WhyNot::Spent(times));
        }
        if self.rule.fault.after_firings(self.fired).is_none() {
            return Some(WhyNot::Through);
        }
        when.chance
            .filter(|chance| draw(seed.unwrap_or_default(), &self.id, ordinal, "chance") >= *chance)
            .map(WhyNot::Chance)
    }
}
