//! `/_stub/journal`: the exchanges that the stub has seen, counted and waited for.

use std::time::Duration;

use axum::body::Bytes;
use axum::extract::State;
use serde::Deserialize;
use serde_json::json;

use super::verify::known;
use super::{
    ControlAnswer, ControlProblem, QueryOf, StubExtractor, asked, document, invalid_field, problem, read,
};
use crate::contract::signed_duration::SignedDuration;
use crate::journal::WaitError;
use crate::journal::exchange::ExchangeMatch;

/// The longest that a question waits for its answer.
const LONGEST_WAIT: Duration = Duration::from_secs(60);

pub(super) async fn journal(State(shared): StubExtractor, query: QueryOf<ExchangeMatch>) -> ControlAnswer {
    let what = asked(query)?;
    known(&what)?;
    let exchanges = shared.journal.matching(&what);
    Ok(document(
        &json!({"exchanges": exchanges, "forgotten": shared.journal.forgotten()}),
    ))
}

/// A question about the journal.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct JournalQuery {
    #[serde(default, rename = "match")]
    what: ExchangeMatch,
    #[serde(default)]
    count: usize,
    limit: Option<SignedDuration>,
}

fn question(body: &[u8]) -> Result<JournalQuery, ControlProblem> {
    let question = read::<JournalQuery>(body)?;
    known(&question.what).map(|()| question)
}

/// How many exchanges are meant; *inconclusive* once the journal has forgotten some.
pub(super) async fn count(State(shared): StubExtractor, body: Bytes) -> ControlAnswer {
    let count = shared.journal.matching(&question(&body)?.what).len();
    let forgotten = shared.journal.forgotten();
    Ok(document(
        &json!({"count": count, "inconclusive": forgotten > 0, "forgotten": forgotten}),
    ))
}

/// Waits until so many exchanges have arrived. The limit must be given.
pub(super) async fn wait(State(shared): StubExtractor, body: Bytes) -> ControlAnswer {
    let question = question(&body)?;
    let limit = question.limit.and_then(SignedDuration::forward);
    let limit = limit
        .filter(|limit| *limit <= LONGEST_WAIT)
        .ok_or_else(|| invalid_field("`limit` must be a length of time of at most 60s, such as \"5s\""))?;
    match shared.journal.wait(&question.what, question.count, limit).await {
        Ok(exchanges) => Ok(document(&json!({"exchanges": exchanges}))),
        Err(error @ WaitError::TimedOut { .. }) => Err(problem(408, "timed_out", error.to_string())),
        Err(error @ WaitError::Inconclusive { .. }) => Err(problem(409, "inconclusive", error.to_string())),
    }
}

pub(super) async fn unexpected(State(shared): StubExtractor) -> ControlAnswer {
    Ok(document(&json!({"exchanges": shared.journal.unexpected()})))
}

pub(super) async fn violations(State(shared): StubExtractor) -> ControlAnswer {
    Ok(document(&json!({"violations": shared.journal.violations()})))
}
