//! What a run tells its user: a line for each start and end of a job, and one at the end of it all.

use std::collections::BTreeMap;
use std::io::{Write, stderr, stdout};
use std::time::Duration;

use super::live_display::{LiveDisplay, say};
use super::ship_plan::ShipPlan;
use crate::ids::JobId;
use crate::queue::{AwaitedFile, QUIET};
use crate::stage::Stage;
use crate::terminal::{self, ColorChoice};

pub(super) fn warn(text: &str) {
    say(&format!("aq: {}", terminal::escape_control(text)));
}

pub(super) fn waiting(text: &str) {
    say(&ColorChoice::of(&stderr()).dim(text));
}

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

/// A job has come to a stage in which this run leaves it; `why`: in words.
pub(super) fn moved(id: &JobId, stage: Stage, why: Option<&str>, took: Option<Duration>) {
    let palette = ColorChoice::of(&stderr());
    let mut line = palette.stage(stage, word(stage));
    if let Some(took) = took {
        line += &format!(" after {}", terminal::duration(took));
    }
    if let Some(why) = why {
        line += &format!(": {}", terminal::escape_control(why));
    }
    let advice = match stage {
        Stage::Failed => format!("aq logs {id}"),
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

/// What a run has told its user so far.
pub(super) struct RunProgress {
    pub(super) tally: StageTally,
    pub(super) display: LiveDisplay,
    /// Warnings that were given, each once.
    warned: Vec<String>,
    /// Why nothing happens, since something last did.
    wait_reported: bool,
}

impl RunProgress {
    /// `warned`: what was said before the run began.
    pub(super) fn new(warned: Vec<String>) -> RunProgress {
        RunProgress {
            tally: StageTally::default(),
            display: LiveDisplay::new(),
            warned,
            wait_reported: false,
        }
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
