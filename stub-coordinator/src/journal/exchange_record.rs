//! An exchange as it is kept: a few fields and one buffer, of which the readable [`Exchange`] is made when somebody
//! asks.
//!
//! Ten thousand of these are held and one is made for each request, so nothing is parsed, copied twice or spelt out
//! here that no reader has asked for. What is long is cut when it is taken in.

use std::time::Instant;

use axum::http::HeaderMap;

use super::exchange::{Exchange, ExchangeMatch, ExchangeOutcome, RecordedAnswer};
use super::field_buffer::{ExchangeField, FieldBuffer};
use crate::contract::match_fields::RequestFacts;
use crate::contract::timestamp::UtcTimestamp;

/// What it can be matched by, in the order of [`RequestFacts::match_values`].
const ABOUT: [ExchangeField; 4] = [
    ExchangeField::Factory,
    ExchangeField::Job,
    ExchangeField::Stage,
    ExchangeField::Lease,
];

/// A request as it arrives.
#[derive(Debug)]
pub(crate) struct RequestArrival<'a> {
    pub(crate) operation: Option<&'static str>,
    pub(crate) method: &'a str,
    pub(crate) path: &'a str,
    pub(crate) facts: RequestFacts<'a>,
    /// Scopes of its token, with a space between two.
    pub(crate) token_scopes: &'a str,
    pub(crate) headers: &'a HeaderMap,
    pub(crate) body: &'a [u8],
    pub(crate) rule: Option<&'a str>,
    pub(crate) fault: Option<&'a str>,
    pub(crate) arrived: Instant,
    pub(crate) at: UtcTimestamp,
}

/// An answer as it is given, of the handler or on the wire.
#[derive(Debug, Clone, Copy)]
pub(crate) struct BorrowedAnswer<'a> {
    pub(crate) status: u16,
    pub(crate) headers: &'a HeaderMap,
    pub(crate) body: &'a [u8],
}

/// One exchange, as small as it gets.
#[derive(Debug, Clone)]
pub(crate) struct ExchangeRecord {
    pub(super) seq: u64,
    operation: Option<&'static str>,
    text: FieldBuffer,
    handler_status: Option<u16>,
    wire_status: Option<u16>,
    /// Digests of real state before and after the handler, where it ran.
    pub(crate) digests: Option<(u128, u128)>,
    pub(crate) mutated: bool,
    pub(crate) outcome: ExchangeOutcome,
    arrived: Instant,
    pub(super) completed: Option<Instant>,
    at: UtcTimestamp,
}

impl ExchangeRecord {
    /// The record of a request that has just arrived, in a buffer that another has left, where there is one.
    pub(super) fn of(seq: u64, arrival: &RequestArrival<'_>, buffer: Option<Vec<u8>>) -> ExchangeRecord {
        let mut text = FieldBuffer::reusing(buffer);
        text.put(ExchangeField::Method, Some(arrival.method));
        text.put(ExchangeField::Path, Some(arrival.path));
        for (field, said) in ABOUT.into_iter().zip(arrival.facts.match_values()) {
            text.put(field, said);
        }
        text.put(ExchangeField::Scopes, Some(arrival.token_scopes));
        text.put_headers(ExchangeField::RequestHeaders, arrival.headers);
        text.put_body(ExchangeField::RequestBody, arrival.body);
        text.put(ExchangeField::Rule, arrival.rule);
        text.put(ExchangeField::Fault, arrival.fault);
        ExchangeRecord {
            seq,
            operation: arrival.operation,
            text,
            handler_status: None,
            wire_status: None,
            digests: None,
            mutated: false,
            outcome: ExchangeOutcome::InFlight,
            arrived: arrival.arrived,
            completed: None,
            at: arrival.at,
        }
    }

    /// Its buffer, for the next record.
    pub(super) fn into_spare_buffer(self) -> Option<Vec<u8>> {
        self.text.into_spare_buffer()
    }

    /// Takes in what the handler answered.
    pub(crate) fn record_handler_answer(&mut self, answer: BorrowedAnswer<'_>) {
        self.handler_status = Some(answer.status);
        self.text
            .put_headers(ExchangeField::HandlerHeaders, answer.headers);
        self.text.put_body(ExchangeField::HandlerBody, answer.body);
    }

    /// Takes in what went over the wire. Mostly that is what the handler answered, and is kept once.
    pub(super) fn record_wire_answer(&mut self, answer: BorrowedAnswer<'_>) {
        self.wire_status = Some(answer.status);
        self.text.put_headers(ExchangeField::WireHeaders, answer.headers);
        self.text
            .merge(ExchangeField::HandlerHeaders, ExchangeField::WireHeaders);
        self.text
            .put_body_like(ExchangeField::HandlerBody, ExchangeField::WireBody, answer.body);
    }

    /// The exchange as readers know it.
    pub(crate) fn exchange(&self) -> Exchange {
        let hex = |digest: Option<u128>| digest.map_or(String::new(), |digest| format!("{digest:032x}"));
        let text = |piece| self.text.text(piece).map(str::to_owned);
        let answer = |status: Option<u16>, headers, body| {
            status.map(|status| RecordedAnswer {
                status,
                headers: self.text.headers(headers),
                body: self.text.body(body),
            })
        };
        let scopes = self.text.text(ExchangeField::Scopes).unwrap_or_default();
        Exchange {
            seq: self.seq,
            operation: self.operation.map(str::to_owned),
            method: text(ExchangeField::Method).unwrap_or_default(),
            path: text(ExchangeField::Path).unwrap_or_default(),
            factory: text(ExchangeField::Factory),
            job: text(ExchangeField::Job),
            stage: text(ExchangeField::Stage),
            lease: text(ExchangeField::Lease),
            token_scopes: scopes.split_whitespace().map(str::to_owned).collect(),
            request_headers: self.text.headers(ExchangeField::RequestHeaders),
            request_body: self.text.body(ExchangeField::RequestBody),
            rule: text(ExchangeField::Rule),
            fault: text(ExchangeField::Fault),
            handler_answer: answer(
                self.handler_status,
                ExchangeField::HandlerHeaders,
                ExchangeField::HandlerBody,
            ),
            wire_answer: answer(
                self.wire_status,
                ExchangeField::WireHeaders,
                ExchangeField::WireBody,
            ),
            digest_before: hex(self.digests.map(|digests| digests.0)),
            digest_after: hex(self.digests.map(|digests| digests.1)),
            mutated: self.mutated,
            outcome: self.outcome,
            arrived: self.arrived,
            completed: self.completed,
            at: self.at.to_string(),
        }
    }

    /// Whether this is one of those meant.
    pub(crate) fn matches(&self, what: &ExchangeMatch) -> bool {
        what.fits(self.operation, ABOUT.map(|piece| self.text.text(piece)))
    }

    /// About how many bytes it takes.
    pub(super) fn weight(&self) -> usize {
        size_of::<ExchangeRecord>() + self.text.weight()
    }
}
