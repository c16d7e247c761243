//! An exchange as it is kept: a few fields and one buffer, of which the readable [`Exchange`] is made when somebody
//! asks.
//!
//! Ten thousand of these are held and one is made for each request, so nothing is parsed, copied twice or spelt out
//! here that no reader has asked for. What is long is cut when it is taken in.

use std::time::Instant;

use axum::http::HeaderMap;

use super::exchange::{Answer, Exchange, Match, Outcome};
use super::packed::{Packed, Piece};
use crate::moment::Moment;

/// A request as it arrives.
#[derive(Debug)]
pub(crate) struct Arrival<'a> {
    pub(crate) operation: Option<&'static str>,
    pub(crate) method: &'a str,
    pub(crate) path: &'a str,
    pub(crate) factory: Option<&'a str>,
    pub(crate) job: Option<&'a str>,
    pub(crate) stage: Option<&'a str>,
    pub(crate) lease: Option<&'a str>,
    /// Scopes of its token, with a space between two.
    pub(crate) token_scopes: &'a str,
    pub(crate) headers: &'a HeaderMap,
    pub(crate) body: &'a [u8],
    pub(crate) rule: Option<&'a str>,
    pub(crate) fault: Option<&'a str>,
    pub(crate) arrived: Instant,
    pub(crate) at: Moment,
}

/// An answer as it is given, of the handler or on the wire.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Said<'a> {
    pub(crate) status: u16,
    pub(crate) headers: &'a HeaderMap,
    pub(crate) body: &'a [u8],
}

/// One exchange, as small as it gets.
#[derive(Debug, Clone)]
pub(crate) struct Record {
    pub(super) seq: u64,
    operation: Option<&'static str>,
    text: Packed,
    handler_status: Option<u16>,
    wire_status: Option<u16>,
    /// Digests of real state before and after the handler, where it ran.
    pub(crate) digests: Option<(u128, u128)>,
    pub(crate) mutated: bool,
    pub(crate) outcome: Outcome,
    arrived: Instant,
    pub(super) completed: Option<Instant>,
    at: Moment,
}

impl Record {
    /// The record of a request that has just arrived, in a buffer that another has left, where there is one.
    pub(super) fn of(seq: u64, arrival: &Arrival<'_>, buffer: Option<Vec<u8>>) -> Record {
        let mut text = Packed::in_place_of(buffer);
        text.put(Piece::Method, Some(arrival.method));
        text.put(Piece::Path, Some(arrival.path));
        text.put(Piece::Factory, arrival.factory);
        text.put(Piece::Job, arrival.job);
        text.put(Piece::Stage, arrival.stage);
        text.put(Piece::Lease, arrival.lease);
        text.put(Piece::Scopes, Some(arrival.token_scopes));
        text.put_headers(Piece::RequestHeaders, arrival.headers);
        text.put_body(Piece::RequestBody, arrival.body);
        text.put(Piece::Rule, arrival.rule);
        text.put(Piece::Fault, arrival.fault);
        Record {
            seq,
            operation: arrival.operation,
            text,
            handler_status: None,
            wire_status: None,
            digests: None,
            mutated: false,
            outcome: Outcome::InFlight,
            arrived: arrival.arrived,
            completed: None,
            at: arrival.at,
        }
    }

    /// Its buffer, for the next record.
    pub(super) fn passed_on(self) -> Option<Vec<u8>> {
        self.text.passed_on()
    }

    /// Takes in what the handler answered.
    pub(crate) fn handler_said(&mut self, answer: Said<'_>) {
        self.handler_status = Some(answer.status);
        self.text.put_headers(Piece::HandlerHeaders, answer.headers);
        self.text.put_body(Piece::HandlerBody, answer.body);
    }

    /// Takes in what went over the wire. Mostly that is what the handler answered, and is kept once.
    pub(super) fn wire_said(&mut self, answer: Said<'_>) {
        self.wire_status = Some(answer.status);
        self.text.put_headers(Piece::WireHeaders, answer.headers);
        self.text.merge(Piece::HandlerHeaders, Piece::WireHeaders);
        self.text
            .put_body_like(Piece::HandlerBody, Piece::WireBody, answer.body);
    }

    /// The exchange as readers know it.
    pub(crate) fn exchange(&self) -> Exchange {
        let hex = |digest: Option<u128>| digest.map_or(String::new(), |digest| format!("{digest:032x}"));
        let text = |piece| self.text.text(piece).map(str::to_owned);
        let answer = |status: Option<u16>, headers, body| {
            status.map(|status| Answer {
                status,
                headers: self.text.headers(headers),
                body: self.text.body(body),
            })
        };
        let scopes = self.text.text(Piece::Scopes).unwrap_or_default();
        Exchange {
            seq: self.seq,
            operation: self.operation.map(str::to_owned),
            method: text(Piece::Method).unwrap_or_default(),
            path: text(Piece::Path).unwrap_or_default(),
            factory: text(Piece::Factory),
            job: text(Piece::Job),
            stage: text(Piece::Stage),
            lease: text(Piece::Lease),
            token_scopes: scopes.split_whitespace().map(str::to_owned).collect(),
            request_headers: self.text.headers(Piece::RequestHeaders),
            request_body: self.text.body(Piece::RequestBody),
            rule: text(Piece::Rule),
            fault: text(Piece::Fault),
            handler_answer: answer(self.handler_status, Piece::HandlerHeaders, Piece::HandlerBody),
            wire_answer: answer(self.wire_status, Piece::WireHeaders, Piece::WireBody),
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
    pub(crate) fn is_meant_by(&self, what: &Match) -> bool {
        let about = [Piece::Factory, Piece::Job, Piece::Stage, Piece::Lease];
        what.fits(self.operation, about.map(|piece| self.text.text(piece)))
    }

    /// About how many bytes it takes.
    pub(super) fn weight(&self) -> usize {
        size_of::<Record>() + self.text.weight()
    }
}
