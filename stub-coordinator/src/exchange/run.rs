//! One exchange from its arrival on: carried out, spoilt where a rule fired on it, and its end written down.

use std::sync::Arc;

use axum::body::Body;
use axum::http::{Response, header};

use super::request;
use crate::clock::Woken;
use crate::coordinator::outcome::Manner;
use crate::faults::{
    Act, Handle, Handling, Held, Scene, WireAnswer, handling, hold, holds_first, is_lie, spoil,
};
use crate::ids::JobId;
use crate::journal::exchange::Outcome;
use crate::journal::record::Said;
use crate::journal::{Ending, Open};
use crate::operation::Operation;
use crate::routes::{self, Call, Handled, refused};
use crate::script::{Fault, Fired};
use crate::shared::Shared;
use crate::wire::Problem;

/// One exchange under way.
pub(super) struct Run<'a> {
    pub(super) shared: &'a Arc<Shared>,
    pub(super) open: Open,
    pub(super) handle: &'a Handle,
    /// Kept until the answer is out, so that whoever advanced the clock waits for it.
    pub(super) woken: Option<Woken>,
}

impl Run<'_> {
    pub(super) async fn carry_out(mut self, call: Call<'_>, fired: Option<Fired>) -> Response<Body> {
        let operation = call.operation;
        let Some(fired) = fired else {
            let handled = routes::answer(self.shared, call, Manner::Honest, &mut self.woken).await;
            self.commit(operation, &handled, Manner::Honest);
            return self.finish(
                handled.refusal,
                handled.answer,
                None,
                Act::Honest,
                Outcome::Answered,
            );
        };
        if fired.fault == Fault::Down {
            self.shared.listening.send_replace(false);
        }
        if holds_first(fired.phase) && self.held(&fired).await {
            return self.leave_unanswered();
        }
        let handled = match handling(&fired.fault, fired.phase, operation) {
            Handling::Skip => None,
            Handling::Run(manner) => {
                let handled = routes::answer(self.shared, call, manner, &mut self.woken).await;
                self.commit(operation, &handled, manner);
                Some(handled)
            }
        };
        if !holds_first(fired.phase) && self.held(&fired).await {
            return self.leave_unanswered();
        }
        self.spoil(operation, &fired, handled)
    }

    /// Waits as the fault says; true where there will be no answer.
    async fn held(&mut self, fired: &Fired) -> bool {
        let held = hold(fired, &self.shared.clock, &self.shared.gates, &mut self.woken).await;
        matches!(held, Held::NoAnswer)
    }

    /// Writes down what the handler did, at once: the client may leave before it hears of it.
    fn commit(&mut self, operation: Operation, handled: &Handled, manner: Manner) {
        // A rehearsal's answer is what the wire shows; the handler itself never ran.
        let answer = (manner != Manner::Rehearsed).then(|| said(&handled.answer));
        let digests = handled
            .outcome
            .as_ref()
            .map(|outcome| (outcome.digest_before.value(), outcome.digest_after.value()));
        let mutated = handled.outcome.as_ref().is_some_and(|outcome| outcome.mutated);
        self.shared.journal.note(&self.open, |record| {
            if let Some(answer) = answer {
                record.handler_said(answer);
            }
            record.digests = digests;
            record.mutated = mutated;
        });
        let Some(outcome) = &handled.outcome else { return };
        if outcome.mutated {
            self.shared.journal.mutated(operation.name());
        }
        if operation.is_shadow() && outcome.digest_before != outcome.digest_after {
            self.shared.journal.violation(format!(
                "exchange {} ({}) changed real state: digest {} became {}",
                self.open.seq(),
                operation.name(),
                outcome.digest_before,
                outcome.digest_after,
            ));
        }
    }

    fn spoil(self, operation: Operation, fired: &Fired, handled: Option<Handled>) -> Response<Body> {
        let shared = Arc::clone(self.shared);
        let job_named = |name: &str| request::job_json(&shared, &JobId::parse(name).ok()?);
        let other_job = |named: Option<&str>| request::other_queued_job(&shared, named);
        let scene = Scene {
            operation,
            now: shared.clock.now(),
            clock: Arc::clone(&shared.clock),
            job_named: &job_named,
            other_job: &other_job,
        };
        let (refusal, honest) = match handled {
            Some(handled) => (handled.refusal, Some(handled.answer)),
            None => (None, None),
        };
        let before = honest.clone();
        let spoilt = spoil(&fired.fault, honest, &scene);
        let unchanged = spoilt.act == Act::Honest
            && !is_lie(&fired.fault)
            && before.as_ref().is_some_and(|honest| {
                honest.status == spoilt.answer.status && honest.body == spoilt.answer.body
            });
        let outcome = if unchanged {
            Outcome::Answered
        } else {
            Outcome::Faulted
        };
        self.finish(refusal, spoilt.answer, spoilt.body, spoilt.act, outcome)
    }

    pub(super) fn refuse(self, problem: &Problem) -> Response<Body> {
        let handled = refused(problem, None);
        self.shared
            .journal
            .note(&self.open, |record| record.handler_said(said(&handled.answer)));
        self.finish(
            handled.refusal,
            handled.answer,
            None,
            Act::Honest,
            Outcome::Answered,
        )
    }

    fn leave_unanswered(self) -> Response<Body> {
        self.finish(None, WireAnswer::empty(204), None, Act::Close, Outcome::Faulted)
    }

    /// Writes the end down and hands the answer over. `refusal` is the code of the handler's own.
    fn finish(
        self,
        refusal: Option<Box<str>>,
        answer: WireAnswer,
        body: Option<Body>,
        act: Act,
        outcome: Outcome,
    ) -> Response<Body> {
        let unexpected = refusal.as_deref().is_some_and(breaks_the_contract);
        self.handle.set(act);
        self.open.complete(Ending {
            wire_answer: (act == Act::Honest).then(|| said(&answer)),
            outcome,
            refusal: refusal.as_deref(),
            unexpected,
        });
        let date = request::http_date(self.shared.clock.now());
        let mut response = answer.into_response(date, body);
        if act != Act::Honest {
            response
                .headers_mut()
                .insert(header::CONNECTION, header::HeaderValue::from_static("close"));
        }
        response
    }
}

/// Whether a refusal says that the request was none of the contract, rather than that the state was against it.
fn breaks_the_contract(code: &str) -> bool {
    matches!(
        code,
        "not_found"
            | "method_not_allowed"
            | "malformed_json"
            | "invalid_field"
            | "invalid_id"
            | "unknown_field"
            | "idempotency_mismatch"
            | "body_too_large"
            | "unsupported_media_type"
            | "bad_request"
    )
}

/// An answer for the journal.
fn said(answer: &WireAnswer) -> Said<'_> {
    Said {
        status: answer.status,
        headers: &answer.headers,
        body: &answer.body,
    }
}
