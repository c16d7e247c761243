//! Where a run differs from what it should have been: the first line of the log, exchange, request or stage of a job
//! that is another than expected. It explains a failure to a person; nothing is judged by it.

mod claims_and_log;
mod engine_starts;
mod job_stages;

use std::time::Instant;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use stub_coordinator::Exchange;

use super::timeline_events;
use crate::checks::{coordinator_calls, shadow_log};
use crate::evidence::{Evidence, RunEvidence};
use crate::printable_text::printable_line;
use crate::profile::Profile;
use crate::scenario::{FlagState, FleetMode, Scenario};

/// A place at which a run differs from what it should have been.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct FirstDifference {
    pub kind: DifferenceKind,
    /// Microseconds since the first event of the case's first trace; none where what is missing never came.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub at_us: Option<u64>,
    /// At which line, exchange, or job's file.
    pub place: String,
    pub expected: String,
    pub seen: String,
}

/// What differs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum DifferenceKind {
    /// A request that should not have been made, or one that was not.
    Request,
    /// A shadow claim that was answered and has no line in the log.
    UnloggedExchange,
    /// A line of the log that says something else than the exchange that it stands for.
    ContradictedExchange,
    /// A verdict in the log for which nobody was asked.
    UnaskedVerdict,
    /// A line of the log that is another than the scenario's.
    Line,
    /// A job file that went into another stage folder.
    Stage,
    /// An engine, `verify` or `ship` that was started too often, or not at all.
    Start,
}

impl FirstDifference {
    /// Its time in words.
    pub fn when(&self) -> String {
        match self.at_us {
            Some(at_us) => format!("at {:.1} ms", at_us as f64 / 1e3),
            None => "in the end".into(),
        }
    }
}

/// A difference with its time on this process's clock.
struct TimedDifference {
    kind: DifferenceKind,
    at: Option<Instant>,
    place: String,
    expected: String,
    seen: String,
}

impl TimedDifference {
    /// In order of time; what never came is last.
    fn order(&self) -> (bool, Option<Instant>) {
        (self.at.is_none(), self.at)
    }
}

fn earliest(found: impl Iterator<Item = TimedDifference>) -> Option<TimedDifference> {
    found.min_by_key(TimedDifference::order)
}

/// The first difference of each kind, in order of time. They are about the run itself, which is the first trace.
pub fn of(scenario: &Scenario, evidence: &Evidence, profile: &Profile) -> Vec<FirstDifference> {
    let run = &evidence.run;
    let watches = scenario.mode() == FleetMode::Shadow && !shadow_log::has_seeded_log(scenario);
    let mut found: Vec<TimedDifference> = request(scenario, run).into_iter().collect();
    if watches
        && shadow_log::expected(scenario)
            .iter()
            .any(|(_, part)| part.is_some())
    {
        found.extend(claims_and_log::of(run));
        found.extend(first_line(scenario, run));
    }
    found.extend(job_stages::of(scenario, run, evidence.offline.as_ref()));
    found.extend(engine_starts::of(scenario, run));
    found.sort_by_key(|found| (found.order(), found.kind));
    let first = timeline_events::of(run, profile).first().map(|raw| raw.at);
    let differences = found.into_iter().map(|found| FirstDifference {
        kind: found.kind,
        at_us: found.at.map(|at| timeline_events::micros(first, at)),
        place: printable_line(&found.place),
        expected: printable_line(&found.expected),
        seen: printable_line(&found.seen),
    });
    differences.collect()
}

/// The first request that nobody may make here, that no API knows, or that is one more than the scenario's.
fn request(scenario: &Scenario, seen: &RunEvidence) -> Option<TimedDifference> {
    let wrong = |exchange: &Exchange, expected: String| TimedDifference {
        kind: DifferenceKind::Request,
        at: Some(exchange.arrived),
        place: format!("exchange #{}", exchange.seq),
        expected,
        seen: format!("{} {}", exchange.method, exchange.path),
    };
    let forbidden = coordinator_calls::forbidden(scenario, seen).unwrap_or_default();
    let forbidden = forbidden
        .first()
        .map(|exchange| wrong(exchange, "no operation that mutates".into()));
    let unknown = seen.coordinator.unexpected.first();
    let unknown = unknown.map(|exchange| wrong(exchange, "no request that the API does not know".into()));
    let counted = scenario.expect.calls.iter().filter_map(|(operation, wanted)| {
        let made: Vec<&Exchange> = seen.exchanges(operation).collect();
        let wanted_in_all = usize::try_from(*wanted).ok()?;
        match made.get(wanted_in_all) {
            Some(more) => Some(wrong(more, format!("{operation} {wanted} times, no more"))),
            None if made.len() < wanted_in_all => Some(TimedDifference {
                kind: DifferenceKind::Request,
                at: None,
                place: format!("after {operation} number {}", made.len()),
                expected: format!("{operation} {wanted} times"),
                seen: format!("{} times", made.len()),
            }),
            None => None,
        }
    });
    earliest(counted.chain(forbidden).chain(unknown))
}

/// The first line of the log that is not the one that the scenario describes in its place.
fn first_line(scenario: &Scenario, seen: &RunEvidence) -> Option<TimedDifference> {
    let described = shadow_log::read(scenario, seen);
    let any_order = shadow_log::is_any_order(scenario) == FlagState::On;
    let parts = shadow_log::expected(scenario)
        .into_iter()
        .filter_map(|(part, expected)| {
            let described: Vec<&shadow_log::DescribedLine> = described
                .iter()
                .filter(|described| described.part == part)
                .collect();
            let (position, expected) = match any_order {
                true => first_difference_in_any_order(&expected?, &described)?,
                false => first_line_difference(&expected?, &described)?,
            };
            Some((position.map(|position| described[position]), expected))
        });
    let (described, expected) =
        parts.min_by_key(|(described, _)| described.map_or(usize::MAX, |described| described.line))?;
    Some(match described {
        Some(described) => TimedDifference {
            kind: DifferenceKind::Line,
            at: noticed(seen, described.line),
            place: format!("log line {}", described.line + 1),
            expected: expected.unwrap_or_else(|| "no such line".into()),
            seen: described.text.clone(),
        },
        None => TimedDifference {
            kind: DifferenceKind::Line,
            at: None,
            place: format!("after {} lines of the log", seen.shadow_log.lines.len()),
            expected: expected.unwrap_or_default(),
            seen: "no such line".into(),
        },
    })
}

/// What differs first: the position of the line, and what should have been.
type LineDifference = (Option<usize>, Option<String>);

fn first_line_difference(
    expected: &[String],
    described: &[&shadow_log::DescribedLine],
) -> Option<LineDifference> {
    let longest = expected.len().max(described.len());
    let position = (0..longest)
        .find(|index| expected.get(*index) != described.get(*index).map(|described| &described.text))?;
    Some((
        (position < described.len()).then_some(position),
        expected.get(position).cloned(),
    ))
}

fn first_difference_in_any_order(
    expected: &[String],
    described: &[&shadow_log::DescribedLine],
) -> Option<LineDifference> {
    let mut left = expected.to_vec();
    for (index, described) in described.iter().enumerate() {
        match left.iter().position(|expected| *expected == described.text) {
            Some(position) => drop(left.swap_remove(position)),
            None => return Some((Some(index), None)),
        }
    }
    left.into_iter().next().map(|missing| (None, Some(missing)))
}

/// When the log was found to hold this line.
fn noticed(seen: &RunEvidence, line: usize) -> Option<Instant> {
    seen.watched.log_reached(seen.shadow_log.lines.get(line)?.end)
}
