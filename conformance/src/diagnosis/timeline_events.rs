//! What happened in a run, event by event: what the runner did, by its commands, the fake engines that it started and
//! its queue folder; what the fake saw; what the scenario's script did.

use std::time::Instant;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use stub_coordinator::Exchange;

use crate::evidence::RunEvidence;
use crate::printable_text::printable_line;
use crate::profile::Profile;
use crate::scenario::step::EventKind;
use crate::supervise::ProcessExit;

/// Something that happened, as its source describes it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct TimelineEvent {
    /// Microseconds since the first event.
    pub at_us: u64,
    pub seen_by: EventSource,
    pub what: String,
    /// The job and the operation that it is about.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub about: Vec<String>,
    /// Whether it is out of the ordinary: spoilt by a rule, a change of real state, a process that had to be killed.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub odd: bool,
    /// The job file that changed its stage folder.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub moved: Option<StageMove>,
}

/// A job file that changed its stage folder; a folder that is none of the stages is not named.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct StageMove {
    pub job: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub from: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub to: Option<String>,
}

/// Who saw something.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum EventSource {
    /// What the runner did: its commands, the fake engines that it started, the files that it moved, its log.
    Runner,
    /// The fake coordinator.
    Coordinator,
    /// The scenario itself: a step was done.
    Script,
}

/// An event with its time on this process's clock.
pub(super) struct TimedEvent {
    pub(super) at: Instant,
    event: TimelineEvent,
}

impl TimedEvent {
    fn new(at: Instant, seen_by: EventSource, what: &str) -> TimedEvent {
        let event = TimelineEvent {
            at_us: 0,
            seen_by,
            what: printable_line(what),
            about: Vec::new(),
            odd: false,
            moved: None,
        };
        TimedEvent { at, event }
    }

    fn about<'a>(mut self, subjects: impl IntoIterator<Item = &'a String>) -> TimedEvent {
        self.event.about.extend(subjects.into_iter().cloned());
        self
    }

    fn odd(mut self, odd: bool) -> TimedEvent {
        self.event.odd = odd;
        self
    }

    /// The event as the stream has it: counted from `first`.
    pub(super) fn since(self, first: Option<Instant>) -> TimelineEvent {
        let at_us = micros(first, self.at);
        TimelineEvent { at_us, ..self.event }
    }
}

/// Microseconds from `first` to `at`.
pub(super) fn micros(first: Option<Instant>, at: Instant) -> u64 {
    let since = first.map_or_else(Default::default, |first| at.duration_since(first));
    u64::try_from(since.as_micros()).unwrap_or(u64::MAX)
}

/// All events of a run, in order of time.
pub(super) fn of(seen: &RunEvidence, profile: &Profile) -> Vec<TimedEvent> {
    let mut found = Vec::new();
    commands(seen, profile, &mut found);
    fake_engines(seen, &mut found);
    folder(seen, &mut found);
    exchanges(seen, &mut found);
    for expired in seen
        .timeline
        .iter()
        .filter(|seen| seen.kind == EventKind::LeaseExpired)
    {
        let what = format!("the time of the lease on {} is over", expired.subject);
        let job = Some(expired.subject.clone());
        found.push(TimedEvent::new(expired.at, EventSource::Coordinator, &what).about(&job));
    }
    for (at, what) in &seen.steps_done {
        found.push(TimedEvent::new(*at, EventSource::Script, what));
    }
    found.sort_by_key(|raw| raw.at);
    found
}

fn commands(seen: &RunEvidence, profile: &Profile, found: &mut Vec<TimedEvent>) {
    for run in seen.all_commands() {
        let words = format!("{} {}", profile.name, run.arguments.join(" "));
        let start = format!("`{words}` starts");
        found.push(TimedEvent::new(run.started, EventSource::Runner, &start));
        let mut what = format!("`{words}`: {:?}", run.exit);
        for left in &run.stragglers {
            what.push_str(&format!("; left `{}` behind", left.command));
        }
        let odd = !run.stragglers.is_empty() || !matches!(run.exit, ProcessExit::Code(_));
        found.push(TimedEvent::new(run.started + run.took, EventSource::Runner, &what).odd(odd));
    }
}

