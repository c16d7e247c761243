//! The honest service: extract, call the coordinator, encode. It decides nothing.

use std::borrow::Cow;

use axum::body::Bytes;
use serde_json::json;

use crate::clock::WakeGuard;
use crate::contract::api_document::API_DOCUMENT;
use crate::contract::execution_mode::ExecutionMode;
use crate::contract::ids::EventKey;
use crate::contract::operation::Operation;
use crate::contract::problem::Problem;
use crate::contract::query_string::pairs_of;
use crate::coordinator::commands::{CommandOutcome, CommandReply, CoordinatorCommand};
use crate::coordinator::idempotency_cache::IdempotentRequest;
use crate::shared_stub::SharedStub;
use crate::wire::{BorrowedJson, QueryParameters, claim_wait_ms, encode, problem_of, read_command};
use crate::wire_answer::{JSON, WireAnswer};

/// A request of an operation, taken out of HTTP.
pub(crate) struct OperationCall<'a> {
    pub(crate) operation: Operation,
    pub(crate) path: &'a str,
    pub(crate) path_id: Option<&'a str>,
    pub(crate) query: &'a str,
    pub(crate) bearer: Option<&'a str>,
    /// `Idempotency-Key`, as it was sent.
    pub(crate) key: Option<Cow<'a, str>>,
    pub(crate) body: &'a [u8],
    /// What the body says, or why it is no JSON.
    pub(crate) said: Result<BorrowedJson<'a>, serde_json::Error>,
}

/// An answer with the evidence of what led to it.
pub(crate) struct HandledCall {
    pub(crate) answer: WireAnswer,
    /// What the coordinator did; none where the request never got to it.
    pub(crate) outcome: Option<CommandOutcome>,
    /// The problem's code, where it was refused.
    pub(crate) refusal: Option<Box<str>>,
}

/// Answers a call. A claim that waits is the one that takes time.
pub(crate) async fn answer(
    shared: &SharedStub,
    call: OperationCall<'_>,
    execution_mode: ExecutionMode,
    under_way: &mut Option<WakeGuard>,
) -> HandledCall {
    let wait_ms = wait_of(&call);
    match prepare(shared, call) {
        Err(problem) => refused(&problem, None),
        Ok(PreparedCall::Plain(answer)) => HandledCall {
            answer,
            outcome: None,
            refusal: None,
        },
        Ok(PreparedCall::Command(command, once)) => {
            let command = *command;
            let outcome = match wait_ms {
                0 => shared.apply(command, once.clone(), execution_mode),
                wait_ms => {
                    claim_until_deadline(shared, command, once.clone(), execution_mode, wait_ms, under_way)
                        .await
                }
            };
            if let (Some(once), Ok(CommandReply::Nothing), ExecutionMode::Honest) =
                (once, &outcome.result, execution_mode)
            {
                shared.coordinator().cache_empty_reply(once);
            }
            encoded(outcome)
        }
    }
}

/// A request that is fit to be carried out.
enum PreparedCall {
    /// Health and the document need no coordinator.
    Plain(WireAnswer),
    Command(Box<CoordinatorCommand>, Option<IdempotentRequest>),
}

fn prepare(shared: &SharedStub, call: OperationCall<'_>) -> Result<PreparedCall, Problem> {
    let permission = call.operation.permission();
    let bearer = call.bearer;
    shared
        .coordinator()
        .access()
        .check(bearer, permission)
        .map_err(|refusal| problem_of(&refusal))?;
    let key = call
        .key
        .as_deref()
        .filter(|_| call.operation.mutates())
        .map(EventKey::parse)
        .transpose()
        .map_err(|error| Problem::new("invalid_id", error.to_string()).on("Idempotency-Key"))?;
    let query = QueryParameters::new(pairs_of(call.query));
    let said = match call.body.is_empty() && call.operation.body_is_optional() {
        true => Ok(BorrowedJson::Object(Vec::new())),
        false => call.said,
    };
    let command = read_command(call.operation, call.path_id, query, said, bearer, shared.strict)?;
    let Some(command) = command else {
        return Ok(PreparedCall::Plain(plain(shared, call.operation, bearer)));
    };
    let once = key.map(|key| IdempotentRequest {
        caller: shared.coordinator().access().hash(bearer.unwrap_or_default()),
        key,
        fingerprint: crate::coordinator::digest::Digest::of(&(call.operation.name(), call.path, call.body))
            .value(),
    });
    Ok(PreparedCall::Command(Box::new(command), once))
}

fn plain(shared: &SharedStub, operation: Operation, bearer: Option<&str>) -> WireAnswer {
    if operation == Operation::Openapi {
        return WireAnswer::bytes(200, JSON, Bytes::from_static(API_DOCUMENT.as_bytes()));
    }
    let mut health = json!({"status": "ok", "serverTime": shared.clock.now()});
    let scopes = bearer.map(|token| shared.coordinator().scopes(token));
    if let Some(scopes) = scopes.filter(|scopes| !scopes.is_empty()) {
        health["scopes"] = json!(scopes);
    }
    if let Some(policy) = shared.policy.get() {
        health["policy"] = json!(policy.policy());
        health["version"] = json!(policy.version());
    }
    WireAnswer::json(200, &health)
}

fn wait_of(call: &OperationCall<'_>) -> u64 {
    match &call.said {
        Ok(said) if call.operation == Operation::Claim => claim_wait_ms(said),
        _ => 0,
    }
}

/// Tries a claim, and again at each change and each lease that runs out, until there is a job or the time is over.
async fn claim_until_deadline(
    shared: &SharedStub,
    command: CoordinatorCommand,
    once: Option<IdempotentRequest>,
    execution_mode: ExecutionMode,
    wait_ms: u64,
    under_way: &mut Option<WakeGuard>,
) -> CommandOutcome {
    let until = shared.clock.now().after_ms(wait_ms);
    loop {
        let changed = shared.changed.notified();
        tokio::pin!(changed);
        changed.as_mut().enable();
        let outcome = shared.apply(command.clone(), once.clone(), execution_mode);
        let found_nothing = matches!(outcome.result, Ok(CommandReply::Nothing));
        if !found_nothing || shared.clock.now() >= until {
            return outcome;
        }
        let next = shared
            .coordinator()
            .next_deadline()
            .map_or(until, |deadline| deadline.min(until));
        let alarm = shared.clock.sleep_until(next, "a claim that waits");
        *under_way = None;
        tokio::select! {
            // The alarm is what an advance waits for; where both have come, it is the one to take.
            biased;
            woken = alarm => *under_way = Some(woken),
            () = changed => *under_way = Some(shared.clock.begin()),
        }
    }
}

fn encoded(outcome: CommandOutcome) -> HandledCall {
    match &outcome.result {
        Ok(reply) => {
            let (status, body) = encode(reply);
            let answer = body.map_or_else(
                || WireAnswer::empty(status),
                |body| WireAnswer::bytes(status, JSON, Bytes::from(body)),
            );
            HandledCall {
                answer,
                outcome: Some(outcome),
                refusal: None,
            }
        }
        Err(refusal) => {
            let problem = problem_of(refusal);
            refused(&problem, Some(outcome))
        }
    }
}

/// A refusal as an answer.
pub(crate) fn refused(problem: &Problem, outcome: Option<CommandOutcome>) -> HandledCall {
    HandledCall {
        answer: WireAnswer::problem(problem),
        outcome,
        refusal: Some(problem.code.clone()),
    }
}
