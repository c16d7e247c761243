//! One observation: a stub with these rules, a request over a socket of its own, and all that can be seen of it.

use std::collections::BTreeSet;
use std::io::{ErrorKind, Read, Write};
use std::net::TcpStream;
use std::sync::mpsc::{Receiver, RecvTimeoutError, sync_channel};
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::FaultCase;
use crate::clock::ClockKind;
use crate::config::{NewJob, StubConfig};
use crate::contract::ids::RuleId;
use crate::faults::ProbeStep;
use crate::journal::exchange::{Exchange, ExchangeMatch};
use crate::rules::Rule;
use crate::stub::Stub;

/// How long anything may take; what takes longer is a finding of its own.
const TIME_LIMIT: Duration = Duration::from_secs(20);
/// How long an answer is listened for before the clock is moved on.
const MOMENT: Duration = Duration::from_millis(2);
/// Longer than every delay that is checked, far shorter than a lease.
const LATER: Duration = Duration::from_secs(60);
/// How far the clock moves while an answer is listened for.
const TICK: Duration = Duration::from_secs(1);
const LEASE_MS: u64 = 86_400_000;

/// All that can be seen of a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct ProbeResult {
    /// What came over the wire, and how that ended.
    answer: Vec<u8>,
    ending: Option<ErrorKind>,
    /// What it came only after.
    waited: ProbeWait,
    /// What fell due when the clock was moved.
    due: BTreeSet<String>,
    pub(super) digest_before: String,
    pub(super) digest: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum ProbeWait {
    Not,
    UntilTheClockMoved,
    UntilTheGateOpened,
    UntilTheRuleWasDisarmed,
}

type RawAnswer = (Vec<u8>, Option<ErrorKind>);

/// Asks a stub with these rules, and says what is seen.
pub(super) fn observe(case: &FaultCase, rules: Vec<Rule>) -> Result<ProbeResult, String> {
    let stub = Stub::start(StubConfig {
        jobs: ["one", "two"].map(|id| NewJob::named(id, "sh")).into(),
        clock: ClockKind::Manual,
        lease_ms: LEASE_MS,
        seed: Some(1),
        ..StubConfig::default()
    })
    .map_err(|error| error.to_string())?;
    for step in case.first {
        take(*step, case, &stub)?;
    }
    let arm = |rule: Rule| stub.arm(rule).map_err(|error| error.to_string());
    let armed = rules.into_iter().map(arm).collect::<Result<Vec<_>, _>>()?;
    for step in case.then {
        take(*step, case, &stub)?;
    }
    let digest_before = stub.digest();
    let (path, body) = request_of(&case.rule.on);
    let this = ExchangeMatch::operation(&case.rule.on);
    let earlier = arrivals(&stub, &this, 0)?.len();
    let answer = send(&stub, path, &body)?;
    arrivals(&stub, &this, earlier + 1)?;
    let mut due = BTreeSet::new();
    let waited = let_go(&stub, &armed, &mut due)?;
    let (answer, ending) = listen(&stub, &answer, &mut due)?;
    Ok(ProbeResult {
        answer,
        ending,
        waited,
        due,
        digest_before,
        digest: stub.digest(),
    })
}

fn arrivals(stub: &Stub, what: &ExchangeMatch, count: usize) -> Result<Vec<Exchange>, String> {
    stub.wait(what, count, TIME_LIMIT)
        .map_err(|error| error.to_string())
}

/// Finds out what the request waits for, if for anything, by doing one thing after the other.
fn let_go(stub: &Stub, armed: &[RuleId], due: &mut BTreeSet<String>) -> Result<ProbeWait, String> {
    for (by, waited) in [
        (Duration::ZERO, ProbeWait::Not),
        (LATER, ProbeWait::UntilTheClockMoved),
    ] {
        move_clock(stub, by, due)?;
        if stub.journal().pop().is_some_and(|last| last.completed.is_some()) {
            return Ok(waited);
        }
    }
    if stub.release_gate("self-check") > 0 {
        return Ok(ProbeWait::UntilTheGateOpened);
    }
    for id in armed {
        stub.disarm(id);
    }
    Ok(ProbeWait::UntilTheRuleWasDisarmed)
}

