//! What happened in a run, moment by moment: what the runner did, by its commands, the stand-ins that it started and
//! its queue folder; what the fake saw; what the scenario's script did.

use std::time::Instant;

use stub_coordinator::Exchange;

use super::account::{Moment, Moved, Witness, ended, line};
use crate::observed::Observed;
use crate::profile::Profile;
use crate::scenario::step::EventKind;
use crate::supervise::Exit;

/// A moment with its time on this process's clock.
pub(super) struct Raw {
    pub(super) at: Instant,
    seen_by: Witness,
    what: String,
    about: Vec<String>,
    odd: bool,
    moved: Option<Moved>,
}

impl Raw {
    fn new(at: Instant, seen_by: Witness, what: String) -> Raw {
        Raw {
            at,
            seen_by,
            what,
            about: Vec::new(),
            odd: false,
            moved: None,
        }
    }

    fn about<'a>(mut self, subjects: impl IntoIterator<Item = &'a String>) -> Raw {
        self.about.extend(subjects.into_iter().cloned());
        self
    }

    fn odd(mut self, odd: bool) -> Raw {
        self.odd = odd;
        self
    }

    /// The moment as the stream has it: counted from `first`.
    pub(super) fn since(self, first: Option<Instant>) -> Moment {
        Moment {
            at_us: micros(first, self.at),
            seen_by: self.seen_by,
            what: line(&self.what),
            about: self.about,
            odd: self.odd,
            moved: self.moved,
        }
    }
}

/// Microseconds from `first` to `at`.
pub(super) fn micros(first: Option<Instant>, at: Instant) -> u64 {
    let since = first.map_or_else(Default::default, |first| at.duration_since(first));
    u64::try_from(since.as_micros()).unwrap_or(u64::MAX)
}

/// All of a run's moments, in order of time.
pub(super) fn of(seen: &Observed, profile: &Profile) -> Vec<Raw> {
    let mut found = Vec::new();
    commands(seen, profile, &mut found);
    stand_ins(seen, &mut found);
    folder(seen, &mut found);
    exchanges(seen, &mut found);
    for lapsed in seen.timeline.iter().filter(|seen| seen.kind == EventKind::Lapsed) {
        let what = format!("the time of the lease on {} is over", lapsed.subject);
        let job = Some(lapsed.subject.clone());
        found.push(Raw::new(lapsed.at, Witness::Coordinator, what).about(&job));
    }
    for (at, what) in &seen.steps_done {
        found.push(Raw::new(*at, Witness::Script, what.clone()));
    }
    found.sort_by_key(|raw| raw.at);
    found
}

fn commands(seen: &Observed, profile: &Profile, found: &mut Vec<Raw>) {
    for run in seen.all_commands() {
        let words = format!("{} {}", profile.name, run.arguments.join(" "));
        found.push(Raw::new(
            run.started,
            Witness::Runner,
            format!("`{words}` starts"),
        ));
        let mut what = format!("`{words}`: {}", ended(run.exit));
        for left in &run.stragglers {
            what.push_str(&format!("; left `{}` behind", left.command));
        }
        let odd = !run.stragglers.is_empty() || !matches!(run.exit, Exit::Code(_));
        found.push(Raw::new(run.started + run.took, Witness::Runner, what).odd(odd));
    }
}

fn stand_ins(seen: &Observed, found: &mut Vec<Raw>) {
    for run in &seen.runs {
        let job = run.job.as_deref().unwrap_or("(no job)");
        let what = format!("{} starts for {job} {:?}", run.tool, run.hello.arguments);
        found.push(Raw::new(run.started, Witness::Runner, what).about(&run.job));
        found.extend(run.got_term.map(|(_, at)| {
            let what = format!("{} for {job} gets SIGTERM", run.tool);
            Raw::new(at, Witness::Runner, what).about(&run.job)
        }));
        let how = run
            .exit
            .map_or("was ended".to_owned(), |code| format!("exits {code}"));
        found.extend(run.ended.map(|ended| {
            let what = format!("{} for {job} {how}", run.tool);
            Raw::new(ended, Witness::Runner, what)
                .about(&run.job)
                .odd(run.exit.is_none())
        }));
    }
}

/// What was seen of the queue folder: job files that moved, and lines of the shadow log.
fn folder(seen: &Observed, found: &mut Vec<Raw>) {
    for moved in &seen.watched.moves {
        let what = match (&moved.from, &moved.to) {
            (Some(from), Some(to)) => format!("{}: {from} → {to}", moved.job),
            (None, Some(to)) => format!("{}: appears in {to}", moved.job),
            (Some(from), None) => format!("{}: is gone from {from}", moved.job),
            (None, None) => continue,
        };
        let mut raw = Raw::new(moved.at, Witness::Runner, what).about([&moved.job]);
        raw.moved = Some(Moved {
            job: moved.job.clone(),
            from: moved.from.clone(),
            to: moved.to.clone(),
        });
        found.push(raw);
    }
    for told in &seen.shadow_log.lines {
        let jobs = ["localJob", "coordJob"].map(|key| {
            let named = told.object.as_ref()?.get(key)?;
            named.as_str().map(ToOwned::to_owned)
        });
        let line = |at| {
            let what = format!("log line {}: {}", told.number, told.text);
            Raw::new(at, Witness::Runner, what).about(jobs.iter().flatten())
        };
        found.extend(seen.watched.log_reached(told.end).map(line));
    }
}

fn exchanges(seen: &Observed, found: &mut Vec<Raw>) {
    for exchange in &seen.coordinator.journal {
        let subjects = || exchange.operation.iter().chain(&exchange.job);
        let arrived = Raw::new(exchange.arrived, Witness::Coordinator, arrival(exchange));
        found.push(arrived.about(subjects()));
        found.extend(exchange.completed.map(|completed| {
            let odd = exchange.mutated || exchange.fault.is_some() || exchange.wire_answer.is_none();
            let raw = Raw::new(completed, Witness::Coordinator, completion(exchange));
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
