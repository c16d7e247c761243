//! What a run tells its user: a line for each start and end of a job, and one at the end of it all.

use std::collections::BTreeMap;
use std::io::{Write, stderr, stdout};
use std::time::Duration;

use super::live_display::{LiveDisplay, say};
pub(super) use super::messages::{waiting, warn};
use super::metrics_writer::MetricsWriter;
use super::notification_sender::NotificationSender;
use super::ship_plan::ShipPlan;
use crate::error_scope::HostTrouble;
use crate::ids::{EngineName, JobId};
use crate::job_reason::{JobReason, ReasonCode};
use crate::notifications::{EventNotification, NotificationEvent};
use crate::queue::{AwaitedFile, EnginePause, QUIET};
use crate::stage::Stage;
use crate::terminal::{self, ColorChoice};

/// A file that is no job before its writer has closed it.
pub(super) fn awaited(file: &AwaitedFile) {
    let name = terminal::escape_control(&file.name.to_string_lossy());
    let what = match &file.writer {
        Some(writer) => {
            let writer = terminal::escape_control(&writer.to_string());
            format!("which {writer} is still writing")
        }
        None => format!(
            "which may still be written by a process that can't be seen from here: it counts when that closes it, or \
             when it has not changed for {}",
            terminal::duration(QUIET)
        ),
    };
    waiting(&format!("waiting for {name}, {what}"));
}

fn say_of(id: &JobId, text: &str) {
    let id = ColorChoice::of(&stderr()).bold(id.as_str());
    say(&format!("{id}  {text}"));
}

pub(super) fn started(id: &JobId, what: &str, attempt: u32) {
    match attempt {
        0 | 1 => say_of(id, &format!("started with {what}")),
        again => say_of(id, &format!("started with {what} (attempt {again})")),
    }
}

pub(super) fn rewritten(id: &JobId) {
    warn(&format!(
        "{id}: its file was written anew while it waited; it runs as it stands now (`aq show {id}`)"
    ));
}

/// What a person approves, before any of it is run.
pub(super) fn plan(id: &JobId, plan: &ShipPlan) {
    say_of(id, "approved:");
    for (name, value) in plan.lines() {
        say(&format!("  {name:<11}  {}", terminal::escape_control(&value)));
    }
}

pub(super) fn approved(id: &JobId) {
    say_of(id, "approved: the runner that holds its lease ships it");
}

/// A job has come to a stage in which this run leaves it; `why`: in words. `has_log`: it printed something.
pub(super) fn moved(id: &JobId, stage: Stage, why: Option<&str>, took: Option<Duration>, has_log: bool) {
    let palette = ColorChoice::of(&stderr());
    let mut line = palette.stage(stage, word(stage));
    if let Some(took) = took {
        line += &format!(" after {}", terminal::duration(took));
    }
    if let Some(why) = why {
        line += &format!(": {}", terminal::escape_control(why));
    }
    let advice = match stage {
        Stage::Failed if has_log => format!("aq logs {id}"),
        Stage::Failed => format!("aq show {id}"),
        Stage::Review => format!("aq ship {id}"),
        Stage::Quarantine => format!("aq show {id}"),
        _ => String::new(),
    };
    if !advice.is_empty() {
        line += &format!("  {}", palette.dim(&format!("see `{advice}`")));
    }
    say_of(id, &line);
}

/// How many jobs came to which stage.
#[derive(Debug, Default)]
pub(super) struct StageTally {
    counts: BTreeMap<Stage, usize>,
}

impl StageTally {
    pub(super) fn count(&mut self, stage: Stage) {
        *self.counts.entry(stage).or_default() += 1;
    }

    pub(super) fn of(&self, stage: Stage) -> usize {
        self.counts.get(&stage).copied().unwrap_or(0)
    }

    /// `2 shipped, 1 failed`, or the same for a program.
    pub(super) fn print(&self, json: bool) {
        if json {
            let count = |stage: &Stage| (stage.folder().to_owned(), self.of(*stage).into());
            let counts: serde_json::Map<_, _> = self.counts.keys().map(count).collect();
            let _ = writeln!(stdout(), "{}", serde_json::json!({ "stages": counts }));
            return;
        }
        let order = [
            Stage::Shipped,
            Stage::Review,
            Stage::Failed,
            Stage::Quarantine,
            Stage::Inbox,
        ];
        let parts = order.iter().filter(|stage| self.of(**stage) > 0);
        let parts: Vec<String> = parts
            .map(|stage| format!("{} {}", self.of(*stage), word(*stage)))
            .collect();
        let line = match parts.is_empty() {
            true => "nothing to do".to_owned(),
            false => parts.join(", "),
        };
        let _ = writeln!(stdout(), "{line}");
    }
}

