//! `/_stub/journal`: the exchanges that the stub has seen, counted and waited for.

use std::time::Duration;

use axum::body::{Body, Bytes};
use axum::extract::rejection::QueryRejection;
use axum::extract::{Query, State};
use axum::http::Response;
use serde::Deserialize;
use serde_json::json;

use super::verify::known;
use super::{StubExtractor, asked, document, problem, read};
use crate::contract::signed_duration::SignedDuration;
use crate::journal::WaitError;
use crate::journal::exchange::ExchangeMatch;

/// The longest that a question waits for its answer.
const LONGEST_WAIT: Duration = Duration::from_secs(60);

pub(super) async fn journal(
    State(shared): StubExtractor,
    query: Result<Query<ExchangeMatch>, QueryRejection>,
) -> Response<Body> {
    let what = match asked(query).and_then(|what| known(&what).map(|()| what)) {
        Ok(what) => what,
        Err(refusal) => return *refusal,
    };
    let exchanges = shared.journal.matching(&what);
    document(&json!({"exchanges": exchanges, "forgotten": shared.journal.forgotten()}))
}

/// A question about the journal.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct JournalQuery {
    #[serde(default, rename = "match")]
    what: ExchangeMatch,
    #[serde(default)]
    count: usize,
    #[serde(default)]
    limit: Option<SignedDuration>,
}

fn question(body: &[u8]) -> Result<JournalQuery, Box<Response<Body>>> {
    let question = read::<JournalQuery>(body)?;
    known(&question.what).map(|()| question)
}

/// How many exchanges are meant; *inconclusive* once the journal has forgotten some.
pub(super) async fn count(State(shared): StubExtractor, body: Bytes) -> Response<Body> {
    match question(&body) {
        Err(refusal) => *refusal,
        Ok(question) => {
            let count = shared.journal.matching(&question.what).len();
            let forgotten = shared.journal.forgotten();
            document(&json!({"count": count, "inconclusive": forgotten > 0, "forgotten": forgotten}))
        }
    }
}

/// Waits until so many exchanges have arrived. The limit must be given.
pub(super) async fn wait(State(shared): StubExtractor, body: Bytes) -> Response<Body> {
    let question = match question(&body) {
        Ok(question) => question,
        Err(refusal) => return *refusal,
    };
    let Some(limit) = question
        .limit
        .and_then(SignedDuration::forward)
        .filter(|limit| *limit <= LONGEST_WAIT)
    else {
        return problem(
            422,
            "invalid_field",
            "`limit` must be a length of time of at most 60s, such as \"5s\"",
        );
    };
    match shared.journal.wait(&question.what, question.count, limit).await {
        Ok(exchanges) => document(&json!({"exchanges": exchanges})),
        Err(error @ WaitError::TimedOut { .. }) => problem(408, "timed_out", &error.to_string()),
        Err(error @ WaitError::Inconclusive { .. }) => problem(409, "inconclusive", &error.to_string()),
    }
}

pub(super) async fn unexpected(State(shared): StubExtractor) -> Response<Body> {
    document(&json!({"exchanges": shared.journal.unexpected()}))
}

pub(super) async fn violations(State(shared): StubExtractor) -> Response<Body> {
    document(&json!({"violations": shared.journal.violations()}))
}
