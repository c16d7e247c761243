//! One exchange as evidence: what was asked, what the handler answered, what went over the wire, and what changed.

use std::collections::BTreeMap;
use std::time::Instant;

use serde::Serialize;
use serde_json::Value;

use crate::contract::match_fields::{all_match, match_fields};

/// One request and what came of it.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Exchange {
    /// Ordinal of its arrival, from 1.
    pub seq: u64,
    /// The operation of the API; none where the request is none of them.
    pub operation: Option<String>,
    /// The request's method.
    pub method: String,
    /// The request's path with its query.
    pub path: String,
    /// The factory that it speaks for.
    pub factory: Option<String>,
    /// The job that it speaks of.
    pub job: Option<String>,
    /// The stage that it reports or asks for.
    pub stage: Option<String>,
    /// The lease that it speaks of.
    pub lease: Option<String>,
    /// Scopes of its token; empty without a known one.
    pub token_scopes: Vec<String>,
    /// Its headers, in lower case; the token is taken out.
    pub request_headers: BTreeMap<String, String>,
    /// Its body where that is JSON, cut short where it is long.
    pub request_body: Option<Value>,
    /// The rule that fired on it.
    pub rule: Option<String>,
    /// The fault that the rule carries, as it is written.
    pub fault: Option<String>,
    /// What the handler answered; none where it never ran.
    pub handler_answer: Option<RecordedAnswer>,
    /// What went over the wire; none where nothing did, or nothing whole.
    pub wire_answer: Option<RecordedAnswer>,
    /// Digest of real state before the handler ran; empty where it never did.
    pub digest_before: String,
    /// Digest of real state after it.
    pub digest_after: String,
    /// Whether the handler wrote anything real.
    pub mutated: bool,
    /// How it ended.
    pub outcome: ExchangeOutcome,
    /// When it arrived, on this process's clock.
    #[serde(skip)]
    pub arrived: Instant,
    /// When it ended.
    #[serde(skip)]
    pub completed: Option<Instant>,
    /// When it arrived, on the stub's clock.
    pub at: String,
}

/// An answer: of the handler, or on the wire.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct RecordedAnswer {
    /// The status.
    pub status: u16,
    /// The headers, in lower case.
    pub headers: BTreeMap<String, String>,
    /// The body: JSON where it is JSON, else text; none where there is none. Cut short where it is long.
    pub body: Option<Value>,
}

/// How an exchange ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum ExchangeOutcome {
    /// It has not.
    InFlight,
    /// The handler's answer went over the wire.
    Answered,
    /// Something else did, or nothing.
    Faulted,
    /// The client left first.
    AbortedByClient,
}

match_fields! {
    /// Which exchanges are meant; all that is given has to hold.
    pub struct ExchangeMatch {
        /// The operation.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        pub operation: Option<String>,
    }
}

impl ExchangeMatch {
    /// Every exchange of an operation.
    pub fn operation(name: &str) -> ExchangeMatch {
        ExchangeMatch {
            operation: Some(name.to_owned()),
            ..ExchangeMatch::default()
        }
    }

    /// Whether an exchange is meant.
    pub fn holds(&self, exchange: &Exchange) -> bool {
        let about = [&exchange.factory, &exchange.job, &exchange.stage, &exchange.lease];
        self.fits(exchange.operation.as_deref(), about.map(Option::as_deref))
    }

    /// The same of what it says about operation, factory, job, stage and lease.
    pub(super) fn fits(&self, operation: Option<&str>, about: [Option<&str>; 4]) -> bool {
        let is_operation = self.operation.is_none() || self.operation.as_deref() == operation;
        is_operation && all_match(self.facts().match_values(), about)
    }
}
