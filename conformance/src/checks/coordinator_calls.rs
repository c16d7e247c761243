//! What reached the coordinator: connections, requests, mutations, and that it was looked at at all.

use std::collections::BTreeMap;

use stub_coordinator::Exchange;

use super::{CheckFindings, assertion};
use crate::evidence::RunEvidence;
use crate::scenario::{FleetMode, Scenario, StepAction};

/// Operations that change real state.
const MUTATING: [&str; 9] = [
    "job.submit",
    "factory.enrol",
    "factory.heartbeat",
    "claim",
    "lease.renew",
    "lease.release",
    "job.report",
    "job.quarantine",
    "job.withdraw",
];
/// Behaviours of the fake that change real state by themselves.
pub(super) const STATE_CHANGING_FAULTS: [&str; 10] = [
    "dry_run_grants",
    "leaky_shadow",
    "ack_without_commit",
    "double_grant",
    "token_regress",
    "stale_read",
    "withdraw_leased",
    "withdraw_unsaid",
    "claim_withdrawn",
    "token_reset",
];

pub(super) fn check(
    scenario: &Scenario,
    seen: &RunEvidence,
    paired: Option<&RunEvidence>,
    findings: &mut CheckFindings,
) {
    let expect = &scenario.expect;
    let coordinator = &seen.coordinator;
    let connections = coordinator.after.connections - coordinator.before.connections;
    let expected = expect
        .connections
        .or((scenario.mode() == FleetMode::Offline).then_some(0));
    if let Some(expected) = expected {
        assertion("connections", findings).equal(&expected, &connections);
    }
    if let Some(paired) = paired {
        let connected = paired.coordinator.after.connections - paired.coordinator.before.connections;
        let observed = format!("{connected} connections");
        let expected = "the same run with a fleet connects, so that silence means something";
        assertion("connects-with", findings).holds(connected > 0, expected, observed);
    }
    if !expect.calls.is_empty() {
        let calls: BTreeMap<String, u64> = expect
            .calls
            .keys()
            .map(|operation| (operation.clone(), seen.calls(operation)))
            .collect();
        assertion("calls", findings).equal(&expect.calls, &calls);
    }
    if let Some(expected) = expect.dry_runs {
        let dry_runs = coordinator.after.dry_runs - coordinator.before.dry_runs;
        assertion("dry-runs", findings).equal(&expected, &dry_runs);
    }
    only_shadow_operations(scenario, seen, findings);
    mutations(scenario, seen, findings);
    blind(scenario, seen, findings);
}

/// What was asked that could change real state, where the local inbox is authoritative and nothing of it may be.
pub(crate) fn forbidden<'a>(scenario: &Scenario, seen: &'a RunEvidence) -> Option<Vec<&'a Exchange>> {
    let watching = matches!(scenario.mode(), FleetMode::Local | FleetMode::Shadow);
    if !watching || changes_flags(scenario) {
        return None;
    }
    let journal = &seen.coordinator.journal;
    let is = |exchange: &Exchange, names: &[&str]| {
        let operation = exchange.operation.as_deref();
        operation.is_some_and(|operation| names.contains(&operation))
    };
    let mut asked: Vec<&Exchange> = journal.iter().filter(|seen| is(seen, &MUTATING)).collect();
    // Clause S-10: for each lease that a dry run was given one release, and no second try.
    for _ in journal.iter().filter(|seen| granted_by_a_dry_run(seen)) {
        if let Some(place) = asked.iter().position(|seen| is(seen, &["lease.release"])) {
            asked.remove(place);
        }
    }
    Some(asked)
}

fn only_shadow_operations(scenario: &Scenario, seen: &RunEvidence, findings: &mut CheckFindings) {
    let Some(asked) = forbidden(scenario, seen) else {
        return;
    };
    let asked: Vec<&String> = asked.iter().filter_map(|seen| seen.operation.as_ref()).collect();
    assertion("only-shadow-operations", findings).none("no operation that mutates", &asked);
    if scenario.mode() == FleetMode::Local {
        let shadow = seen
            .coordinator
            .journal
            .iter()
            .filter_map(|exchange| exchange.operation.as_deref());
        let shadow: Vec<&str> = shadow
            .filter(|operation| operation.starts_with("shadow."))
            .collect();
        assertion("no-shadow-calls", findings).none("no shadow operation", &shadow);
    }
}

/// Zero mutations is three things: the counters, the digest, and that the fake saw this runner at all.
fn mutations(scenario: &Scenario, seen: &RunEvidence, findings: &mut CheckFindings) {
    let coordinator = &seen.coordinator;
    let changes_state = has_state_changing_fault(scenario);
    let flips = changes_flags(scenario);
    let implied = (scenario.mode() != FleetMode::Route && !changes_state && !flips).then_some(0);
    let Some(expected) = scenario.expect.mutations.or(implied) else {
        return;
    };
    let counted = coordinator.after.mutations_total() - coordinator.before.mutations_total();
    assertion("mutations", findings).equal(&expected, &counted);
    if expected > 0 {
        return;
    }
    assertion("digest", findings).equal(&coordinator.digest_before, &coordinator.digest_after);
    if scenario.expect.mutations == Some(0) && scenario.mode() == FleetMode::Shadow && reachable(scenario) {
        let shadow = seen.calls("shadow.claim") + seen.calls("shadow.report");
        let expected = "the fake saw this runner's shadow calls, so that \"no mutation\" means something";
        assertion("shadow-seen", findings).holds(shadow > 0, expected, format!("{shadow} shadow calls"));
    }
}

/// Clause S-15: a shadow claim says who asks and what it can do, and nothing of what was decided here.
fn blind(scenario: &Scenario, seen: &RunEvidence, findings: &mut CheckFindings) {
    let claims = seen.exchanges("shadow.claim");
    let ids: Vec<&str> = scenario.jobs.iter().map(|job| job.id.as_str()).collect();
    let telling: Vec<String> = claims
        .filter_map(|claim| claim.request_body.as_ref())
        .map(ToString::to_string)
        .filter(|body| ids.iter().any(|id| body.contains(&format!("\"{id}\""))))
        .collect();
    assertion("blind", findings).none("no shadow claim names a job", &telling);
}

/// Where a dry run was given a lease, clause S-10 has it released: the one exception.
fn granted_by_a_dry_run(exchange: &Exchange) -> bool {
    let fault = exchange.fault.as_deref();
    fault.is_some_and(|fault| fault.contains("dry_run_grants"))
}

/// Whether the runner's mode changes on its way, or is another one than its environment says.
fn changes_flags(scenario: &Scenario) -> bool {
    let mut steps = scenario.steps.iter();
    scenario.sets_route_in_file() || steps.any(|step| matches!(step.action, StepAction::Flag(_)))
}

fn reachable(scenario: &Scenario) -> bool {
    !scenario.runner.env.contains_key("AQ_FLEET_URL")
}

/// Whether a rule of the scenario makes its fake change state where the contract does not.
pub(super) fn has_state_changing_fault(scenario: &Scenario) -> bool {
    let table = &scenario.coordinator;
    let preset = table
        .preset
        .as_deref()
        .and_then(|name| stub_coordinator::preset(name).ok())
        .unwrap_or_default();
    let armed = scenario.steps.iter().filter_map(|step| match &step.action {
        StepAction::Arm(rule) => Some(rule.as_ref()),
        _ => None,
    });
    table
        .rule
        .iter()
        .chain(&preset)
        .chain(armed)
        .any(|rule| STATE_CHANGING_FAULTS.contains(&rule.fault.kind()))
}
