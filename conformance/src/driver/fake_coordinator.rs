//! The fake coordinator of a run: configured by the scenario's table, and read out once everything that
//! could talk to it has ended.

use std::collections::BTreeMap;
use std::path::Path;

use stub_coordinator::{Fault, NewJob, Rule, Scope, Stub, StubCounters, TokenGrant, UnknownFieldPolicy};

use super::DriverError;
use crate::evidence::CoordinatorEvidence;
use crate::sandbox::job_file;
use crate::sandbox::token_leaks::RunTokens;
use crate::scenario::{DurationText, FleetMode, Job, Scenario, TokenVia};

/// Starts the fake with the scenario's jobs and rules. It knows the run's token and no other, and refuses
/// fields that the API does not know.
pub(super) fn start(scenario: &Scenario, secret: &RunTokens, work: &Path) -> Result<Stub, DriverError> {
    let known = scenario
        .jobs
        .iter()
        .filter(|job| job.raw.is_none())
        .map(|job| (job.id.clone(), new_job(job, work)));
    let known: BTreeMap<String, NewJob> = known.collect();
    let mut config = scenario.coordinator.clone().into_config_knowing(&known)?;
    config.strict = UnknownFieldPolicy::Strict;
    if scenario.runner.token != TokenVia::Open {
        config.tokens.push(TokenGrant {
            token: secret.token.clone(),
            scopes: scopes(scenario)?,
        });
    }
    Ok(Stub::start(config)?)
}

/// Disarms the rule of this name.
pub(super) fn disarm(stub: &Stub, id: &str) -> Result<(), String> {
    let armed = stub
        .rules()
        .into_iter()
        .find(|status| status.id.to_string() == id);
    let Some(armed) = armed.filter(|status| stub.disarm(&status.id)) else {
        return Err(format!("no rule `{id}` is armed"));
    };
    if armed.fired == 0 && !is_down(&armed.rule) {
        return Err(format!("rule `{id}` had not fired when it was disarmed"));
    }
    Ok(())
}

/// Whether this rule closes the listener as soon as it is armed: it fires on no request, as none arrives.
fn is_down(rule: &Rule) -> bool {
    rule.fault == Fault::Down && rule.on == "*"
}

/// Reads the evidence; to be called when nothing that the runner started lives any more.
pub(super) fn evidence(
    stub: &Stub,
    (before, digest_before): (StubCounters, String),
) -> Result<CoordinatorEvidence, DriverError> {
    stub.fence()?;
    let rules = stub.rules();
    let was_down = rules.iter().any(|status| is_down(&status.rule));
    let unfired = rules
        .into_iter()
        .filter(|status| status.fired == 0 && !is_down(&status.rule));
    Ok(CoordinatorEvidence {
        before,
        after: stub.counters(),
        digest_before,
        digest_after: stub.digest(),
        journal: stub.journal(),
        forgotten: stub.forgotten(),
        unexpected: stub.unexpected(),
        violations: stub.violations(),
        rules_unfired: unfired
            .map(|status| format!("{} on {}", status.id, status.rule.on))
            .collect(),
        was_down,
        stages: stub.jobs().into_iter().map(|job| (job.id, job.stage)).collect(),
    })
}

/// What the runner's token may do: what the scenario says, else what its mode needs and no more.
fn scopes(scenario: &Scenario) -> Result<Vec<Scope>, DriverError> {
    let by_mode = match scenario.mode() {
        FleetMode::Route => vec![Scope::Shadow, Scope::Work],
        FleetMode::Offline | FleetMode::Local | FleetMode::Shadow => vec![Scope::Shadow],
    };
    let Some(names) = &scenario.runner.scopes else {
        return Ok(by_mode);
    };
    let all = [Scope::Shadow, Scope::Work, Scope::Submit, Scope::Admin];
    let named = |name: &String| all.into_iter().find(|scope| scope.name() == name);
    let unknown = |name: &String| DriverError::Table {
        message: format!("`{name}` is no scope of a token"),
    };
    names
        .iter()
        .map(|name| named(name).ok_or_else(|| unknown(name)))
        .collect()
}

/// The job as the coordinator holds it: the same as in its file.
fn new_job(job: &Job, work: &Path) -> NewJob {
    let milliseconds = |text: &Option<String>| {
        let span = DurationText::parse(text.as_deref()?)?;
        u64::try_from(span.0.as_millis()).ok()
    };
    NewJob {
        cwd: job_file::cwd(job, work),
        yolo: job.yolo.unwrap_or(false),
        lock: job.lock.clone(),
        timeout_ms: milliseconds(&job.timeout),
        idle_timeout_ms: milliseconds(&job.idle_timeout),
        priority: job
            .priority
            .and_then(|priority| i32::try_from(priority).ok())
            .unwrap_or(0),
        caps: job.caps.clone().unwrap_or_default(),
        verify: job.verify.clone(),
        review: job.review.unwrap_or(false),
        ship: job.ship.clone(),
        retries: job.retries.unwrap_or(0),
        body: job_file::body(job),
        ..NewJob::named(&job.id, job.engine())
    }
}
