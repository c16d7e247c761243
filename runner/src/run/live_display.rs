//! The lines at the bottom of a terminal that say what runs: drawn over and over while everything else scrolls above.
//!
//! Only on a terminal. Everything that a run tells its user goes through here, so that the two never mix.

use std::io::{IsTerminal, Write, stderr};
use std::sync::{Mutex, PoisonError};

use super::attempt::AttemptStep;
use super::job_command::QueueAttempt;
use crate::engine::{EngineEvent, EngineRegistry, EventFormat};
use crate::queue::Queue;
use crate::terminal::{ColorChoice, columns, duration, escape_control, strip_ansi, truncate_to_width};

/// Turned on by one each time that the lines are drawn.
const SPINNER: [char; 10] = ['⠋', '⠙', '⠹', '⠸', '⠼', '⠴', '⠦', '⠧', '⠇', '⠏'];
/// The last line of what a command printed is looked for in so much.
const TAIL_BYTES: u64 = 2048;

/// The same of an engine that prints events, whose lines are longer.
const EVENT_TAIL_BYTES: u64 = 64 * 1024;

/// More would not leave room for anything else.
const LINES_MAX: usize = 8;

static LINES: Mutex<Vec<String>> = Mutex::new(Vec::new());

/// A line that stays. The stream may be closed, which is no reason to stop working.
pub(super) fn say(line: &str) {
    let lines = LINES.lock().unwrap_or_else(PoisonError::into_inner);
    let text = format!("{}{line}\n{}", erased(&lines), drawn(&lines));
    // Where nothing is drawn, who waits here for a reader of the stream keeps nobody else waiting.
    let _drawn = (!lines.is_empty()).then_some(lines);
    let _ = stderr().write_all(text.as_bytes());
}

/// What is at the bottom from now on; nothing: the terminal is left as it was.
pub(super) fn show(mut fresh: Vec<String>) {
    let mut lines = LINES.lock().unwrap_or_else(PoisonError::into_inner);
    if fresh.len() > LINES_MAX {
        let more = fresh.len() - (LINES_MAX - 1);
        fresh.truncate(LINES_MAX - 1);
        fresh.push(format!("and {more} more"));
    }
    let width = columns(&stderr());
    let palette = ColorChoice::of(&stderr());
    let cut = |line: &String| palette.dim(&truncate_to_width(line, width));
    let fresh: Vec<String> = fresh.iter().map(cut).collect();
    if *lines != fresh {
        let text = erased(&lines) + &drawn(&fresh);
        let _ = stderr().write_all(text.as_bytes());
        *lines = fresh;
    }
}

/// Up to where the lines begin, and everything below that gone.
fn erased(lines: &[String]) -> String {
    match lines.len() {
        0 => String::new(),
        count => format!("\x1b[{count}A\r\x1b[J"),
    }
}

fn drawn(lines: &[String]) -> String {
    lines.iter().map(|line| format!("{line}\n")).collect()
}

/// Of one run.
pub(super) struct LiveDisplay {
    /// Someone looks at a terminal on which lines can change.
    is_watched: bool,
    /// Of the picture that turns while jobs run.
    frame: usize,
}

impl LiveDisplay {
    pub(super) fn new() -> LiveDisplay {
        let dumb = std::env::var_os("TERM").is_none_or(|value| value == "dumb");
        LiveDisplay {
            is_watched: stderr().is_terminal() && !dumb,
            frame: 0,
        }
    }

    pub(super) fn is_watched(&self) -> bool {
        self.is_watched
    }

    /// A line for each job that runs: for how long, and what it printed last.
    pub(super) fn show_working<'a>(
        &mut self,
        queue: &Queue,
        engines: &EngineRegistry,
        working: impl Iterator<Item = &'a QueueAttempt>,
    ) {
        if !self.is_watched {
            return;
        }
        self.frame = (self.frame + 1) % SPINNER.len();
        let spinner = SPINNER[self.frame];
        show(
            working
                .map(|attempt| line_of(queue, engines, attempt, spinner))
                .collect(),
        );
    }
}

fn line_of(queue: &Queue, engines: &EngineRegistry, attempt: &QueueAttempt, spinner: char) -> String {
    let doing = match (attempt.awaits_confirmation(), attempt.stage_of_work()) {
        (true, _) => "waits for its lease",
        (false, word) => word,
    };
    let tail = |bytes_max| attempt.tail(queue, attempt.state.step, bytes_max);
    let is_engine = attempt.state.step == AttemptStep::Engine;
    let printed = match engines
        .event_format(&attempt.state.job.engine)
        .filter(|_| is_engine)
    {
        Some(format) => last_event(format, &tail(EVENT_TAIL_BYTES)),
        None => last_line(&tail(TAIL_BYTES)),
    };
    let printed = printed.map_or_else(String::new, |line| format!("  {}", escape_control(&line)));
    let took = duration(attempt.held.started.elapsed());
    format!("{spinner} {}  {doing} {took}{printed}", attempt.state.job.id)
}

fn last_line(text: &str) -> Option<String> {
    let mut lines = text.lines().rev().map(strip_ansi);
    lines.find(|line| !line.is_empty())
}

/// What the engine did or said last.
fn last_event(format: EventFormat, tail: &str) -> Option<String> {
    let told = |event| match event {
        EngineEvent::Text { text, .. } => last_line(&text),
        EngineEvent::ToolCall { name, input } => last_line(&format!("> {name}  {input}")),
        EngineEvent::ToolFailed(told) | EngineEvent::Notice(told) => last_line(&told),
        _ => None,
    };
    let mut lines = tail.lines().rev();
    lines.find_map(|line| format.read(line.as_bytes())?.into_iter().rev().find_map(told))
}