/// Takes the answer in; the clock moves on for one that comes in pieces.
fn listen(
    stub: &Stub,
    answer: &Receiver<RawAnswer>,
    due: &mut BTreeSet<String>,
) -> Result<RawAnswer, String> {
    let start = Instant::now();
    while start.elapsed() < TIME_LIMIT {
        match answer.recv_timeout(MOMENT) {
            Ok(answer) => return Ok(answer),
            Err(RecvTimeoutError::Disconnected) => return Err("the client ended early".to_owned()),
            Err(RecvTimeoutError::Timeout) => move_clock(stub, TICK, due)?,
        }
    }
    Err("there was no end to it, though nothing holds it any more".to_owned())
}

/// Returns when all that is under way has ended or waits for something.
fn move_clock(stub: &Stub, by: Duration, due: &mut BTreeSet<String>) -> Result<(), String> {
    let fell_due = stub.advance(by).map_err(|error| error.to_string())?;
    due.extend(fell_due.into_iter().map(|due| due.what));
    Ok(())
}

/// Path and body of a request of the operation.
fn request_of(operation: &str) -> (&'static str, Value) {
    let asking = json!({"factoryId": "self-check", "caps": ["engine:sh"], "shadow": 1});
    match operation {
        "claim" => ("/v1/claims", asking),
        "shadow.report" => {
            let at = "2026-01-01T00:00:00.000Z";
            let report = json!({"factoryId": "self-check", "jobId": "one", "stage": "building", "at": at, "shadow": 1});
            ("/v1/shadow/reports", report)
        }
        "job.get" => ("/v1/jobs/one", Value::Null),
        "job.submit" => ("/v1/jobs", json!({"id": "one", "engine": "sh", "body": "again"})),
        "job.withdraw" => ("/v1/jobs/one/withdraw", json!({})),
        _ => ("/v1/shadow/claims", asking),
    }
}

/// Does what comes before the request in question.
fn take(step: ProbeStep, case: &FaultCase, stub: &Stub) -> Result<(), String> {
    let (path, body) = match step {
        ProbeStep::Claim => request_of("claim"),
        ProbeStep::Release => {
            let holder = json!({"factoryId": "self-check", "fencingToken": 1});
            ("/v1/leases/lease-1/release", holder)
        }
        ProbeStep::Withdraw => request_of("job.withdraw"),
        ProbeStep::SendEarlier => request_of(&case.rule.on),
    };
    let answer = send(stub, path, &body)?.recv_timeout(TIME_LIMIT);
    match answer {
        Ok(_) if step == ProbeStep::SendEarlier => Ok(()),
        Ok((bytes, _)) if bytes.starts_with(b"HTTP/1.1 200") => Ok(()),
        other => Err(format!("what comes before the request failed: {other:?}")),
    }
}

/// Sends a request on a connection of its own; what comes back comes through the channel.
fn send(stub: &Stub, path: &str, body: &Value) -> Result<Receiver<RawAnswer>, String> {
    let failed = |error: std::io::Error| format!("the request can't be sent: {error}");
    let (method, body) = match body {
        Value::Null => ("GET", String::new()),
        body => ("POST", body.to_string()),
    };
    let mut stream = TcpStream::connect(stub.address()).map_err(failed)?;
    stream.set_read_timeout(Some(TIME_LIMIT)).map_err(failed)?;
    let length = body.len();
    let request = format!(
        "{method} {path} HTTP/1.1\r\nhost: 127.0.0.1\r\nconnection: close\r\ncontent-type: application/json\r\n\
         content-length: {length}\r\n\r\n{body}"
    );
    stream.write_all(request.as_bytes()).map_err(failed)?;
    let (tell, told) = sync_channel(1);
    std::thread::spawn(move || {
        let mut bytes = Vec::new();
        let ending = stream.read_to_end(&mut bytes).err().map(|error| error.kind());
        // Whoever asked may have given up.
        let _ = tell.send((bytes, ending));
    });
    Ok(told)
}
