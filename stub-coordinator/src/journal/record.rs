//! An exchange as it is kept: a few small allocations, of which the readable [`Exchange`] is made when somebody asks.
//!
//! Ten thousand of these are held and one is made for each request, so nothing is parsed, copied twice or spelt out
//! here that no reader has asked for. What is long is cut when it is taken in.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Instant;

use serde_json::Value;

use super::exchange::{Answer, Exchange, Match, Outcome};
use crate::moment::Moment;

/// The longest body that is kept whole.
const LONGEST_BODY: usize = 65_536;
/// How much is kept of a longer one.
const START_OF_BODY: usize = 256;

/// One exchange, as small as it gets.
#[derive(Debug, Clone)]
pub(crate) struct Record {
    pub(crate) seq: u64,
    pub(crate) operation: Option<&'static str>,
    pub(crate) method: Box<str>,
    pub(crate) path: Box<str>,
    pub(crate) factory: Option<String>,
    pub(crate) job: Option<String>,
    pub(crate) stage: Option<String>,
    pub(crate) lease: Option<String>,
    pub(crate) token_scopes: Vec<&'static str>,
    pub(crate) request_headers: HeaderLines,
    pub(crate) request_body: Kept,
    pub(crate) rule: Option<Box<str>>,
    pub(crate) fault: Option<Box<str>>,
    pub(crate) handler_answer: Option<Arc<Said>>,
    pub(crate) wire_answer: Option<Arc<Said>>,
    /// Digests of real state before and after the handler, where it ran.
    pub(crate) digests: Option<(u128, u128)>,
    pub(crate) mutated: bool,
    pub(crate) outcome: Outcome,
    pub(crate) arrived: Instant,
    pub(crate) completed: Option<Instant>,
    pub(crate) at: Moment,
}

/// An answer, of the handler or on the wire.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Said {
    status: u16,
    headers: HeaderLines,
    body: Kept,
}

/// Headers in one piece of text, a line each.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct HeaderLines(Box<str>);

/// A body, or the start of a long one.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Kept {
    bytes: Box<[u8]>,
    /// How long the whole body is.
    length: usize,
}

impl Record {
    /// The exchange as readers know it.
    pub(crate) fn exchange(&self) -> Exchange {
        let hex = |digest: Option<u128>| digest.map_or(String::new(), |digest| format!("{digest:032x}"));
        Exchange {
            seq: self.seq,
            operation: self.operation.map(str::to_owned),
            method: self.method.to_string(),
            path: self.path.to_string(),
            factory: self.factory.clone(),
            job: self.job.clone(),
            stage: self.stage.clone(),
            lease: self.lease.clone(),
            token_scopes: self
                .token_scopes
                .iter()
                .map(|scope| (*scope).to_owned())
                .collect(),
            request_headers: self.request_headers.read(),
            request_body: self.request_body.read(),
            rule: self.rule.as_deref().map(str::to_owned),
            fault: self.fault.as_deref().map(str::to_owned),
            handler_answer: self.handler_answer.as_deref().map(Said::read),
            wire_answer: self.wire_answer.as_deref().map(Said::read),
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
        what.fits(
            self.operation,
            [&self.factory, &self.job, &self.stage, &self.lease].map(Option::as_deref),
        )
    }

    /// About how many bytes it takes.
    pub(super) fn weight(&self) -> usize {
        let texts = [&self.factory, &self.job, &self.stage, &self.lease];
        let texts: usize = texts.into_iter().flatten().map(String::capacity).sum();
        let named = [&self.rule, &self.fault];
        let named: usize = named.into_iter().flatten().map(|text| text.len()).sum();
        let handler = self.handler_answer.as_ref();
        let wire = self
            .wire_answer
            .as_ref()
            .filter(|wire| handler.is_none_or(|handler| !Arc::ptr_eq(handler, wire)));
        let answers: usize = handler.into_iter().chain(wire).map(|said| said.weight()).sum();
        size_of::<Record>()
            + self.method.len()
            + self.path.len()
            + texts
            + named
            + self.token_scopes.capacity() * size_of::<&str>()
            + self.request_headers.0.len()
            + self.request_body.bytes.len()
            + answers
    }
}

impl Said {
    pub(crate) fn of<'a>(
        status: u16,
        headers: impl Iterator<Item = (&'a str, &'a str)>,
        body: &[u8],
    ) -> Arc<Said> {
        Arc::new(Said {
            status,
            headers: HeaderLines::of(headers),
            body: Kept::of(body),
        })
    }

    fn read(&self) -> Answer {
        Answer {
            status: self.status,
            headers: self.headers.read(),
            body: self.body.read(),
        }
    }

    fn weight(&self) -> usize {
        size_of::<Said>() + self.headers.0.len() + self.body.bytes.len()
    }
}

impl HeaderLines {
    pub(crate) fn of<'a>(headers: impl Iterator<Item = (&'a str, &'a str)>) -> HeaderLines {
        let mut lines = String::with_capacity(192);
        for (name, value) in headers {
            lines.push_str(name);
            lines.push(':');
            lines.push_str(value);
            lines.push('\n');
        }
        HeaderLines(lines.into_boxed_str())
    }

    fn read(&self) -> BTreeMap<String, String> {
        let pairs = self.0.split('\n').filter_map(|line| line.split_once(':'));
        pairs
            .map(|(name, value)| (name.to_owned(), value.to_owned()))
            .collect()
    }
}

impl Kept {
    pub(crate) fn of(body: &[u8]) -> Kept {
        let kept = if body.len() > LONGEST_BODY {
            START_OF_BODY
        } else {
            body.len()
        };
        Kept {
            bytes: Box::from(&body[..kept]),
            length: body.len(),
        }
    }

    /// A JSON value where it is JSON, else text; none where there is nothing.
    fn read(&self) -> Option<Value> {
        let text = || String::from_utf8_lossy(&self.bytes).into_owned();
        if self.length == 0 {
            return None;
        }
        if self.bytes.len() < self.length {
            return Some(Value::String(format!("{}... ({} bytes)", text(), self.length)));
        }
        Some(serde_json::from_slice(&self.bytes).unwrap_or_else(|_| Value::String(text())))
    }
}