fn word(stage: Stage) -> &'static str {
    match stage {
        Stage::Inbox => "put back",
        Stage::Building => "building",
        Stage::Testing => "testing",
        Stage::Review => "waiting for review",
        Stage::Shipped => "shipped",
        Stage::Failed => "failed",
        Stage::Quarantine => "quarantined",
    }
}

/// Programs that are told of what happens beside the person at the terminal.
#[derive(Debug, Default)]
pub(super) struct RunObservers {
    pub(super) notifier: NotificationSender,
    pub(super) metrics: MetricsWriter,
}

/// A job that has come to a stage in which this run leaves it.
pub(super) struct JobArrival<'a> {
    pub(super) id: &'a JobId,
    pub(super) stage: Stage,
    /// Not known of what was refused, or left behind by another run.
    pub(super) engine: Option<&'a EngineName>,
    pub(super) reason: Option<&'a JobReason>,
    /// How long the attempt took, if it was one of this run's.
    pub(super) took: Option<Duration>,
    /// Whether it printed something.
    pub(super) has_log: bool,
}

/// What a run has told its user so far.
pub(super) struct RunProgress {
    pub(super) tally: StageTally,
    pub(super) display: LiveDisplay,
    /// Warnings that were given, each once.
    warned: Vec<String>,
    /// Why nothing happens, since something last did.
    wait_reported: bool,
    pub(super) observers: RunObservers,
}

impl RunProgress {
    /// `warned`: what was said before the run began.
    pub(super) fn new(warned: Vec<String>, observers: RunObservers) -> RunProgress {
        RunProgress {
            tally: StageTally::default(),
            display: LiveDisplay::new(),
            warned,
            wait_reported: false,
            observers,
        }
    }

    pub(super) fn attempt_started(&mut self, id: &JobId, engine: &EngineName, attempt: u32) {
        self.forget_wait();
        self.observers.metrics.attempt_started();
        started(id, engine.as_str(), attempt);
    }

    /// `told`: why, in other words than those of the reason.
    pub(super) fn arrived(&self, arrival: &JobArrival<'_>, told: Option<&str>) {
        let own = arrival.reason.map(JobReason::to_string);
        let told = told.or(own.as_deref());
        moved(arrival.id, arrival.stage, told, arrival.took, arrival.has_log);
        let code = arrival.reason.map(|reason| &reason.code);
        self.observers.metrics.job_left(arrival.stage, code, arrival.took);
        let event = match arrival.stage {
            Stage::Failed => NotificationEvent::JobFailed,
            Stage::Quarantine => NotificationEvent::JobQuarantined,
            Stage::Review => NotificationEvent::ReviewWaiting,
            Stage::Inbox | Stage::Building | Stage::Testing | Stage::Shipped => return,
        };
        let mut notification = EventNotification::now(event).of_job(arrival.id);
        if let Some(engine) = arrival.engine {
            notification = notification.of_engine(engine);
        }
        if let Some(reason) = arrival.reason {
            notification = notification.because_of(reason);
        }
        self.observers.notifier.tell(notification);
    }

    pub(super) fn lease_lost(&self, id: &JobId, why: &str) {
        warn(&format!("{id}: its lease is lost: {why}"));
        let lost = EventNotification::now(NotificationEvent::LeaseLost).of_job(id);
        self.observers
            .notifier
            .tell(lost.because_of(&ReasonCode::LeaseLost.with(why)));
    }

    /// `text`: what people are told of it.
    pub(super) fn host_troubled(&self, kind: HostTrouble, text: &str) {
        warn(text);
        let trouble = EventNotification::now(NotificationEvent::HostTrouble);
        self.observers.notifier.tell(trouble.because(kind.code(), text));
    }

    /// `text`: what people are told of it.
    pub(super) fn engine_paused(&self, engine: &EngineName, pause: &EnginePause, text: &str) {
        warn(text);
        let paused = EventNotification::now(NotificationEvent::EnginePaused).of_engine(engine);
        let paused = paused.because(pause.cause.code(), text).until(pause.until);
        self.observers.notifier.tell(paused);
    }

    pub(super) fn warn_once(&mut self, warning: &str) {
        if !self.warned.iter().any(|told| told == warning) {
            warn(warning);
            self.warned.push(warning.to_owned());
        }
    }

    /// Says once why nothing happens.
    pub(super) fn report_wait(&mut self, why: &str) {
        if !std::mem::replace(&mut self.wait_reported, true) {
            waiting(why);
        }
    }

    /// Why nothing happens is told anew from now on.
    pub(super) fn forget_wait(&mut self) {
        self.wait_reported = false;
    }
}
