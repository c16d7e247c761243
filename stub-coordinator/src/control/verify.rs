//! `/_stub/journal/verify`: whether requests have arrived so often, or in this order. Nothing is changed.

use axum::body::Bytes;
use axum::extract::State;
use serde::Deserialize;

use super::{ControlAnswer, ControlProblem, StubExtractor, document, invalid_field, read};
use crate::contract::operation::Operation;
use crate::journal::exchange::ExchangeMatch;

/// How many of the exchanges meant have to have arrived: exactly `count`, or from `at_least` to `at_most`.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct VerifyRequest {
    #[serde(default, rename = "match")]
    what: ExchangeMatch,
    count: Option<usize>,
    at_least: Option<usize>,
    at_most: Option<usize>,
}

pub(super) async fn verify(State(shared): StubExtractor, body: Bytes) -> ControlAnswer {
    let count_query: VerifyRequest = read(&body)?;
    known(&count_query.what)?;
    let (least, most) = match (count_query.count, count_query.at_least, count_query.at_most) {
        (Some(count), None, None) => (count, Some(count)),
        (None, least, most) if least.is_some() || most.is_some() => (least.unwrap_or(0), most),
        _ => {
            return Err(invalid_field(
                "say how many: `count`, or `at_least` and `at_most`",
            ));
        }
    };
    Ok(document(&shared.journal.verify(&count_query.what, least, most)))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct VerifySequenceRequest {
    sequence: Vec<ExchangeMatch>,
}

pub(super) async fn verify_sequence(State(shared): StubExtractor, body: Bytes) -> ControlAnswer {
    let VerifySequenceRequest { sequence } = read(&body)?;
    if sequence.is_empty() {
        let detail = "`sequence` is empty; a sequence of nothing proves nothing";
        return Err(invalid_field(detail));
    }
    sequence.iter().try_for_each(known)?;
    Ok(document(&shared.journal.verify_sequence(&sequence)))
}

/// Refuses to look for an operation that nobody could have asked for: *none arrived* would prove nothing.
pub(super) fn known(what: &ExchangeMatch) -> Result<(), ControlProblem> {
    let operation = what.operation.as_deref().map(Operation::or_hint);
    operation.transpose().map(drop).map_err(invalid_field)
}
