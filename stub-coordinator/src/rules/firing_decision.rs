//! Whether a rule fires on a request, and if not, why: one judgement for the deciding and for the explaining.

use super::{ArmedRule, draw};
use crate::contract::match_fields::RequestFacts;
use crate::contract::operation::Operation;
use crate::contract::timestamp::UtcTimestamp;

/// Why a rule does not fire on a request.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum NotFiredReason {
    /// It is on another operation.
    OtherOperation,
    /// Its fault can't happen to this operation.
    WrongFault,
    /// The request says something else, or nothing, in this field of `match`.
    Field(&'static str),
    /// Its window has not opened.
    WindowNotOpen(UtcTimestamp),
    /// Its window has closed.
    WindowClosed(UtcTimestamp),
    /// It lets so many more matching requests through first, this one included.
    StillSkipping(u64),
    /// It has fired as often as it should.
    TimesReached(u64),
    /// Its sequence is through.
    SequenceEnded,
    /// The draw is against it.
    ChanceMissed(f64),
}

impl ArmedRule {
    /// Why the request is none of the rule's.
    pub(super) fn mismatch(&self, operation: Operation, facts: &RequestFacts<'_>) -> Option<NotFiredReason> {
        if self.operation.is_some_and(|on| on != operation) {
            return Some(NotFiredReason::OtherOperation);
        }
        if !self.rule.fault.goes_with(operation) {
            return Some(NotFiredReason::WrongFault);
        }
        let wanted = self.rule.matching.fields().into_iter();
        wanted
            .zip(facts.match_values())
            .find(|((_, _, wanted), said)| wanted.is_some() && wanted != said)
            .map(|((_, field, _), _)| NotFiredReason::Field(field))
    }

    /// Why it does not fire on its match of that ordinal, counted from 1.
    pub(super) fn not_firing_reason(
        &self,
        ordinal: u64,
        seed: Option<u64>,
        now: UtcTimestamp,
    ) -> Option<NotFiredReason> {
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
            return Some(NotFiredReason::WindowNotOpen(opens));
        }
        if let Some(closes) = closes.filter(|closes| now >= *closes) {
            return Some(NotFiredReason::WindowClosed(closes));
        }
        if ordinal <= when.skip {
            return Some(NotFiredReason::StillSkipping(when.skip - ordinal + 1));
        }
        if let Some(times) = when.times.filter(|times| self.fired >= *times) {
            return Some(NotFiredReason::TimesReached(times));
        }
        if self.rule.fault.after_firings(self.fired).is_none() {
            return Some(NotFiredReason::SequenceEnded);
        }
        when.chance
            .filter(|chance| draw(seed.unwrap_or_default(), &self.id, ordinal, "chance") >= *chance)
            .map(NotFiredReason::ChanceMissed)
    }
}
