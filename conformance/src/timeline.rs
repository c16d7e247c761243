//! One line of time from the stand-ins, the fake coordinator and the leases that it granted, which keep the same clock.

use std::collections::BTreeMap;
use std::time::Instant;

use stub_coordinator::Exchange;

use crate::evidence::{CommandRun, StepCommandRun};
use crate::fake_engine::server::EngineRun;
use crate::fake_engine::{SHIP, VERIFY};
use crate::scenario::step::EventKind;

/// Something that happened: the `ordinal`th of its kind about its subject.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ObservedEvent {
    /// When it was noticed: it happened by then.
    pub at: Instant,
    /// It did not happen before this. The end of a process, and what it says, is noticed late on a busy machine; all
    /// else is noted by whoever does it.
    pub earliest: Instant,
    pub kind: EventKind,
    pub subject: String,
    pub ordinal: usize,
}

/// Everything that was seen, in order of time.
pub fn of(
    runs: &[EngineRun],
    journal: &[Exchange],
    lapsed: &[(Instant, String)],
    beside: &[StepCommandRun],
) -> Vec<ObservedEvent> {
    let mut moments: Vec<(Instant, Instant, EventKind, &str)> = Vec::new();
    let steps: Vec<String> = beside.iter().map(|beside| beside.step.to_string()).collect();
    moments.extend(beside.iter().zip(&steps).map(|(beside, step)| {
        let CommandRun { started, took, .. } = beside.command;
        (started + took, started, EventKind::CommandEnded, step.as_str())
    }));
    for run in runs {
        let Some(job) = run.job.as_deref() else { continue };
        let start = start_of(&run.tool);
        moments.push((run.started, run.started, start, job));
        if let (Some(term), Some((earliest, at))) = (term_of(&run.tool), run.got_term) {
            moments.push((at, earliest, term, job));
        }
        if let (Some(end), Some(ended)) = (end_of(&run.tool), run.ended) {
            moments.push((ended, run.alive_at, end, job));
        }
    }
    moments.extend(
        lapsed
            .iter()
            .map(|(at, job)| (*at, *at, EventKind::Lapsed, job.as_str())),
    );
    for exchange in journal {
        let Some(operation) = exchange.operation.as_deref() else {
            continue;
        };
        moments.push((exchange.arrived, exchange.arrived, EventKind::Arrived, operation));
        if let Some(completed) = exchange.completed {
            moments.push((completed, completed, EventKind::Answered, operation));
        }
    }
    moments.sort_by_key(|(at, ..)| *at);
    let mut counts: BTreeMap<(EventKind, &str), usize> = BTreeMap::new();
    let numbered = moments.into_iter().map(|(at, earliest, kind, subject)| {
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
