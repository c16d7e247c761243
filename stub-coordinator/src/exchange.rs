//! The path of one request through everything: read, journalled, matched, carried out, spoilt, answered.
//!
//! This is where coordinator, script, faults and journal meet, and the only place. The order matters: state is
//! committed and counted before the first wait that a client's leaving could end, and the end of the exchange is
//! written down before the first byte of the answer leaves.

mod request;

use std::future::{Future, poll_fn};
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::task::Poll;
use std::time::Instant;

use axum::body::{Body, Bytes, HttpBody};
use axum::extract::{Request, State};
use axum::http::{Response, header};

use crate::clock::Woken;
use crate::coordinator::outcome::Manner;
use crate::faults::{
    Act, Handle, Handling, Held, Scene, WireAnswer, handling, hold, holds_first, is_lie, spoil,
};
use crate::ids::JobId;
use crate::journal::exchange::Outcome;
use crate::journal::record::{Arrival, Said};
use crate::journal::{Ending, Open};
use crate::operation::{Operation, Recognised};
use crate::routes::{self, Call, Handled, refused};
use crate::script::{Fault, Fired};
use crate::shared::Shared;
use crate::wire::{Json, Problem};

pub(crate) use request::{BODY_LIMIT, bearer, facts_of, http_date, read_body};

/// Answers a request that came by way of the console's or the control API's routes and is neither's.
pub(crate) async fn exchange(State(shared): State<Arc<Shared>>, request: Request) -> Response<Body> {
    let handle = request.extensions().get::<Handle>().cloned().unwrap_or_default();
    let born = request.extensions().get::<Born>().copied();
    let born = born.unwrap_or_else(|| Born(*shared.life.borrow()));
    converse(&shared, &handle, born, request).await
}

/// Answers one request of the API, unless a reset ends it first.
pub(crate) async fn converse<B>(
    shared: &Arc<Shared>,
    handle: &Handle,
    born: Born,
    request: axum::http::Request<B>,
) -> Response<Body>
where
    B: HttpBody<Data = Bytes> + Unpin,
{
    handle.begin();
    let mut life = shared.life.subscribe();
    if born.0 != *life.borrow() {
        return late(shared);
    }
    let mut answer = pin!(answer(shared, handle, request));
    // Mostly there is nothing to wait for, and so no time for a reset.
    if let Some(response) = at_once(&mut answer).await {
        return response;
    }
    tokio::select! {
        biased;
        _ = life.changed() => {
            handle.set(Act::Close);
            Response::new(Body::empty())
        }
        response = answer => response,
    }
}

/// What a future comes to, where it does so without waiting.
async fn at_once<F: Future + Unpin>(future: &mut F) -> Option<F::Output> {
    poll_fn(|context| {
        Poll::Ready(match Pin::new(&mut *future).poll(context) {
            Poll::Ready(output) => Some(output),
            Poll::Pending => None,
        })
    })
    .await
}

/// The life of the stub in which a connection was made.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Born(pub(crate) u64);

/// Refuses what was begun before a reset and came after it: neither journalled nor counted among the new life's.
fn late(shared: &Shared) -> Response<Body> {
    shared.late.fetch_add(1, Ordering::Relaxed);
    let problem = Problem::with_status(
        410,
        "past_life",
        "the stub was reset since this connection was made; connect again",
    );
    let closing = WireAnswer::problem(&problem).with(header::CONNECTION, "close".to_owned());
    closing.into_response(http_date(shared.clock.now()), None)
}

async fn answer<B>(shared: &Arc<Shared>, handle: &Handle, request: axum::http::Request<B>) -> Response<Body>
where
    B: HttpBody<Data = Bytes> + Unpin,
{
    let (parts, body) = request.into_parts();
    let recognised = Operation::recognise(parts.method.as_str(), parts.uri.path());
    let read = request::read_body(body, BODY_LIMIT, shared.patience.body).await;
    let body = read.as_deref().unwrap_or_default();
    let said = Json::read(body);
    let (operation, path_id) = match &recognised {
        Recognised::Operation(operation, path_id) => (Some(*operation), path_id.as_deref()),
        _ => (None, None),
    };
    let path = request::path_of(&parts.uri);
    let scopes = request::scopes(shared, &parts.headers);
    let facts = request::facts_of(operation, path_id, said.as_ref().unwrap_or(&Json::Null));
    let now = shared.clock.now();
    let woken = Some(shared.clock.begin());
    // Decided before it is journalled: who waits for the arrival and then disarms the rule finds it fired.
    let fired = match (operation, &read) {
        (Some(operation), Ok(_)) => shared.script.decide(operation, &facts, now),
        _ => None,
    };
    let fault = fired.as_ref().map(|fired| fired.fault.to_string());
    if let Some(fired) = &fired {
        shared.journal.faulted(fired.fault.kind());
    }
    let open = shared.journal.arrive(&Arrival {
        operation: operation.map(Operation::name),
        method: parts.method.as_str(),
        path: &path,
        factory: facts.factory,
        job: facts.job,
        stage: facts.stage,
        lease: facts.lease,
        token_scopes: &scopes,
        headers: &parts.headers,
        body,
        rule: fired.as_ref().map(|fired| fired.rule.as_str()),
        fault: fault.as_deref(),
        arrived: Instant::now(),
        at: now,
    });
    let run = Run {
        shared,
        open,
        handle,
        woken,
    };
    match (&recognised, &read) {
        (Recognised::Operation(operation, path_id), Ok(_)) => {
            let call = request::call(&parts, *operation, path_id.as_deref(), body, said);
            run.carry_out(call, fired).await
        }
        (Recognised::UnknownPath, Ok(_)) => {
            run.refuse(&Problem::new("not_found", "this coordinator has no such path"))
        }
        (Recognised::WrongMethod(allowed), Ok(_)) => {
            let problem = Problem::new("method_not_allowed", format!("allowed here: {allowed}"));
            run.refuse(&problem.allowing(allowed))
        }
        (_, Err(problem)) => run.refuse(problem),
    }
}

/// One exchange under way.
struct Run<'a> {
    shared: &'a Arc<Shared>,
    open: Open,
    handle: &'a Handle,
    /// Kept until the answer is out, so that whoever advanced the clock waits for it.
    woken: Option<Woken>,
}

impl Run<'_> {
    async fn carry_out(mut self, call: Call<'_>, fired: Option<Fired>) -> Response<Body> {
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

    fn refuse(self, problem: &Problem) -> Response<Body> {
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
