//! One exchange from its arrival on: carried out, corrupted where a rule fired on it, and its end written down.

use std::sync::Arc;

use axum::body::Body;
use axum::http::{Response, header};

use super::dialect_edge;
use super::fault_wait::{FaultWaitOutcome, wait_as_told};
use super::read_request;
use crate::clock::WakeGuard;
use crate::contract::execution_mode::ExecutionMode;
use crate::contract::ids::JobId;
use crate::contract::operation::Operation;
use crate::contract::problem::Problem;
use crate::faults::{
    ArmEffect, ConnectionAction, ConnectionHandle, FaultContext, FaultPhase, FaultyAnswer, HandlerPlan,
    ToldPolicy,
};
use crate::journal::exchange::ExchangeOutcome;
use crate::journal::exchange_record::BorrowedAnswer;
use crate::journal::{ExchangeEnd, OpenExchange};
use crate::operation_handler::{self, HandledCall, OperationCall, refused};
use crate::rules::FiredRule;
use crate::shared_stub::SharedStub;
use crate::wire_answer::WireAnswer;

/// One exchange under way.
pub(super) struct ExchangeRun<'a> {
    pub(super) shared: &'a Arc<SharedStub>,
    pub(super) open: OpenExchange,
    /// None where the request is of no operation.
    pub(super) operation: Option<Operation>,
    pub(super) handle: &'a ConnectionHandle,
    /// Kept until the answer is out, so that whoever advanced the clock waits for it.
    pub(super) woken: Option<WakeGuard>,
}

impl ExchangeRun<'_> {
    pub(super) async fn execute(
        mut self,
        call: OperationCall<'_>,
        fired: Option<FiredRule>,
    ) -> Response<Body> {
        let operation = call.operation;
        let Some(fired) = fired else {
            let handled =
                operation_handler::answer(self.shared, call, ExecutionMode::Honest, &mut self.woken).await;
            self.commit(operation, &handled, ExecutionMode::Honest);
            let answer = FaultyAnswer::whole(handled.answer);
            return self.finish(handled.refusal, answer, ExchangeOutcome::Answered);
        };
        if fired.fault.arm_effect() == Some(ArmEffect::StopListening) {
            self.shared.listening.send_replace(false);
        }
        if fired.phase == FaultPhase::Before && self.held(&fired).await {
            return self.leave_unanswered();
        }
        let handled = match fired.fault.plan(fired.phase, operation) {
            HandlerPlan::Skip => None,
            HandlerPlan::Run(execution_mode) => {
                let handled =
                    operation_handler::answer(self.shared, call, execution_mode, &mut self.woken).await;
                self.commit(operation, &handled, execution_mode);
                Some(handled)
            }
        };
        if fired.phase == FaultPhase::After && self.held(&fired).await {
            return self.leave_unanswered();
        }
        self.corrupt(operation, &fired, handled)
    }

    /// Waits as the fault says; true where there will be no answer.
    async fn held(&mut self, fired: &FiredRule) -> bool {
        let held = wait_as_told(fired, &self.shared.clock, &self.shared.gates, &mut self.woken).await;
        matches!(held, FaultWaitOutcome::NoAnswer)
    }

    /// Writes down what the handler did, at once: the client may leave before it hears of it.
    fn commit(&mut self, operation: Operation, handled: &HandledCall, execution_mode: ExecutionMode) {
        // A rehearsal's answer is what the wire shows; the handler itself never ran.
        let answer = (execution_mode != ExecutionMode::WithoutCommit).then(|| said(&handled.answer));
        let digests = handled
            .outcome
            .as_ref()
            .map(|outcome| (outcome.digest_before.value(), outcome.digest_after.value()));
        let mutated = handled.outcome.as_ref().is_some_and(|outcome| outcome.mutated);
        self.shared.journal.note(&self.open, |record| {
            if let Some(answer) = answer {
                record.record_handler_answer(answer);
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

    fn corrupt(
        self,
        operation: Operation,
        fired: &FiredRule,
        handled: Option<HandledCall>,
    ) -> Response<Body> {
        let shared = Arc::clone(self.shared);
        let job_named = |name: &str| read_request::job_json(&shared, &JobId::parse(name).ok()?);
        let other_job = |named: Option<&str>| read_request::another_queued_job(&shared, named);
        let fault_context = FaultContext {
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
        let corrupted = fired.fault.corrupt(honest, &fault_context);
        let unchanged = corrupted.act == ConnectionAction::Honest
            && corrupted.policy == ToldPolicy::Honest
            && !fired.fault.is_semantic()
            && before.as_ref().is_some_and(|honest| {
                honest.status == corrupted.answer.status && honest.body == corrupted.answer.body
            });
        let outcome = if unchanged {
            ExchangeOutcome::Answered
        } else {
            ExchangeOutcome::Faulted
        };
        self.finish(refusal, corrupted, outcome)
    }

    pub(super) fn refuse(self, problem: &Problem) -> Response<Body> {
        let handled = refused(problem, None);
        self.shared.journal.note(&self.open, |record| {
            record.record_handler_answer(said(&handled.answer));
        });
        let answer = FaultyAnswer::whole(handled.answer);
        self.finish(handled.refusal, answer, ExchangeOutcome::Answered)
    }

    fn leave_unanswered(self) -> Response<Body> {
        let nothing = FaultyAnswer::ended(WireAnswer::empty(204), ConnectionAction::Close);
        self.finish(None, nothing, ExchangeOutcome::Faulted)
    }

    /// Writes the end down and hands the answer over. `refusal` is the code of the handler's own.
    fn finish(
        self,
        refusal: Option<Box<str>>,
        FaultyAnswer {
            answer,
            body,
            act,
            policy,
        }: FaultyAnswer,
        outcome: ExchangeOutcome,
    ) -> Response<Body> {
        let answer = answer.telling(policy.header(self.shared.policy.header()));
        let unexpected = refusal.as_deref().is_some_and(breaks_the_contract);
        self.handle.set(act);
        self.open.complete(ExchangeEnd {
            wire_answer: (act == ConnectionAction::Honest).then(|| said(&answer)),
            outcome,
            refusal: refusal.as_deref(),
            unexpected,
        });
        // The journal speaks of the API; what a fault sends in pieces is broken in any wire.
        let answer = match body {
            None => dialect_edge::answer_of(self.shared, self.operation, answer),
            Some(_) => answer,
        };
        let date = read_request::http_date(self.shared.clock.now());
        let mut response = answer.into_response(date, body);
        if act != ConnectionAction::Honest {
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
fn said(answer: &WireAnswer) -> BorrowedAnswer<'_> {
    BorrowedAnswer {
        status: answer.status,
        headers: &answer.headers,
        body: &answer.body,
    }
}