fn fake_engines(seen: &RunEvidence, found: &mut Vec<TimedEvent>) {
    for run in &seen.runs {
        let job = run.job.as_deref().unwrap_or("(no job)");
        let what = format!("{} starts for {job} {:?}", run.tool, run.hello.arguments);
        found.push(TimedEvent::new(run.started, EventSource::Runner, &what).about(&run.job));
        found.extend(run.got_term.map(|(_, at)| {
            let what = format!("{} for {job} gets SIGTERM", run.tool);
            TimedEvent::new(at, EventSource::Runner, &what).about(&run.job)
        }));
        let how = run
            .exit
            .map_or("was ended".to_owned(), |code| format!("exits {code}"));
        found.extend(run.ended.map(|ended| {
            let what = format!("{} for {job} {how}", run.tool);
            TimedEvent::new(ended, EventSource::Runner, &what)
                .about(&run.job)
                .odd(run.exit.is_none())
        }));
    }
}

/// What was seen of the queue folder: job files that moved, and lines of the shadow log.
fn folder(seen: &RunEvidence, found: &mut Vec<TimedEvent>) {
    for moved in &seen.watched.moves {
        let what = match (&moved.from, &moved.to) {
            (Some(from), Some(to)) => format!("{}: {from} → {to}", moved.job),
            (None, Some(to)) => format!("{}: appears in {to}", moved.job),
            (Some(from), None) => format!("{}: is gone from {from}", moved.job),
            (None, None) => continue,
        };
        let mut raw = TimedEvent::new(moved.at, EventSource::Runner, &what).about([&moved.job]);
        raw.event.moved = Some(StageMove {
            job: moved.job.clone(),
            from: moved.from.clone(),
            to: moved.to.clone(),
        });
        found.push(raw);
    }
    for described in &seen.shadow_log.lines {
        let jobs = ["localJob", "coordJob"].map(|key| {
            let named = described.object.as_ref()?.get(key)?;
            named.as_str().map(ToOwned::to_owned)
        });
        let line = |at| {
            let what = format!("log line {}: {}", described.number, described.text);
            TimedEvent::new(at, EventSource::Runner, &what).about(jobs.iter().flatten())
        };
        found.extend(seen.watched.log_reached(described.end).map(line));
    }
}

fn exchanges(seen: &RunEvidence, found: &mut Vec<TimedEvent>) {
    for exchange in &seen.coordinator.journal {
        let subjects = || exchange.operation.iter().chain(&exchange.job);
        let arrived = TimedEvent::new(exchange.arrived, EventSource::Coordinator, &arrival(exchange));
        found.push(arrived.about(subjects()));
        found.extend(exchange.completed.map(|completed| {
            let odd = exchange.mutated || exchange.fault.is_some() || exchange.wire_answer.is_none();
            let raw = TimedEvent::new(completed, EventSource::Coordinator, &completion(exchange));
            raw.about(subjects()).odd(odd)
        }));
    }
}

fn arrival(exchange: &Exchange) -> String {
    let operation = exchange.operation.as_deref().unwrap_or("(unknown)");
    let body = exchange
        .request_body
        .as_ref()
        .map_or(String::new(), |body| format!(" {body}"));
    format!("→ #{} {operation}{body}", exchange.seq)
}

fn completion(exchange: &Exchange) -> String {
    let status = exchange
        .wire_answer
        .as_ref()
        .map_or("no answer".to_owned(), |answer| answer.status.to_string());
    let answered = exchange.wire_answer.as_ref();
    let job = answered.and_then(|answer| answer.body.as_ref()?.pointer("/job/id")?.as_str());
    let job = job.map_or(String::new(), |job| format!(", job {job}"));
    let fault = exchange
        .fault
        .as_ref()
        .map_or(String::new(), |fault| format!(" by fault {fault}"));
    let mutated = if exchange.mutated {
        ", real state changed"
    } else {
        ""
    };
    format!(
        "← #{} {:?} {status}{job}{fault}{mutated}",
        exchange.seq, exchange.outcome
    )
}
