//! One line of time from the fake engines, the fake coordinator and the leases that it granted, which keep the same clock.

use std::collections::BTreeMap;
use std::time::Instant;

use stub_coordinator::Exchange;

use crate::evidence::{CommandRun, ObservedEvent, StepCommandRun};
use crate::fake_engine::engine_run::EngineRun;
use crate::fake_engine::{SHIP, VERIFY};
use crate::scenario::step::EventKind;

/// Everything that was seen, in order of time.
pub fn of(
    runs: &[EngineRun],
    journal: &[Exchange],
    expired: &[(Instant, String)],
    beside: &[StepCommandRun],
) -> Vec<ObservedEvent> {
    let mut events: Vec<(Instant, Instant, EventKind, &str)> = Vec::new();
    let steps: Vec<String> = beside.iter().map(|beside| beside.step.to_string()).collect();
    events.extend(beside.iter().zip(&steps).map(|(beside, step)| {
        let CommandRun { started, took, .. } = beside.command;
        (started + took, started, EventKind::CommandEnded, step.as_str())
    }));
    for run in runs {
        let Some(job) = run.job.as_deref() else { continue };
        let start = start_of(&run.tool);
        events.push((run.started, run.started, start, job));
        if let (Some(term), Some((earliest, at))) = (term_of(&run.tool), run.got_term) {
            events.push((at, earliest, term, job));
        }
        if let (Some(end), Some(ended)) = (end_of(&run.tool), run.ended) {
            events.push((ended, run.alive_at, end, job));
        }
    }
    events.extend(
        expired
            .iter()
            .map(|(at, job)| (*at, *at, EventKind::LeaseExpired, job.as_str())),
    );
    for exchange in journal {
        let Some(operation) = exchange.operation.as_deref() else {
            continue;
        };
        events.push((exchange.arrived, exchange.arrived, EventKind::Arrived, operation));
        if let Some(completed) = exchange.completed {
            events.push((completed, completed, EventKind::Answered, operation));
        }
    }
    events.sort_by_key(|(at, ..)| *at);
    let mut counts: BTreeMap<(EventKind, &str), usize> = BTreeMap::new();
    let numbered = events.into_iter().map(|(at, earliest, kind, subject)| {
        let ordinal = counts.entry((kind, subject)).or_default();
        *ordinal += 1;
        ObservedEvent {
            at,
            earliest,
            kind,
            subject: subject.to_owned(),
            ordinal: *ordinal,
        }
    });
    numbered.collect()
}

/// The kind of event that the start of this tool is.
pub fn start_of(tool: &str) -> EventKind {
    match tool {
        VERIFY => EventKind::Verify,
        SHIP => EventKind::Ship,
        _ => EventKind::Run,
    }
}

/// The kind of event that a SIGTERM to it is, if it is any.
pub fn term_of(tool: &str) -> Option<EventKind> {
    match start_of(tool) {
        EventKind::Run => Some(EventKind::Term),
        EventKind::Ship => Some(EventKind::ShipTerm),
        _ => None,
    }
}

/// The kind of event that its end is, if it is any.
pub fn end_of(tool: &str) -> Option<EventKind> {
    match start_of(tool) {
        EventKind::Run => Some(EventKind::Ended),
        EventKind::Ship => Some(EventKind::ShipEnded),
        _ => None,
    }
}
