//! An exchange for who follows the journal: short, as one row, or whole when it is asked for by its number.

use axum::extract::State;
use serde::Serialize;

use super::super::{ControlAnswer, PathName, StubExtractor, document, named, problem};
use crate::journal::exchange::{Exchange, ExchangeOutcome, RecordedAnswer};

/// The longest text of a row; clients may send any.
const TEXT_LIMIT: usize = 160;

/// What a row says of an exchange. Answers and headers are left out: they can be long, and most are never looked at.
#[derive(Debug, Serialize)]
pub(super) struct ExchangeSummary {
    pub(super) seq: u64,
    at: String,
    operation: Option<String>,
    method: String,
    path: String,
    factory: Option<String>,
    job: Option<String>,
    stage: Option<String>,
    lease: Option<String>,
    rule: Option<String>,
    fault: Option<String>,
    handler_status: Option<u16>,
    wire_status: Option<u16>,
    /// The job that the answer on the wire names.
    answered_job: Option<String>,
    /// The code of the problem that it tells of.
    code: Option<String>,
    mutated: bool,
    /// Whether the digest of real state is another one after it.
    changed: bool,
    pub(super) outcome: ExchangeOutcome,
}

impl ExchangeSummary {
    pub(super) fn of(exchange: &Exchange) -> ExchangeSummary {
        let short = |text: &Option<String>| text.as_deref().map(cut);
        let status = |answer: &Option<RecordedAnswer>| answer.as_ref().map(|answer| answer.status);
        let wire_body = exchange
            .wire_answer
            .as_ref()
            .and_then(|answer| answer.body.as_ref());
        ExchangeSummary {
            seq: exchange.seq,
            at: exchange.at.clone(),
            operation: exchange.operation.clone(),
            method: cut(&exchange.method),
            path: cut(&exchange.path),
            factory: short(&exchange.factory),
            job: short(&exchange.job),
            stage: short(&exchange.stage),
            lease: short(&exchange.lease),
            rule: exchange.rule.clone(),
            fault: short(&exchange.fault),
            handler_status: status(&exchange.handler_answer),
            wire_status: status(&exchange.wire_answer),
            answered_job: wire_body.and_then(|body| body["job"]["id"].as_str()).map(cut),
            code: wire_body.and_then(|body| body["code"].as_str()).map(cut),
            mutated: exchange.mutated,
            changed: exchange.digest_before != exchange.digest_after,
            outcome: exchange.outcome,
        }
    }
}

/// `GET /_stub/journal/{seq}`: all that is known of one exchange.
pub(super) async fn one(State(shared): StubExtractor, seq: PathName) -> ControlAnswer {
    let reach = shared.journal.reach();
    let seq: Option<u64> = named(seq).parse().ok();
    if let Some(exchange) = seq.and_then(|seq| shared.journal.one(seq)) {
        return Ok(document(&exchange));
    }
    Err(match seq.is_some_and(|seq| (1..reach.first).contains(&seq)) {
        true => problem(
            410,
            "forgotten",
            "the journal has forgotten this exchange; it keeps the latest ones only",
        ),
        false => problem(404, "not_found", "no exchange has this number yet"),
    })
}

fn cut(text: &str) -> String {
    match text.char_indices().nth(TEXT_LIMIT) {
        Some((end, _)) => format!("{}...", &text[..end]),
        None => text.to_owned(),
    }
}
