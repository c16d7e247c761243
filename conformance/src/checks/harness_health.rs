//! Whether the instruments themselves can be trusted: every step came about, every rule fired, the fake
//! contradicts itself nowhere, events came in the order that was asked for.

use super::{CheckFindings, assertion};
use crate::evidence::RunEvidence;
use crate::scenario::Scenario;
use crate::scenario::step::ScenarioEvent;

pub(super) fn check(scenario: &Scenario, seen: &RunEvidence, findings: &mut CheckFindings) {
    let missed: Vec<String> = seen
        .steps_missed
        .iter()
        .map(|position| format!("step {position}"))
        .collect();
    assertion("steps-done", findings).none("every step comes about", &missed);
    assertion("steps-worked", findings).none("every step can be carried out", &seen.steps_failed);
    assertion("rules-fired", findings).none("every armed rule fires", &seen.coordinator.rules_unfired);
    if seen.coordinator.was_down {
        assertion("outage-met", findings).holds(
            met_an_outage(seen),
            "the runner's own log tells of a connection that could not be made",
            format!("{} lines in the shadow log", seen.shadow_log.lines.len()),
        );
    }
    assertion("journal-whole", findings).equal(&0, &seen.coordinator.forgotten);
    if !super::coordinator_calls::has_state_changing_fault(scenario) {
        assertion("fake-is-honest", findings).none("no violation by the fake", &seen.coordinator.violations);
    }
    let unexpected = seen.coordinator.unexpected.iter();
    let unexpected: Vec<String> = unexpected
        .map(|request| format!("{} {}", request.method, request.path))
        .collect();
    assertion("known-requests", findings).none("no request that the API does not know", &unexpected);
    let strangers: Vec<String> = seen
        .runs
        .iter()
        .filter(|run| run.job.as_deref().is_none_or(|id| scenario.job(id).is_none()))
        .map(|run| format!("{} with {:?}", run.tool, run.hello.arguments))
        .collect();
    assertion("prompt", findings).none("every engine gets a prompt of the scenario's jobs", &strangers);
    if !scenario.expect.order.is_empty() {
        let wrong = out_of_order(scenario, seen);
        assertion("order", findings).none(&scenario.expect.order.join(", then "), &wrong);
    }
}

/// While nobody listens, the fake sees nothing; only the runner's log shows that it tried.
fn met_an_outage(seen: &RunEvidence) -> bool {
    let kinds = seen.shadow_log.lines.iter().filter_map(|line| {
        let object = line.object.as_ref()?;
        object.get("kind")?.as_str()
    });
    kinds.into_iter().any(|kind| kind.starts_with("connect"))
}

fn out_of_order(scenario: &Scenario, seen: &RunEvidence) -> Vec<String> {
    let events: Vec<ScenarioEvent> = scenario
        .expect
        .order
        .iter()
        .filter_map(|text| ScenarioEvent::parse(text))
        .collect();
    let at = |event: &ScenarioEvent| {
        let found = seen.timeline.iter().find(|seen| {
            seen.kind == event.kind && seen.subject == event.subject && seen.ordinal == event.ordinal
        });
        found.map(|seen| (seen.earliest, seen.at))
    };
    let name = |event: &ScenarioEvent| format!("{} {}#{}", event.kind.name(), event.subject, event.ordinal);
    let mut wrong: Vec<String> = events
        .iter()
        .filter(|event| at(event).is_none())
        .map(|event| format!("{} never happened", name(event)))
        .collect();
    for pair in events.windows(2) {
        if let (Some(first), Some(second)) = (at(&pair[0]), at(&pair[1]))
            && first.0 >= second.1
        {
            wrong.push(format!("{} came before {}", name(&pair[1]), name(&pair[0])));
        }
    }
    wrong
}
