//! `/_stub/journal/verify`: whether requests have arrived so often, or in this order. Nothing is changed.

use axum::body::{Body, Bytes};
use axum::extract::State;
use axum::http::Response;
use serde::Deserialize;

use super::{StubExtractor, document, problem, read};
use crate::contract::operation::Operation;
use crate::journal::exchange::ExchangeMatch;

/// How many of the exchanges meant have to have arrived: exactly `count`, or from `at_least` to `at_most`.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct VerifyRequest {
    #[serde(default, rename = "match")]
    what: ExchangeMatch,
    #[serde(default)]
    count: Option<usize>,
    #[serde(default)]
    at_least: Option<usize>,
    #[serde(default)]
    at_most: Option<usize>,
}

pub(super) async fn verify(State(shared): StubExtractor, body: Bytes) -> Response<Body> {
    let count_query = match read::<VerifyRequest>(&body) {
        Ok(count_query) => count_query,
        Err(refusal) => return *refusal,
    };
    if let Err(refusal) = known(&count_query.what) {
        return *refusal;
    }
    let (least, most) = match (count_query.count, count_query.at_least, count_query.at_most) {
        (Some(count), None, None) => (count, Some(count)),
        (None, least, most) if least.is_some() || most.is_some() => (least.unwrap_or(0), most),
        _ => {
            return problem(
                422,
                "invalid_field",
                "say how many: `count`, or `at_least` and `at_most`",
            );
        }
    };
    document(&shared.journal.verify(&count_query.what, least, most))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct VerifySequenceRequest {
    sequence: Vec<ExchangeMatch>,
}

pub(super) async fn verify_sequence(State(shared): StubExtractor, body: Bytes) -> Response<Body> {
    match read::<VerifySequenceRequest>(&body) {
        Ok(order) if order.sequence.is_empty() => problem(
            422,
            "invalid_field",
            "`sequence` is empty; a sequence of nothing proves nothing",
        ),
        Ok(order) => match order.sequence.iter().try_for_each(known) {
            Ok(()) => document(&shared.journal.verify_sequence(&order.sequence)),
            Err(refusal) => *refusal,
        },
        Err(refusal) => *refusal,
    }
}

/// Refuses to look for an operation that nobody could have asked for: *none arrived* would prove nothing.
pub(super) fn known(what: &ExchangeMatch) -> Result<(), Box<Response<Body>>> {
    match what.operation.as_deref().map(Operation::or_hint) {
        Some(Err(why)) => Err(Box::new(problem(422, "invalid_field", &why))),
        _ => Ok(()),
    }
}
